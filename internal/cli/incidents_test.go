package cli

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// incident is something that happens to an organization that has been read
// once, 5 minutes after the start, and is over 50 minutes after it. Sweeps
// start every 15.
type incident struct {
	name string
	tls  bool
	// settings are added to those of the lab.
	settings string
	world    func(*simaws.World)
	// happen returns what ends it; nil when there is nothing to end.
	happen func(*lab) (end func())
	// absent are the places that are not exposed in the end; nil where that is
	// left open and only what is exposed must be right.
	absent []string
	// harmless incidents leave everything whole two sweeps on, by themselves.
	harmless bool
	check    func(*lab)
	// outcome is what the reader is told.
	outcome string
}

var (
	oneTarget = []string{place(labAlpha, "eu-west-1")}
	oneMember = all([]string{labAlpha}, "eu-west-1", "eu-south-1")
)

// spoiled lets one target's list come in some strange form.
func spoiled(f *simaws.Fault) func(*lab) func() {
	f.Service, f.Account, f.Region = "access-analyzer", labAlpha, "eu-west-1"
	return func(l *lab) func() { return l.aws.AddFault(f) }
}

// state sets the state of an account while it lasts.
func state(s string) func(*lab) func() {
	return func(l *lab) func() {
		l.change(labAlpha, func(a *simaws.Account) { a.State = s })
		return func() { l.change(labAlpha, func(a *simaws.Account) { a.State = "" }) }
	}
}

// reassign makes another account the delegated administrator, with an analyzer
// of its own.
func reassign(w *simaws.World, admin string) {
	w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = []string{admin}
	w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool { return a.Type == "ORGANIZATION" })
	w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: admin, Region: "us-east-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"})
}

// skewed lets AWS' clock be ahead of ours: ours has jumped back, or forth.
func skewed(d time.Duration) func(*lab) func() {
	return func(l *lab) func() {
		l.aws.Update(func(w *simaws.World) { w.ClockSkew = d })
		return nil
	}
}

func incidents() []incident {
	return []incident{
		{
			name: "credentials expire in the middle of a sweep", settings: ", sweep: {concurrency: 1}", harmless: true,
			outcome: "the rest of that sweep stands on what was known; whole with the next",
			happen: func(l *lab) func() {
				slow := l.fault(simaws.Fault{Kind: simaws.Latency, Service: "access-analyzer", Delay: time.Second})
				l.until(15*time.Minute+4*time.Second, nil)
				expired := l.fault(simaws.Fault{Kind: simaws.ExpiredToken, Account: labAlpha + "|" + labBeta + "|" + labManagement, Service: "access-analyzer"})
				l.until(16*time.Minute, nil)
				expired()
				slow()
				return nil
			},
		},
		{
			name: "a role is deleted", absent: oneMember,
			outcome: "the account is unknown after `stale_after`, but for what the organization's analyzer covers",
			happen: func(l *lab) func() {
				l.change(labAlpha, func(a *simaws.Account) { a.Roles = nil })
				return func() {
					l.change(labAlpha, func(a *simaws.Account) { a.Roles = labRoles(); a.Roles[0].ID = "AROANEWNEWNEWNEWNEWN" })
				}
			},
		},
		{
			name: "a role is deleted and created again", harmless: true,
			outcome: "sessions of the former role are dropped at the first refusal; whole with the sweep after that",
			happen: func(l *lab) func() {
				l.change(labAlpha, func(a *simaws.Account) { a.Roles = labRoles(); a.Roles[0].ID = "AROANEWNEWNEWNEWNEWN" })
				return nil
			},
		},
		{
			name: "an account is suspended", happen: state("SUSPENDED"), absent: all([]string{labAlpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series go with the next list of accounts",
		},
		{
			name: "an account is closed", happen: state("CLOSED"), absent: all([]string{labAlpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series go with the next list of accounts",
		},
		{
			name: "an account leaves the organization", absent: all([]string{labAlpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series go with the next list of accounts",
			happen: func(l *lab) func() {
				l.change(labAlpha, func(a *simaws.Account) { a.Standalone = true })
				return func() { l.change(labAlpha, func(a *simaws.Account) { a.Standalone = false }) }
			},
		},
		{
			name: "an account is renamed", harmless: true, outcome: "`account_info` has the new name and not the old one; coverage is untouched",
			happen: func(l *lab) func() {
				l.change(labAlpha, func(a *simaws.Account) { a.Name = "renamed" })
				return nil
			},
			check: func(l *lab) {
				names := series(l.scrape().families["aws_access_analyzer_account_info"], "account_id", "account_name")
				if _, ok := names[labAlpha+"/renamed"]; !ok || len(names) != 4 {
					l.t.Errorf("names: %v", names)
				}
			},
		},
		{
			name: "a Region is disabled and enabled again", absent: []string{place(labAlpha, "eu-south-1")},
			outcome: "the place goes with the next list of Regions and comes back with one",
			happen: func(l *lab) func() {
				l.change(labAlpha, func(a *simaws.Account) { a.Regions = simaws.Regions() })
				return func() { l.change(labAlpha, func(a *simaws.Account) { a.Regions = simaws.Regions("eu-south-1") }) }
			},
		},
		{
			name: "the hub leaves the organization", outcome: "what its analyzer covered is unknown or uncovered, never covered",
			happen: func(l *lab) func() {
				leave := func(gone bool, status string) {
					l.aws.Update(func(w *simaws.World) {
						w.Account(labHub).Standalone, w.Analyzers[0].Status = gone, status
						w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = map[bool][]string{false: {labHub}}[gone]
					})
				}
				leave(true, "DISABLED")
				return func() { leave(false, "ACTIVE") }
			},
		},
		{
			name: "another account becomes the delegated administrator", outcome: "its analyzer is a doubt until Organizations confirms it, the former one covers nobody",
			happen: func(l *lab) func() {
				l.aws.Update(func(w *simaws.World) { reassign(w, labBeta) })
				return func() { l.aws.Update(func(w *simaws.World) { reassign(w, labHub) }) }
			},
		},
		{
			name: "an analyzer is deleted between two pages", harmless: true, outcome: "uncovered with that sweep or the next",
			world: func(w *simaws.World) {
				w.PageSizes = map[string]int{"ListAnalyzers": 1}
				w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: labAlpha, Region: "eu-west-1", Name: "zz", Type: "ACCOUNT", Status: "FAILED"})
			},
			happen: func(l *lab) func() {
				slow := l.fault(simaws.Fault{Kind: simaws.Latency, Operation: "ListAnalyzers", Delay: time.Second})
				l.until(15*time.Minute+1500*time.Millisecond, nil)
				l.aws.Update(func(w *simaws.World) {
					w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool {
						return a.AccountID == labAlpha && a.Name == "own" && a.Region == "eu-west-1"
					})
				})
				l.until(16*time.Minute, nil)
				slow()
				return nil
			},
		},
		{
			name: "a next token repeats for ever", happen: spoiled(&simaws.Fault{Kind: simaws.RepeatingToken}), absent: oneTarget,
			outcome: "`malformed_response` after the second time", world: func(w *simaws.World) { w.PageSizes = map[string]int{"ListAnalyzers": 1} },
		},
		{
			name: "an answer of 50 MB", happen: spoiled(&simaws.Fault{Kind: simaws.HugeBody, Operation: "ListAnalyzers", Size: 50 << 20}), absent: oneTarget,
			outcome: "read up to 16 MiB, then `malformed_response`",
		},
		{name: "bodies are cut in half", happen: spoiled(&simaws.Fault{Kind: simaws.MalformedResponse}), absent: oneTarget, outcome: "`malformed_response`"},
		{name: "JSON of the wrong types", happen: spoiled(&simaws.Fault{Kind: simaws.WrongTypes}), absent: oneTarget, outcome: "`malformed_response`"},
		{name: "an answer without the list", happen: spoiled(&simaws.Fault{Kind: simaws.EmptyResponse}), absent: oneTarget, outcome: "`malformed_response`, not an empty list"},
		{name: "a byte a second", happen: spoiled(&simaws.Fault{Kind: simaws.SlowBody, Delay: time.Second}), absent: oneTarget, outcome: "`timeout` after 10 s an attempt, 25 s a call"},
		{name: "connections are reset", happen: spoiled(&simaws.Fault{Kind: simaws.ConnectionReset}), absent: oneTarget, outcome: "`network`"},
		{
			name: "another's certificate", tls: true, absent: all(labAccounts, "eu-west-1"), outcome: "nothing is sent; `network`",
			happen: func(l *lab) func() {
				l.impersonate("access-analyzer.eu-west-1.amazonaws.com")
				return func() { l.impersonate("") }
			},
		},
		{
			name: "no name resolves", tls: true, absent: all(labAccounts, "us-east-1", "eu-west-1", "eu-south-1"), outcome: "`network` everywhere",
			happen: func(l *lab) func() {
				return l.unreachable(&net.DNSError{Err: "server misbehaving", IsTemporary: true}, "*")
			},
		},
		{name: "the clock jumps back by three hours", happen: skewed(3 * time.Hour), harmless: true, outcome: "requests are signed with AWS' time, roles entered anew"},
		{name: "the clock jumps forth by three hours", happen: skewed(-3 * time.Hour), harmless: true, outcome: "requests are signed with AWS' time"},
	}
}

// TestIncidents lets everything happen that is known to happen to an
// organization, and writes down what comes of it.
func TestIncidents(t *testing.T) {
	var table strings.Builder
	table.WriteString("| what happens | what comes of it |\n| --- | --- |\n")
	for _, i := range incidents() {
		fmt.Fprintf(&table, "| %s | %s |\n", i.name, i.outcome)
		t.Run(i.name, func(t *testing.T) {
			world := func() *simaws.World {
				w := labWorld()
				if i.world != nil {
					i.world(w)
				}
				return w
			}
			settings := strings.TrimSuffix(labConfig, "}") + i.settings + "}"
			settings = strings.Replace(settings, "discovery: organization", "discovery: organization, refresh: 10m", 1)
			inLab(t, settings, i.tls, world, func(l *lab) { l.live(i) })
		})
	}
	generated(t, "docs/reliability.md", "incidents", table.String())
}

func (l *lab) live(i incident) {
	former := l.truth()
	l.until(5*time.Minute, nil)
	if e := l.scrape(); !e.whole(former) {
		l.t.Fatalf("not whole before anything happened: unknown %v, errors %v", e.unknown(former), e.errors)
	}
	end := i.happen(l)
	truth := l.truth()
	// Until the sweep that follows, what was so may be told.
	l.until(29*time.Minute, func(e exposed) {
		for p, got := range e.coverage {
			now, there := truth[p]
			if was := former[p]; got != was && (!there || got != now) {
				l.t.Errorf("%s is %v; it was %v and is %v", p, got, was, now)
			}
		}
	})
	l.until(50*time.Minute, func(e exposed) {
		if i.absent == nil || i.harmless {
			e.right(l.t, truth)
		}
	})
	e := l.scrape()
	e.right(l.t, truth)
	if i.harmless && !e.whole(truth) {
		l.t.Errorf("not whole two sweeps on: unknown %v, errors %v\n%s", e.unknown(truth), e.errors, l.log)
	}
	if i.absent != nil {
		var absent []string
		for _, p := range slices.Sorted(maps.Keys(former)) {
			if _, ok := e.coverage[p]; !ok {
				absent = append(absent, p)
			}
		}
		if want := slices.Sorted(slices.Values(i.absent)); !slices.Equal(absent, want) {
			l.t.Errorf("absent are %v, want %v; errors %v", absent, want, e.errors)
		}
	}
	if i.check != nil {
		i.check(l)
	}
	if end != nil {
		end()
	}
	l.until(61*time.Minute, nil)
	if e, truth := l.scrape(), l.truth(); !e.whole(truth) {
		l.t.Errorf("not whole in the end: unknown %v, errors %v\n%s", e.unknown(truth), e.errors, l.log)
	}
	if n := l.lines("WARN") + l.lines("ERROR"); n > mostLines {
		l.t.Errorf("%d lines of log:\n%s", n, l.log)
	}
}
