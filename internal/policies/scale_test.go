package policies_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// fleet has accounts with policies, of which six of ten are the same in every account.
// POLICY_SCALE=full is the size of the measurements.
func fleetSize() (accounts, policies int) {
	if os.Getenv("POLICY_SCALE") == "full" {
		return 500, 200
	}
	return 20, 50
}

func fleetWorld(accounts, policies int) *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Members(accounts-2)...)
	for _, a := range w.Accounts {
		for i := range policies {
			owner := a.ID
			if i < policies*6/10 {
				owner = "all"
			}
			a.Policies = append(a.Policies, &simaws.ManagedPolicy{Name: fmt.Sprint("p", i), Versions: []string{ownedDocument(owner, i)}})
		}
	}
	return w
}

func ownedDocument(owner string, i int) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","iam:PassRole"],"Resource":["*","arn:aws:s3:::%s-%d"]}]}`, owner, i)
}

// change changes one policy in a hundred, those that are the same in the same way, and
// adds the new documents. It returns the number of changes.
func change(w *simaws.World, documents map[string]bool) (changed int) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, a := range w.Accounts {
		for i, p := range a.Policies {
			if r.IntN(100) > 0 {
				continue
			}
			owner := "new-" + a.ID
			if i < len(a.Policies)*6/10 {
				owner = "new-all"
			}
			changed++
			p.Versions = append(p.Versions, ownedDocument(owner, i))
			documents[ownedDocument(owner, i)] = true
		}
	}
	return changed
}

const scaleConfig = `{sweep: {interval: 12h, timeout: 1m}, findings: {enabled: false}, regions: {include: [eu-west-1]},
coverage: {external: {required: false}}, accounts: {discovery: organization, refresh: 3d}, assume_role: {name: exporter},
policies: {enabled: true, types: [managed]}}`

// Documents that are the same are validated once, and on the second day only those that
// have changed.
func TestScale(t *testing.T) {
	accounts, policies := fleetSize()
	different := policies*6/10 + accounts*(policies-policies*6/10)
	began := time.Now()
	lab.Run(t, lab.Setup{Config: scaleConfig, World: func() *simaws.World { return fleetWorld(accounts, policies) }}, func(l *lab.Lab) {
		l.Until(11*time.Hour, nil)
		lists, validations := calls(l, "GetAccountAuthorizationDetails"), calls(l, "ValidatePolicy")
		t.Logf("first day: %d lists, %d validations; %.0f MB in use", lists, validations, inUse())
		if validations != different || lists != accounts {
			t.Errorf("%d lists and %d validations of %d accounts with %d different documents", lists, validations, accounts, different)
		}
		if l.Exporter.Snapshot().Policies.Documents != different {
			t.Errorf("%d documents in memory", l.Exporter.Snapshot().Policies.Documents)
		}
		changed, documents := 0, map[string]bool{}
		l.AWS.Update(func(w *simaws.World) { changed = change(w, documents) })
		l.Until(35*time.Hour, nil)
		nextLists, next := calls(l, "GetAccountAuthorizationDetails")-lists, calls(l, "ValidatePolicy")-validations
		t.Logf("second day, %d changed: %d lists, %d validations, %.2f%% of the first day; %.0f MB in use",
			changed, nextLists, next, 100*float64(nextLists+next)/float64(lists+validations), inUse())
		// That is the least: nothing but a list shows that an account has no changes.
		if changed == 0 || next != len(documents) || nextLists != accounts {
			t.Errorf("%d lists and %d validations after changes to %d documents", nextLists, next, len(documents))
		}
	})
	t.Logf("took %s", time.Since(began))
}

func calls(l *lab.Lab, operation string) int {
	return len(l.AWS.Calls(simaws.CallFilter{Operation: operation}))
}

// inUse is the memory in use in MB, that of the simulator included.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
