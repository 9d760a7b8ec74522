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

// Types of policies that a reload adds are unknown until they are read. They are not 0.
func TestReloadAddsTypes(t *testing.T) {
	config := hourly + fmt.Sprintf(passRole, 1000)
	lab.Run(t, lab.Setup{Config: config, World: smallWorld}, func(l *lab.Lab) {
		l.Until(10*time.Minute, nil)
		restore := l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetAccountAuthorizationDetails", Account: lab.Alpha})
		if err := l.Reload(strings.Replace(config, "types: [managed]", "types: [managed, inline, trust]", 1)); err != nil {
			t.Fatal(err)
		}
		l.Until(20*time.Minute, nil)
		c := of(l, lab.Alpha)
		if _, ok := c.Types[inventory.Trust]; ok || c.Types[inventory.Managed].Policies != 2 {
			t.Errorf("not read with these types: %+v", c.Types)
		}
		if len(c.Checks) > 0 {
			t.Errorf("checks of managed policies alone: %v", c.Checks)
		}
		if p := l.Exporter.Snapshot().Policies; p.Missing[inventory.Trust] != 1 || p.Missing[inventory.Managed] != 0 || p.Unread != 1 || p.Pending != 0 {
			t.Errorf("missing %v, %d unread, %d pending", p.Missing, p.Unread, p.Pending)
		}
		if c, ok := of(l, lab.Hub).Types[inventory.Trust]; !ok || c.Policies == 0 {
			t.Errorf("another account: %+v", c)
		}
		restore()
		l.Until(80*time.Minute, nil)
		if c := of(l, lab.Alpha); c.Types[inventory.Trust].Policies == 0 || c.Checks["pass-role"][inventory.CheckFailed] != 2 {
			t.Errorf("after it was read: %+v", c)
		}
	})
}

// Documents that were checked are not checked again after a reload, also where one in
// between has disabled policies.
func TestReloadKeepsChecks(t *testing.T) {
	config := hourly + fmt.Sprintf(passRole, 100_000)
	lab.Run(t, lab.Setup{Config: config, World: worldOf(numbered(8)...)}, func(l *lab.Lab) {
		for at := time.Minute; at < 30*time.Minute; {
			for _, enabled := range []string{"enabled: false", "enabled: true"} {
				l.Until(at, nil)
				if n := calls(l, "CheckAccessNotGranted"); n != 8 {
					t.Errorf("%d calls after %v", n, at)
				}
				if err := l.Reload(strings.Replace(config, "enabled: true", enabled, 1)); err != nil {
					t.Fatal(err)
				}
				at += 6 * time.Minute
			}
		}
	})
}

// A configuration that is reverted before it is applied leaves no ceiling behind.
func TestDiscardedReloadKeepsCeiling(t *testing.T) {
	lab.Run(t, lab.Setup{Config: hourly + fmt.Sprintf(passRole, 5), World: worldOf(numbered(8)...)}, func(l *lab.Lab) {
		l.Until(10*time.Second, nil)
		for i, perDay := range []int{6, 7, 6, 10_000, 6} { // from the fourth on, changes are applied later
			if err := l.Reload(hourly + fmt.Sprintf(passRole, perDay)); err != nil {
				t.Fatal(err)
			}
			l.Until(time.Duration(11+i)*time.Second, nil)
		}
		for want, hours := range []time.Duration{3, 5, 9} {
			l.Until(hours*time.Hour, nil)
			if n := calls(l, "CheckAccessNotGranted"); n != want {
				t.Errorf("%d calls after %d hours, at one in 4 hours", n, hours)
			}
		}
	})
}
