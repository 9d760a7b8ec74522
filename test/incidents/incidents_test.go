package incidents_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// incident happens 5 minutes after the start, when the organization has been
// read once, and ends 50 minutes after it. Sweeps start every 15.
type incident struct {
	name string
	tls  bool
	// settings are appended to lab.Config.
	settings string
	world    func(*simaws.World)
	// happen returns what ends the incident, or nil.
	happen func(*lab.Lab) (end func())
	// absent are the targets without coverage at the end. If nil, only the
	// coverage that is exposed is checked.
	absent []string
	// harmless incidents leave coverage complete two sweeps later.
	harmless bool
	check    func(*lab.Lab)
	// outcome is the text of docs/reliability.md.
	outcome string
}

var (
	oneTarget = []string{lab.Target(lab.Alpha, "eu-west-1")}
	oneMember = lab.Targets([]string{lab.Alpha}, "eu-west-1", "eu-south-1")
)

// malformed affects the responses for one target.
func malformed(f *simaws.Fault) func(*lab.Lab) func() {
	f.Service, f.Account, f.Region = "access-analyzer", lab.Alpha, "eu-west-1"
	return func(l *lab.Lab) func() { return l.AWS.AddFault(f) }
}

// state sets the state of an account while it lasts.
func state(s string) func(*lab.Lab) func() {
	return func(l *lab.Lab) func() {
		l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.State = s })
		return func() { l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.State = "" }) }
	}
}

// reassign makes another account the delegated administrator, with an analyzer
// of its own.
func reassign(w *simaws.World, admin string) {
	w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = []string{admin}
	w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool { return a.Type == "ORGANIZATION" })
	w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: admin, Region: "us-east-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"})
}

// skewed sets the clock of AWS ahead of the exporter's.
func skewed(d time.Duration) func(*lab.Lab) func() {
	return func(l *lab.Lab) func() {
		l.AWS.Update(func(w *simaws.World) { w.ClockSkew = d })
		return nil
	}
}

func incidents() []incident {
	return []incident{
		{
			name: "credentials expire in the middle of a sweep", settings: ", sweep: {concurrency: 1}", harmless: true,
			outcome: "the rest of the sweep uses the last known state; the next sweep recovers",
			happen: func(l *lab.Lab) func() {
				slow := l.Fault(simaws.Fault{Kind: simaws.Latency, Service: "access-analyzer", Delay: time.Second})
				l.Until(15*time.Minute+4*time.Second, nil)
				expired := l.Fault(simaws.Fault{Kind: simaws.ExpiredToken, Account: lab.Alpha + "|" + lab.Beta + "|" + lab.Management, Service: "access-analyzer"})
				l.Until(16*time.Minute, nil)
				expired()
				slow()
				return nil
			},
		},
		{
			name: "a role is deleted", absent: oneMember,
			outcome: "the account is unknown after `stale_after`, except where the organization analyzer covers it",
			happen: func(l *lab.Lab) func() {
				l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Roles = nil })
				return func() {
					l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Roles = lab.Roles(lab.Hub); a.Roles[0].ID = "AROANEWNEWNEWNEWNEWN" })
				}
			},
		},
		{
			name: "a role is deleted and re-created", harmless: true,
			outcome: "sessions of the deleted role are dropped at the first error; the next sweep recovers",
			happen: func(l *lab.Lab) func() {
				l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Roles = lab.Roles(lab.Hub); a.Roles[0].ID = "AROANEWNEWNEWNEWNEWN" })
				return nil
			},
		},
		{
			name: "an account is suspended", happen: state("SUSPENDED"), absent: lab.Targets([]string{lab.Alpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series disappear at the next refresh of the accounts",
		},
		{
			name: "an account is closed", happen: state("CLOSED"), absent: lab.Targets([]string{lab.Alpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series disappear at the next refresh of the accounts",
		},
		{
			name: "an account leaves the organization", absent: lab.Targets([]string{lab.Alpha}, "us-east-1", "eu-west-1", "eu-south-1"),
			outcome: "its series disappear at the next refresh of the accounts",
			happen: func(l *lab.Lab) func() {
				l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Standalone = true })
				return func() { l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Standalone = false }) }
			},
		},
		{
			name: "an account is renamed", harmless: true, outcome: "`account_info` has only the new name; coverage does not change",
			happen: func(l *lab.Lab) func() {
				l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Name = "renamed" })
				return nil
			},
			check: func(l *lab.Lab) {
				names := lab.Series(l.Scrape().Families["aws_access_analyzer_account_info"], "account_id", "account_name")
				if _, ok := names[lab.Alpha+"/renamed"]; !ok || len(names) != 4 {
					l.T.Errorf("names: %v", names)
				}
			},
		},
		{
			name: "a Region is disabled and enabled again", absent: []string{lab.Target(lab.Alpha, "eu-south-1")},
			outcome: "the target disappears and returns at the next refresh of the Regions",
			happen: func(l *lab.Lab) func() {
				l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Regions = simaws.Regions() })
				return func() {
					l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.Regions = simaws.Regions("eu-south-1") })
				}
			},
		},
		{
			name: "the hub leaves the organization", outcome: "targets of its analyzer are unknown or uncovered, never covered",
			happen: func(l *lab.Lab) func() {
				leave := func(gone bool, status string) {
					l.AWS.Update(func(w *simaws.World) {
						w.Account(lab.Hub).Standalone, w.Analyzers[0].Status = gone, status
						w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = map[bool][]string{false: {lab.Hub}}[gone]
					})
				}
				leave(true, "DISABLED")
				return func() { leave(false, "ACTIVE") }
			},
		},
		{
			name: "another account becomes the delegated administrator", outcome: "targets are unknown until Organizations lists the new administrator; the former one's analyzer covers no member",
			happen: func(l *lab.Lab) func() {
				l.AWS.Update(func(w *simaws.World) { reassign(w, lab.Beta) })
				return func() { l.AWS.Update(func(w *simaws.World) { reassign(w, lab.Hub) }) }
			},
		},
		{
			name: "an analyzer is deleted between two pages", harmless: true, outcome: "uncovered at that sweep or the next",
			world: func(w *simaws.World) {
				w.PageSizes = map[string]int{"ListAnalyzers": 1}
				w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: lab.Alpha, Region: "eu-west-1", Name: "zz", Type: "ACCOUNT", Status: "FAILED"})
			},
			happen: func(l *lab.Lab) func() {
				slow := l.Fault(simaws.Fault{Kind: simaws.Latency, Operation: "ListAnalyzers", Delay: time.Second})
				l.Until(15*time.Minute+1500*time.Millisecond, nil)
				l.AWS.Update(func(w *simaws.World) {
					w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool {
						return a.AccountID == lab.Alpha && a.Name == "account" && a.Region == "eu-west-1"
					})
				})
				l.Until(16*time.Minute, nil)
				slow()
				return nil
			},
		},
		{
			name: "a next token repeats without end", happen: malformed(&simaws.Fault{Kind: simaws.RepeatingToken}), absent: oneTarget,
			outcome: "`malformed_response` after the second time", world: func(w *simaws.World) { w.PageSizes = map[string]int{"ListAnalyzers": 1} },
		},
		{
			name: "a response of 50 MB", happen: malformed(&simaws.Fault{Kind: simaws.HugeBody, Operation: "ListAnalyzers", Size: 50 << 20}), absent: oneTarget,
			outcome: "read up to 16 MiB, then `malformed_response`",
		},
		{name: "bodies are cut in half", happen: malformed(&simaws.Fault{Kind: simaws.MalformedResponse}), absent: oneTarget, outcome: "`malformed_response`"},
		{name: "JSON of the wrong types", happen: malformed(&simaws.Fault{Kind: simaws.WrongTypes}), absent: oneTarget, outcome: "`malformed_response`"},
		{name: "a response without the list", happen: malformed(&simaws.Fault{Kind: simaws.EmptyResponse}), absent: oneTarget, outcome: "`malformed_response`, not an empty list"},
		{name: "a byte a second", happen: malformed(&simaws.Fault{Kind: simaws.SlowBody, Delay: time.Second}), absent: oneTarget, outcome: "`timeout` after 10 s an attempt, 25 s a call"},
		{name: "connections are reset", happen: malformed(&simaws.Fault{Kind: simaws.ConnectionReset}), absent: oneTarget, outcome: "`network`"},
		{
			name: "the certificate of another host", tls: true, absent: lab.Targets(lab.Accounts, "eu-west-1"), outcome: "no request is sent; `network`",
			happen: func(l *lab.Lab) func() {
				l.Impersonate("access-analyzer.eu-west-1.amazonaws.com")
				return func() { l.Impersonate("") }
			},
		},
		{
			name: "no name resolves", tls: true, absent: lab.Targets(lab.Accounts, "us-east-1", "eu-west-1", "eu-south-1"), outcome: "`network` everywhere",
			happen: func(l *lab.Lab) func() {
				return l.Unreachable(&net.DNSError{Err: "server misbehaving", IsTemporary: true}, "*")
			},
		},
		{name: "the clock jumps back by three hours", happen: skewed(3 * time.Hour), harmless: true, outcome: "requests are signed with the time of AWS, roles are assumed again"},
		{name: "the clock jumps forward by three hours", happen: skewed(-3 * time.Hour), harmless: true, outcome: "requests are signed with the time of AWS"},
	}
}

// TestIncidents runs every incident. It generates the table of
// docs/reliability.md.
func TestIncidents(t *testing.T) {
	var table strings.Builder
	table.WriteString("| incident | behavior |\n| --- | --- |\n")
	for _, i := range incidents() {
		fmt.Fprintf(&table, "| %s | %s |\n", i.name, i.outcome)
		t.Run(i.name, func(t *testing.T) { lab.Run(t, i.setup(), i.run) })
	}
	lab.Generated(t, "docs/reliability.md", "incidents", table.String())
}

func (i incident) setup() lab.Setup {
	settings := strings.TrimSuffix(lab.Config, "}") + i.settings + "}"
	return lab.Setup{
		Config: strings.Replace(settings, "discovery: organization", "discovery: organization, refresh: 10m", 1),
		TLS:    i.tls,
		World: func() *simaws.World {
			w := lab.Organization()
			if i.world != nil {
				i.world(w)
			}
			return w
		},
	}
}

func (i incident) run(l *lab.Lab) {
	before := l.Truth()
	l.Until(5*time.Minute, nil)
	expectComplete(l, "before the incident", before)
	end := i.happen(l)
	truth := l.Truth()
	// Until the next sweep the state before the incident is exported.
	l.Until(29*time.Minute, func(s lab.State) {
		for target, got := range s.Coverage {
			now, inScope := truth[target]
			if was := before[target]; got != was && (!inScope || got != now) {
				l.T.Errorf("coverage of %s is %v; it was %v and is %v", target, got, was, now)
			}
		}
	})
	l.Until(50*time.Minute, func(s lab.State) {
		if i.absent == nil || i.harmless {
			s.Check(l.T, truth)
		}
	})
	i.checkOutcome(l, before, truth)
	if end != nil {
		end()
	}
	l.Until(61*time.Minute, nil)
	expectComplete(l, "after the incident", l.Truth())
	if n := l.LogLines("WARN") + l.LogLines("ERROR"); n > mostLines {
		l.T.Errorf("%d lines of log:\n%s", n, l.Log)
	}
}

func (i incident) checkOutcome(l *lab.Lab, before, truth lab.Truth) {
	s := l.Scrape()
	s.Check(l.T, truth)
	if i.harmless {
		expectComplete(l, "two sweeps later", truth)
	}
	if absent, want := s.Unknown(before), slices.Sorted(slices.Values(i.absent)); i.absent != nil && !slices.Equal(absent, want) {
		l.T.Errorf("absent are %v, want %v; errors %v", absent, want, s.Errors)
	}
	if i.check != nil {
		i.check(l)
	}
}
