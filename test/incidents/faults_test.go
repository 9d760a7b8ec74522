package incidents_test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// breadth is how much of the organization a fault affects.
type breadth string

const (
	oneRegion  breadth = "one Region of an account"
	oneAccount breadth = "one account"
	allOfIt    breadth = "everything"
)

var (
	breadths = []breadth{oneRegion, oneAccount, allOfIt}
	states   = []string{"start", "steady"}
)

// breakage is one way to provoke a failure reason.
type breakage struct {
	faults []simaws.Fault
	names  []string // host names that do not resolve
	// unknown are the targets without coverage while it lasts. All others must
	// be unaffected.
	unknown []string
	// delay is how long cached credentials hide the fault in the steady state.
	delay time.Duration
	// impossible is why this combination does not exist.
	impossible string
}

// everyBreadth returns the same kind of fault in each breadth. The targets of the
// organization analyzer stay covered, unless it cannot be read either.
func everyBreadth(kind simaws.FaultKind, services string) map[breadth]breakage {
	return map[breadth]breakage{
		oneRegion: {
			faults:  []simaws.Fault{{Kind: kind, Service: "access-analyzer", Account: lab.Alpha, Region: "eu-west-1", Size: 50 << 20}},
			unknown: []string{lab.Target(lab.Alpha, "eu-west-1")},
		},
		oneAccount: {
			faults:  []simaws.Fault{{Kind: kind, Service: services, Account: lab.Alpha}},
			unknown: lab.Targets([]string{lab.Alpha}, "eu-west-1", "eu-south-1"),
		},
		allOfIt: {
			faults:  []simaws.Fault{{Kind: kind, Service: services}},
			unknown: lab.Targets(lab.Accounts, "us-east-1", "eu-west-1", "eu-south-1"),
		},
	}
}

// mostLines bounds the warnings of one fault: one for each operation and reason,
// however many targets it affects.
const mostLines = 10

const notIdentity = "access-analyzer|account|organizations"

// matrix has every reason in every breadth.
func matrix() map[inventory.Reason]map[breadth]breakage {
	return map[inventory.Reason]map[breadth]breakage{
		inventory.AccessDenied: everyBreadth(simaws.AccessDenied, notIdentity),
		inventory.SCPDenied:    everyBreadth(simaws.SCPDenied, notIdentity),
		inventory.AssumeRoleDenied: {
			oneRegion: {impossible: "a role is assumed for all Regions"},
			oneAccount: {
				faults:  []simaws.Fault{{Kind: simaws.AssumeRoleDenied, Account: lab.Alpha}},
				delay:   time.Hour,
				unknown: lab.Targets([]string{lab.Alpha}, "eu-west-1", "eu-south-1"),
			},
			allOfIt: {
				// The hub reads itself, and its organization analyzer covers the others.
				faults: []simaws.Fault{{Kind: simaws.AssumeRoleDenied}},
				delay:  time.Hour,
				unknown: append(lab.Targets([]string{lab.Management, lab.Alpha, lab.Beta}, "eu-west-1", "eu-south-1"),
					lab.Target(lab.Hub, "eu-south-1")), // the management account may hold another
			},
		},
		inventory.Credentials: everyBreadth(simaws.InvalidCredentials, ""),
		inventory.RegionDisabled: {
			oneRegion: {
				faults:  []simaws.Fault{{Kind: simaws.RegionDisabled, Service: "access-analyzer", Account: lab.Alpha, Region: "eu-south-1"}},
				unknown: []string{lab.Target(lab.Alpha, "eu-south-1")},
			},
			oneAccount: {impossible: "other Regions are always enabled"},
			allOfIt: {
				faults:  []simaws.Fault{{Kind: simaws.RegionDisabled, Service: "access-analyzer", Region: "eu-south-1"}},
				unknown: lab.Targets(lab.Accounts, "eu-south-1"),
			},
		},
		inventory.RegionUnsupported: {
			oneRegion:  {names: []string{"access-analyzer.eu-west-1.amazonaws.com"}, unknown: lab.Targets(lab.Accounts, "eu-west-1")},
			oneAccount: {impossible: "a name is the same for all accounts"},
			allOfIt: {
				names: []string{
					"access-analyzer.us-east-1.amazonaws.com", "access-analyzer.eu-west-1.amazonaws.com", "access-analyzer.eu-south-1.amazonaws.com",
				},
				unknown: lab.Targets(lab.Accounts, "us-east-1", "eu-west-1", "eu-south-1"),
			},
		},
		inventory.Throttled:         everyBreadth(simaws.Throttled, ""),
		inventory.Timeout:           everyBreadth(simaws.Timeout, ""),
		inventory.Network:           everyBreadth(simaws.ConnectionReset, ""),
		inventory.ServiceError:      everyBreadth(simaws.ServiceError, ""),
		inventory.MalformedResponse: everyBreadth(simaws.MalformedResponse, ""),
		inventory.Other:             everyBreadth(simaws.Rejected, notIdentity), // a rejected AssumeRole is assume_role_denied
	}
}

// TestFaults covers every failure reason × start and steady state × one Region,
// one account, everything. It generates the table of docs/reliability.md.
func TestFaults(t *testing.T) {
	cells := map[string]string{}
	for _, reason := range inventory.Reasons {
		for _, breadth := range breadths {
			b, ok := matrix()[reason][breadth]
			if !ok {
				t.Fatalf("%s, %s: missing", reason, breadth)
			}
			for _, state := range states {
				key := fmt.Sprint(reason, "/", breadth, "/", state)
				if b.impossible != "" {
					cells[key] = "– " + b.impossible
					continue
				}
				t.Run(key, func(t *testing.T) {
					setup := lab.Setup{Config: lab.Config, World: lab.Organization, TLS: len(b.names) > 0}
					lab.Run(t, setup, func(l *lab.Lab) { cells[key] = b.run(l, reason, state == "steady") })
				})
			}
		}
	}
	if t.Failed() || len(cells) < len(inventory.Reasons)*len(breadths)*len(states) { // -run selects some
		return
	}
	lab.Generated(t, "docs/reliability.md", "faults", faultTable(cells))
}

func faultTable(cells map[string]string) string {
	var table strings.Builder
	table.WriteString("| reason | at | one Region of an account | one account | everything |\n| --- | --- | --- | --- | --- |\n")
	for _, reason := range inventory.Reasons {
		for _, state := range states {
			fmt.Fprintf(&table, "| `%s` | %s |", reason, state)
			for _, breadth := range breadths {
				fmt.Fprintf(&table, " %s |", cells[fmt.Sprint(reason, "/", breadth, "/", state)])
			}
			table.WriteString("\n")
		}
	}
	return table.String()
}

// run adds the faults, checks what is exposed, removes them and returns the cell
// of the table.
func (b breakage) run(l *lab.Lab, reason inventory.Reason, steady bool) string {
	truth := l.Truth()
	check := func(s lab.State) {
		s.Check(l.T, truth)
		if n, ok := s.Findings[lab.Target(lab.Alpha, "eu-west-1")]; ok && n != 2 {
			l.T.Errorf("%v findings are counted, there are 2", n)
		}
	}
	removed, recovered := 20*time.Minute, 30*time.Minute
	if steady {
		removed, recovered = b.delay+50*time.Minute, b.delay+60*time.Minute
		l.Until(5*time.Minute, check)
		expectComplete(l, "before any fault", truth)
	}
	remove := l.Fault(b.faults...)
	restore := l.Unreachable(&net.DNSError{Err: "no such host", IsNotFound: true}, b.names...)
	if steady {
		// The sweep after 15 minutes fails. Its last known state is exported for
		// another 30.
		l.Until(44*time.Minute, func(s lab.State) {
			check(s)
			if unknown := s.Unknown(truth); len(unknown) > 0 {
				l.T.Errorf("%v are unknown within stale_after", unknown)
			}
		})
	}
	l.Until(removed, check)
	b.checkUnknown(l, reason, truth)
	remove()
	restore()
	l.Until(recovered+time.Minute, check)
	expectComplete(l, "one sweep after recovery", truth)
	if s := l.Scrape(); s.Findings[lab.Target(lab.Alpha, "eu-west-1")] != 2 {
		l.T.Errorf("one sweep after recovery findings are %v", s.Findings)
	}
	if warnings := l.LogLines("WARN") + l.LogLines("ERROR"); warnings == 0 || warnings > mostLines {
		l.T.Errorf("%d lines of log:\n%s", warnings, l.Log)
	}
	return fmt.Sprintf("%d of %d", len(b.unknown), len(truth))
}

func expectComplete(l *lab.Lab, when string, truth lab.Truth) {
	l.T.Helper()
	if s := l.Scrape(); !s.Complete(truth) {
		l.T.Errorf("incomplete %s: unknown %v, errors %v\n%s", when, s.Unknown(truth), s.Errors, l.Log)
	}
}

// checkUnknown checks that exactly the expected targets are unknown, each with
// a reason.
func (b breakage) checkUnknown(l *lab.Lab, reason inventory.Reason, truth lab.Truth) {
	s := l.Scrape()
	want := slices.Sorted(slices.Values(b.unknown))
	if got := s.Unknown(truth); !slices.Equal(got, want) {
		l.T.Errorf("unknown are\n%v, want\n%v\n%v", got, want, s.Errors)
	}
	for _, target := range b.unknown {
		account, _, _ := strings.Cut(target, "/")
		if success, ok := s.Success[target]; ok && success != 0 {
			l.T.Errorf("%s is unknown, and scrape_success is %v", target, success)
		}
		// Where the accounts could not be listed, that is the reason.
		if len(slices.Concat(s.Errors[target], s.Errors[lab.Target(account, inventory.Global)], s.Errors[lab.Target(lab.Hub, inventory.Global)], s.Errors["/"])) == 0 {
			l.T.Errorf("%s is unknown without a scrape_error: %v", target, s.Errors)
		}
	}
	if !slices.Contains(slices.Concat(slices.Collect(maps.Values(s.Errors))...), string(reason)) {
		l.T.Errorf("no scrape_error has the reason %s: %v", reason, s.Errors)
	}
}
