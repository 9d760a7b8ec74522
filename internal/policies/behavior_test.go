package policies_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// of returns what is known about the policies of an account.
func of(l *lab.Lab, id string) inventory.AccountPolicies {
	for _, a := range l.Exporter.Snapshot().Policies.Accounts {
		if a.AccountID == id {
			return a
		}
	}
	return inventory.AccountPolicies{}
}

// smallWorld has an account with two policies, and one with the same two.
func smallWorld() *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha)
	for _, id := range []string{lab.Hub, lab.Alpha} {
		for i := range 2 {
			w.Account(id).Policies = append(w.Account(id).Policies, &simaws.ManagedPolicy{Name: string(rune('a' + i)), Versions: []string{ownedDocument("all", i)}})
		}
	}
	return w
}

const hourly = `{sweep: {interval: 1h, timeout: 1m}, findings: {enabled: false}, regions: {include: [eu-west-1]}, stale_after: 30m,
coverage: {external: {required: false}}, accounts: {discovery: organization}, assume_role: {name: exporter},
policies: {enabled: true, types: [managed], interval: 2h, full_interval: 10h`

// A reload that does not concern policies costs no calls, and keeps the counts.
func TestReloadKeepsResults(t *testing.T) {
	lab.Run(t, lab.Setup{Config: hourly + "}}", World: smallWorld}, func(l *lab.Lab) {
		l.Until(10*time.Minute, nil)
		lists, validations := calls(l, "GetAccountAuthorizationDetails"), calls(l, "ValidatePolicy")
		if lists != 3 || validations != 2 {
			t.Fatalf("%d lists, %d validations", lists, validations)
		}
		if err := l.Reload(hourly + "}, rules: {job: other}, findings: {enabled: true}}"); err == nil {
			t.Fatal("a key twice is valid")
		}
		if err := l.Reload(hourly + "}, rules: {job: other}}"); err != nil {
			t.Fatal(err)
		}
		l.Until(30*time.Minute, nil)
		if lists != calls(l, "GetAccountAuthorizationDetails") || validations != calls(l, "ValidatePolicy") {
			t.Error("the reload made calls")
		}
		if c := of(l, lab.Alpha).Types[inventory.Managed]; c.Policies != 2 || c.Findings["SECURITY_WARNING"]+c.Findings["ERROR"]+c.Findings["WARNING"]+c.Findings["SUGGESTION"] == 0 {
			t.Errorf("%+v", c)
		}
	})
}

// Policies of an organization are those of its management account. Where that is not in
// scope and no other type is validated, nothing would be exported, and the log says why.
func TestNothingToValidate(t *testing.T) {
	const config = `{sweep: {interval: 1h, timeout: 1m}, findings: {enabled: false}, regions: {include: [eu-west-1]},
coverage: {external: {required: false}}, accounts: {discovery: organization%s}, assume_role: {name: exporter},
policies: {enabled: true, types: [service_control]}}`
	for exclude, warnings := range map[string]int{"": 0, ", exclude: ['" + lab.Management + "']": 1} {
		lab.Run(t, lab.Setup{Config: fmt.Sprintf(config, exclude), World: smallWorld}, func(l *lab.Lab) {
			l.Until(3*time.Hour, nil)
			if n := strings.Count(l.Log.String(), "No policies to validate"); n != warnings {
				t.Errorf("exclude %q: %d warnings", exclude, n)
			}
		})
	}
}

// Results of an account that cannot be read any more are used until interval and
// stale_after have passed, and not a minute longer. The time of the last success stays.
func TestResultsBecomeStale(t *testing.T) {
	lab.Run(t, lab.Setup{Config: hourly + "}}", World: smallWorld}, func(l *lab.Lab) {
		l.Until(10*time.Minute, nil)
		read := of(l, lab.Alpha).LastSuccess
		l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetAccountAuthorizationDetails", Account: lab.Alpha})
		for at := 15 * time.Minute; at < 4*time.Hour; at += 5 * time.Minute {
			l.Until(at, nil)
			known := len(of(l, lab.Alpha).Types) > 0
			if age := time.Since(read); known != (age < 2*time.Hour+30*time.Minute) {
				t.Errorf("known after %v: %v", age, known)
			}
		}
		if got := of(l, lab.Alpha).LastSuccess; !got.Equal(read) {
			t.Errorf("last success %v, read %v", got, read)
		}
		if len(of(l, lab.Hub).Types) == 0 {
			t.Error("another account is not known")
		}
	})
}

// A role that could not be assumed is assumed again in time for the policies, however
// long the interval of sweeps is.
func TestRoleIsAssumedAgain(t *testing.T) {
	config := strings.Replace(hourly, "sweep: {interval: 1h", "sweep: {interval: 1d", 1) + "}}"
	lab.Run(t, lab.Setup{Config: config, World: smallWorld}, func(l *lab.Lab) {
		restore := l.Fault(simaws.Fault{Kind: simaws.AssumeRoleDenied, Service: "sts", Account: lab.Alpha})
		l.Until(12*time.Hour, nil)
		if len(of(l, lab.Alpha).Types) > 0 {
			t.Fatal("the account can be read")
		}
		restore()
		l.Until(13*time.Hour+5*time.Minute, nil)
		if len(of(l, lab.Alpha).Types) == 0 {
			t.Error("an hour later, the account is not known")
		}
	})
}

// Where an account may not validate, one call finds that out, documents that other
// accounts have validated count, and the findings of others are absent.
func TestUnvalidated(t *testing.T) {
	world := func() *simaws.World {
		w := smallWorld()
		for i := range 5 {
			w.Account(lab.Alpha).Policies = append(w.Account(lab.Alpha).Policies, &simaws.ManagedPolicy{Name: string(rune('m' + i)), Versions: []string{ownedDocument("alpha", i)}})
		}
		return w
	}
	lab.Run(t, lab.Setup{Config: hourly + "}}", World: world}, func(l *lab.Lab) {
		l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: "ValidatePolicy", Account: lab.Alpha})
		l.Until(time.Minute/2, nil)
		c := of(l, lab.Alpha).Types[inventory.Managed]
		if c.Policies != 7 || c.Findings != nil || c.Unvalidated[inventory.AccessDenied] != 5 || len(c.Unvalidated) != 1 {
			t.Errorf("%+v", c)
		}
		if n := len(l.AWS.Calls(simaws.CallFilter{Operation: "ValidatePolicy", AccountID: lab.Alpha})); n != 1 {
			t.Errorf("%d validations were attempted", n)
		}
		if c := of(l, lab.Hub).Types[inventory.Managed]; c.Policies != 2 || c.Findings == nil {
			t.Errorf("another account: %+v", c)
		}
	})
}

// Checks stay within their ceiling, continue in the next hours, and are not repeated.
func TestChecks(t *testing.T) {
	config := hourly + `, checks_per_day: 10, checks: [{name: pass-role, access_not_granted: ["iam:PassRole"]}, {name: users, access_not_granted: ["iam:CreateUser"]}]}}`
	lab.Run(t, lab.Setup{Config: config, World: smallWorld}, func(l *lab.Lab) {
		before := 0
		for at := 5 * time.Minute; at < 30*time.Hour; at += time.Hour {
			l.Until(at, nil)
			n := calls(l, "CheckAccessNotGranted")
			if n-before > 2 || n > 4 {
				t.Errorf("%d calls after %v, %d an hour before", n, at, before)
			}
			before = n
			for name, results := range of(l, lab.Hub).Checks {
				if sum := results[inventory.CheckPassed] + results[inventory.CheckFailed] + results[inventory.Unchecked]; sum != 2 || len(results) != 3 {
					t.Errorf("%s: %v", name, results)
				}
			}
		}
		for _, id := range []string{lab.Hub, lab.Alpha} {
			checks := of(l, id).Checks
			if checks["pass-role"][inventory.CheckFailed] != 2 || checks["users"][inventory.CheckPassed] != 2 {
				t.Errorf("%s: %v", id, checks)
			}
		}
		if before != 4 {
			t.Errorf("%d calls for two documents and two checks", before)
		}
	})
}

// Failures to read or validate policies of the organization are of the account that its
// series have, so that alerts find the account whose policies are not known.
func TestFailuresOfTheOrganization(t *testing.T) {
	world := func() *simaws.World {
		w := smallWorld()
		w.Organization.Policies = []*simaws.OrganizationPolicy{{ID: "p-00000000", Name: "o", Type: simaws.ServiceControlPolicy, Document: ownedDocument("organization", 0)}}
		return w
	}
	config := strings.Replace(hourly, "types: [managed]", "types: [managed, service_control]", 1) + "}}"
	for operation, account := range map[string]string{"ListPolicies": "", "DescribePolicy": "", "ValidatePolicy": lab.Hub} {
		lab.Run(t, lab.Setup{Config: config, World: world}, func(l *lab.Lab) {
			l.UpdateAccount(lab.Hub, func(a *simaws.Account) { a.Policies = nil }) // nothing of its own fails
			l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: operation, Account: account})
			l.Until(time.Minute/2, nil)
			failures := l.Exporter.Snapshot().Policies.Failures
			if len(failures) != 1 || failures[0].Operation != operation || failures[0].AccountID != lab.Management {
				t.Errorf("%s: %v", operation, failures)
			}
			if management := of(l, lab.Management); !management.LastSuccess.IsZero() || len(management.Types[inventory.Managed].Findings) == 0 {
				t.Errorf("%s: %+v", operation, management)
			}
		})
	}
}

// An account that is suspended loses its series. It is read at once when it is active
// again, and its documents are not validated again.
func TestSuspendedAccount(t *testing.T) {
	config := strings.Replace(hourly, "accounts: {discovery: organization}", "accounts: {discovery: organization, refresh: 10m}", 1) + "}}"
	lab.Run(t, lab.Setup{Config: config, World: smallWorld}, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		validations := calls(l, "ValidatePolicy")
		l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.State = "SUSPENDED" })
		l.Until(20*time.Minute, nil)
		if a := of(l, lab.Alpha); len(a.Types) > 0 || !a.LastSuccess.IsZero() {
			t.Errorf("suspended: %+v", a)
		}
		l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.State = "ACTIVE" })
		l.Until(35*time.Minute, nil)
		if c := of(l, lab.Alpha).Types[inventory.Managed]; c.Policies != 2 || c.Findings == nil {
			t.Errorf("active again: %+v", c)
		}
		if n := calls(l, "ValidatePolicy"); n != validations {
			t.Errorf("%d validations, %d before", n, validations)
		}
	})
}

// When the wall clock is set forward, which looks like a suspended machine, everything is
// read again at once. There are no further calls for checks.
func TestClockSetForward(t *testing.T) {
	config := hourly + fmt.Sprintf(passRole, 24)
	lab.Run(t, lab.Setup{Config: config, World: worldOf(numbered(8)...)}, func(l *lab.Lab) {
		var wall clocktest.Wall
		defer clock.Simulate(wall.Now)()
		l.Until(3*time.Hour, nil)
		before := calls(l, "CheckAccessNotGranted")
		wall.Step(72 * time.Hour)
		l.Until(3*time.Hour+5*time.Minute, nil)
		if c := of(l, lab.Alpha).Types[inventory.Managed]; c.Policies != 8 || c.Findings == nil {
			t.Errorf("%+v", c)
		}
		if n := calls(l, "ValidatePolicy"); n != 16 {
			t.Errorf("%d validations", n)
		}
		if n := calls(l, "CheckAccessNotGranted"); before == 0 || n != before {
			t.Errorf("%d calls for checks, %d before", n, before)
		}
	})
}
