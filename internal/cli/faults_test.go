package cli

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// breadth is how much of the organization a fault hits.
type breadth string

const (
	oneRegion  breadth = "one Region of an account"
	oneAccount breadth = "one account"
	allOfIt    breadth = "everything"
)

// breakage is one way for a reason to come about. unknown are the places that
// cannot be told for as long as it lasts; the others must not be touched by it.
type breakage struct {
	faults  []simaws.Fault
	names   []string // that do not resolve
	unknown []string
	// felt is after how long it is felt when everything is known: what was
	// handed out before goes on for a while.
	felt time.Duration
	// cannot says why there is no such thing.
	cannot string
}

// all are the places of accounts in Regions.
func all(accounts []string, regions ...string) (places []string) {
	for _, a := range accounts {
		for _, r := range regions {
			places = append(places, place(a, r))
		}
	}
	slices.Sort(places)
	return places
}

var labAccounts = []string{labManagement, labHub, labAlpha, labBeta}

// simply is the same kind of fault in each breadth. What the organization
// analyzer covers stays covered, unless that cannot be read either.
func simply(kind simaws.FaultKind, services string) map[breadth]breakage {
	return map[breadth]breakage{
		oneRegion: {
			faults:  []simaws.Fault{{Kind: kind, Service: "access-analyzer", Account: labAlpha, Region: "eu-west-1", Size: 50 << 20}},
			unknown: []string{place(labAlpha, "eu-west-1")},
		},
		oneAccount: {
			faults:  []simaws.Fault{{Kind: kind, Service: services, Account: labAlpha}},
			unknown: all([]string{labAlpha}, "eu-west-1", "eu-south-1"),
		},
		allOfIt: {
			faults:  []simaws.Fault{{Kind: kind, Service: services}},
			unknown: all(labAccounts, "us-east-1", "eu-west-1", "eu-south-1"),
		},
	}
}

// mostLines of log for everything that comes of one fault: one for each
// operation and reason, however many places there are.
const mostLines = 10

const notIdentity = "access-analyzer|account|organizations"

// matrix is every reason in every breadth.
func matrix() map[inventory.Reason]map[breadth]breakage {
	return map[inventory.Reason]map[breadth]breakage{
		inventory.AccessDenied: simply(simaws.AccessDenied, notIdentity),
		inventory.SCPDenied:    simply(simaws.SCPDenied, notIdentity),
		inventory.AssumeRoleDenied: {
			oneRegion: {cannot: "a role is entered for all Regions"},
			oneAccount: {
				faults:  []simaws.Fault{{Kind: simaws.AssumeRoleDenied, Account: labAlpha}},
				felt:    time.Hour,
				unknown: all([]string{labAlpha}, "eu-west-1", "eu-south-1"),
			},
			allOfIt: {
				// The hub reads itself, and its organization analyzer covers the others.
				faults: []simaws.Fault{{Kind: simaws.AssumeRoleDenied}},
				felt:   time.Hour,
				unknown: append(all([]string{labManagement, labAlpha, labBeta}, "eu-west-1", "eu-south-1"),
					place(labHub, "eu-south-1")), // the management account may hold another
			},
		},
		inventory.Credentials: simply(simaws.InvalidCredentials, ""),
		inventory.RegionDisabled: {
			oneRegion: {
				faults:  []simaws.Fault{{Kind: simaws.RegionDisabled, Service: "access-analyzer", Account: labAlpha, Region: "eu-south-1"}},
				unknown: []string{place(labAlpha, "eu-south-1")},
			},
			oneAccount: {cannot: "other Regions are always enabled"},
			allOfIt: {
				faults:  []simaws.Fault{{Kind: simaws.RegionDisabled, Service: "access-analyzer", Region: "eu-south-1"}},
				unknown: all(labAccounts, "eu-south-1"),
			},
		},
		inventory.RegionUnsupported: {
			oneRegion:  {names: []string{"access-analyzer.eu-west-1.amazonaws.com"}, unknown: all(labAccounts, "eu-west-1")},
			oneAccount: {cannot: "a name is the same for all accounts"},
			allOfIt: {
				names: []string{
					"access-analyzer.us-east-1.amazonaws.com", "access-analyzer.eu-west-1.amazonaws.com", "access-analyzer.eu-south-1.amazonaws.com",
				},
				unknown: all(labAccounts, "us-east-1", "eu-west-1", "eu-south-1"),
			},
		},
		inventory.Throttled:         simply(simaws.Throttled, ""),
		inventory.Timeout:           simply(simaws.Timeout, ""),
		inventory.Network:           simply(simaws.ConnectionReset, ""),
		inventory.ServiceError:      simply(simaws.ServiceError, ""),
		inventory.MalformedResponse: simply(simaws.MalformedResponse, ""),
		inventory.Other:             simply(simaws.Rejected, ""),
	}
}

// TestFaults goes through every reason of failure × start and steady state ×
// one Region, one account, everything, and writes down what came of it.
func TestFaults(t *testing.T) {
	cells := map[string]string{}
	for _, reason := range inventory.Reasons {
		for _, breadth := range []breadth{oneRegion, oneAccount, allOfIt} {
			b, ok := matrix()[reason][breadth]
			if !ok {
				t.Fatalf("%s, %s: missing", reason, breadth)
			}
			for _, state := range []string{"start", "steady"} {
				key := fmt.Sprint(reason, "/", breadth, "/", state)
				if b.cannot != "" {
					cells[key] = "– " + b.cannot
					continue
				}
				t.Run(key, func(t *testing.T) {
					inLab(t, labConfig, len(b.names) > 0, labWorld, func(l *lab) { cells[key] = l.endure(reason, b, state == "steady") })
				})
			}
		}
	}
	if t.Failed() || len(cells) < len(inventory.Reasons)*3*2 { // -run has left some out
		return
	}
	var table strings.Builder
	table.WriteString("| reason | at | one Region of an account | one account | everything |\n| --- | --- | --- | --- | --- |\n")
	for _, reason := range inventory.Reasons {
		for _, state := range []string{"start", "steady"} {
			fmt.Fprintf(&table, "| `%s` | %s |", reason, state)
			for _, breadth := range []breadth{oneRegion, oneAccount, allOfIt} {
				fmt.Fprintf(&table, " %s |", cells[fmt.Sprint(reason, "/", breadth, "/", state)])
			}
			table.WriteString("\n")
		}
	}
	generated(t, "docs/reliability.md", "faults", table.String())
}

// endure breaks, waits, mends and tells the outcome.
func (l *lab) endure(reason inventory.Reason, b breakage, steady bool) string {
	truth := l.truth()
	right := func(e exposed) {
		e.right(l.t, truth)
		if n, ok := e.findings[place(labAlpha, "eu-west-1")]; ok && n != 2 {
			l.t.Errorf("%v findings are counted, there are 2", n)
		}
	}
	broken, mended, back := time.Duration(0), 20*time.Minute, 30*time.Minute
	if steady {
		broken, mended, back = 5*time.Minute, b.felt+50*time.Minute, b.felt+60*time.Minute
	}
	if steady {
		l.until(broken, right)
		if e := l.scrape(); !e.whole(truth) {
			l.t.Fatalf("not whole before anything was broken: unknown %v, errors %v", e.unknown(truth), e.errors)
		}
	}
	heal := l.fault(b.faults...)
	lost := &net.DNSError{Err: "no such host", IsNotFound: true}
	resolve := l.unreachable(lost, b.names...)
	if steady {
		// The sweep after 15 minutes fails, and what it could not read stands
		// for another half hour.
		l.until(44*time.Minute, func(e exposed) {
			right(e)
			if gone := e.unknown(truth); len(gone) > 0 {
				l.t.Errorf("%v are not known any more, within stale_after", gone)
			}
		})
	}
	l.until(mended, right)
	l.suffers(reason, b, truth)
	heal()
	resolve()
	l.until(back+time.Minute, right)
	if e := l.scrape(); !e.whole(truth) {
		l.t.Errorf("a sweep after it was mended: unknown %v, errors %v\n%s", e.unknown(truth), e.errors, l.log)
	}
	if e := l.scrape(); e.findings[place(labAlpha, "eu-west-1")] != 2 {
		l.t.Errorf("a sweep after it was mended there are no findings: %v", e.findings)
	}
	warnings := l.lines("WARN") + l.lines("ERROR")
	if warnings == 0 || warnings > mostLines {
		l.t.Errorf("%d lines of log:\n%s", warnings, l.log)
	}
	return fmt.Sprintf("%d of %d", len(b.unknown), len(truth))
}

// suffers checks that what cannot be known is absent, with the reason, and
// that nothing else is.
func (l *lab) suffers(reason inventory.Reason, b breakage, truth map[string]float64) {
	e := l.scrape()
	want := slices.Sorted(slices.Values(b.unknown))
	if got := e.unknown(truth); !slices.Equal(got, want) {
		l.t.Errorf("unknown are\n%v, want\n%v\n%v", got, want, e.errors)
	}
	for _, p := range b.unknown {
		account, _, _ := strings.Cut(p, "/")
		if success, ok := e.success[p]; ok && success != 0 {
			l.t.Errorf("%s is unknown, and scrape_success is %v", p, success)
		}
		// Where not even the accounts could be listed, that is the reason.
		reasons := slices.Concat(e.errors[p], e.errors[place(account, inventory.Global)], e.errors[place(labHub, inventory.Global)], e.errors["/"])
		if len(reasons) == 0 {
			l.t.Errorf("%s is unknown without a scrape_error: %v", p, e.errors)
		}
	}
	told := false
	for _, reasons := range e.errors {
		told = told || slices.Contains(reasons, string(reason))
	}
	if !told {
		l.t.Errorf("no scrape_error has the reason %s: %v", reason, e.errors)
	}
}
