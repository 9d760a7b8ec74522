package policies_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// worldOf has one account with policies, which no other account has.
func worldOf(documents ...string) func() *simaws.World {
	return func() *simaws.World {
		w := lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha)
		for i, d := range documents {
			w.Account(lab.Alpha).Policies = append(w.Account(lab.Alpha).Policies, &simaws.ManagedPolicy{Name: fmt.Sprintf("p%02d", i), Versions: []string{d}})
		}
		return w
	}
}

// numbered returns different valid documents.
func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, ownedDocument("own", i))
	}
	return all
}

const passRole = `, checks_per_day: %d, checks: [{name: pass-role, access_not_granted: ["iam:PassRole"]}]}}`

// A document that AWS rejects costs one call for a check, and does not use up those of
// the documents after it.
func TestRejectedDocumentsAreNotCheckedAgain(t *testing.T) {
	documents := append([]string{"not JSON 1", "not JSON 2", "not JSON 3"}, numbered(2)...)
	lab.Run(t, lab.Setup{Config: hourly + fmt.Sprintf(passRole, 100), World: worldOf(documents...)}, func(l *lab.Lab) {
		l.Until(9*time.Hour, nil)
		results := of(l, lab.Alpha).Checks["pass-role"]
		if results[inventory.CheckFailed] != 2 || results[inventory.Unchecked] != 3 {
			t.Errorf("%v", results)
		}
		if n := calls(l, "CheckAccessNotGranted"); n != 5 {
			t.Errorf("%d calls for 5 documents", n)
		}
		if !failing(l, "CheckAccessNotGranted", inventory.Other) {
			t.Error("the failure is not exported any more")
		}
	})
}

func failing(l *lab.Lab, operation string, reason inventory.Reason) bool {
	for _, f := range l.Exporter.Snapshot().Policies.Failures {
		if f.Operation == operation && f.Reason == reason {
			return true
		}
	}
	return false
}

// Documents that AWS rejects do not keep the others from being validated, however many
// they are, and are rejected once in an interval.
func TestRejectedDocumentsAreValidatedOnceAnInterval(t *testing.T) {
	const rejected, valid = 12, 3
	lab.Run(t, lab.Setup{Config: hourly + "}}", World: worldOf(numbered(rejected + valid)...)}, func(l *lab.Lab) {
		l.Fault(simaws.Fault{Kind: simaws.Rejected, Operation: "ValidatePolicy", Times: rejected})
		l.Until(50*time.Minute, nil)
		c := of(l, lab.Alpha).Types[inventory.Managed]
		if c.Policies != rejected+valid || c.Findings != nil || c.Unvalidated[inventory.Other] != rejected || len(c.Unvalidated) != 1 {
			t.Errorf("%+v", c)
		}
		if n := calls(l, "ValidatePolicy"); n != rejected+valid {
			t.Errorf("%d validations", n)
		}
		if n := calls(l, "GetAccountAuthorizationDetails"); n != 3 {
			t.Errorf("%d lists of 3 accounts", n)
		}
		l.Until(5*time.Hour, nil)
		if c := of(l, lab.Alpha).Types[inventory.Managed]; c.Findings == nil || len(c.Unvalidated) > 0 {
			t.Errorf("later: %+v", c)
		}
	})
}

// Where one of the two operations of checks is denied, the other one is used for every
// document.
func TestDeniedCheckDoesNotStopOthers(t *testing.T) {
	config := hourly + `, checks_per_day: 100000, checks: [{name: new, no_new_access: '{"Statement": []}'}, {name: pass-role, access_not_granted: ["iam:PassRole"]}]}}`
	lab.Run(t, lab.Setup{Config: config, World: worldOf(numbered(4)...)}, func(l *lab.Lab) {
		l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: "CheckNoNewAccess"})
		l.Until(10*time.Minute, nil)
		checks := of(l, lab.Alpha).Checks
		if checks["pass-role"][inventory.CheckFailed] != 4 || checks["new"][inventory.Unchecked] != 4 {
			t.Errorf("%v", checks)
		}
		if n := calls(l, "CheckNoNewAccess"); n != 1 {
			t.Errorf("%d denied calls", n)
		}
	})
}

// Checks that failed for a moment are repeated within minutes, not in the next interval.
func TestChecksAreRetried(t *testing.T) {
	config := strings.Replace(hourly, "interval: 2h", "interval: 10h", 1) + fmt.Sprintf(passRole, 100_000)
	lab.Run(t, lab.Setup{Config: config, World: worldOf(numbered(4)...)}, func(l *lab.Lab) {
		l.Fault(simaws.Fault{Kind: simaws.Throttled, Operation: "CheckAccessNotGranted", Times: 1})
		l.Until(5*time.Minute, nil)
		if results := of(l, lab.Alpha).Checks["pass-role"]; results[inventory.CheckFailed] != 4 {
			t.Errorf("%v", results)
		}
		if n := calls(l, "CheckAccessNotGranted"); n != 5 {
			t.Errorf("%d calls", n)
		}
	})
}

// A validation that is due and fails for a while is repeated before the last one is too
// old.
func TestValidationsAreRepeatedInTime(t *testing.T) {
	config := strings.Replace(hourly, "full_interval: 10h", "full_interval: 2h", 1) + "}}"
	lab.Run(t, lab.Setup{Config: config, World: worldOf(numbered(2)...)}, func(l *lab.Lab) {
		l.Until(10*time.Minute, nil)
		restore := l.Fault(simaws.Fault{Kind: simaws.ServiceError, Operation: "ValidatePolicy"})
		for at := 15 * time.Minute; at < 6*time.Hour; at += 5 * time.Minute {
			if l.Until(at, nil); at == 115*time.Minute {
				restore()
			}
			if c := of(l, lab.Alpha).Types[inventory.Managed]; c.Findings == nil {
				t.Errorf("after %v: %+v", at, c)
			}
		}
	})
}
