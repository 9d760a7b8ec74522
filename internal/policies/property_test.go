package policies_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

const (
	interval, fullInterval, staleAfter = time.Hour, 4 * time.Hour, 30 * time.Minute

	randomConfig = `{sweep: {interval: %s, timeout: 1m}, findings: {enabled: false}, regions: {include: [eu-west-1]}, stale_after: 30m,
coverage: {external: {required: false}}, accounts: {discovery: organization, refresh: %[1]s}, assume_role: {name: exporter},
policies: {enabled: true, interval: 1h, full_interval: 4h}}`
)

// marker is in every document: it must be nowhere else.
const marker = "s3cret-of-a-policy"

// documents are valid and invalid, with findings of every type and with none.
func document(r *rand.Rand) string {
	action := []string{`"s3:GetObject"`, `"iam:PassRole"`, `"*"`, `"ec2:Descrbie"`, `["s3:PutObject","s3:PutObject"]`, `[]`, `"nope:Nothing"`}[r.IntN(7)]
	resource := []string{`"*"`, `"arn:aws:s3:::` + marker + `/` + strconv.Itoa(r.IntN(3)) + `"`, `[]`}[r.IntN(3)]
	effect := []string{"Allow", "Deny", "Permit"}[r.IntN(3)]
	return fmt.Sprintf(`{"Version":"2012-10-17","Id":"%s","Statement":[{"Effect":"%s","Action":%s,"Resource":%s}]}`, marker, effect, action, resource)
}

func trust(r *rand.Rand) string {
	principal := []string{`{"AWS":"*"}`, `"*"`, `{"AWS":"arn:aws:iam::222222222222:root"}`, `{"Service":"ec2.amazonaws.com"}`}[r.IntN(4)]
	return fmt.Sprintf(`{"Version":"2012-10-17","Id":"%s","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":%s}]}`, marker, principal)
}

// mutate changes the policies of an account, in ways that IAM allows.
func mutate(r *rand.Rand, a *simaws.Account) {
	name := func(prefix string) string { return fmt.Sprint(prefix, r.Uint64()) } // IAM allows no name twice
	for range r.IntN(4) {
		a.Policies = append(a.Policies, &simaws.ManagedPolicy{Name: name("p"), Versions: []string{document(r), document(r)}, Default: r.IntN(3)})
	}
	inline := func() (all []simaws.Policy) {
		for i := range r.IntN(3) {
			all = append(all, simaws.Policy{Name: fmt.Sprint("i", i), Document: document(r)})
		}
		return all
	}
	if r.IntN(2) == 0 {
		a.Users = append(a.Users, &simaws.User{Name: name("u"), Inline: inline()})
	}
	if r.IntN(2) == 0 {
		a.Groups = append(a.Groups, &simaws.Group{Name: name("g"), Inline: inline()})
	}
	if r.IntN(2) == 0 {
		role := &simaws.Role{Name: name("r"), Trust: trust(r), Inline: inline()}
		if r.IntN(4) == 0 {
			role.Path = "/aws-service-role/example.amazonaws.com/"
		}
		a.Roles = append(a.Roles, role)
	}
	if len(a.Policies) > 0 && r.IntN(2) == 0 {
		i := r.IntN(len(a.Policies))
		a.Policies = slices.Delete(slices.Clone(a.Policies), i, i+1)
	}
}

func newWorld(r *rand.Rand) *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha)
	w.PageSizes = map[string]int{"GetAccountAuthorizationDetails": 1 + r.IntN(4), "ValidatePolicy": 1 + r.IntN(2), "ListPolicies": 1 + r.IntN(3)}
	for _, a := range w.Accounts {
		mutate(r, a)
	}
	mutateOrganization(r, w)
	return w
}

func mutateOrganization(r *rand.Rand, w *simaws.World) {
	for _, kind := range []string{simaws.ServiceControlPolicy, simaws.ResourceControlPolicy} {
		if r.IntN(2) == 0 {
			n := len(w.Organization.Policies)
			w.Organization.Policies = append(w.Organization.Policies, &simaws.OrganizationPolicy{
				ID: fmt.Sprintf("p-%08d", n), Name: fmt.Sprint("o", n), Type: kind, Document: document(r),
			})
		}
	}
}

// counts are exact, by account and type.
type counts map[string]map[inventory.PolicyType]count

type count struct {
	policies int
	findings [4]int
}

func (c *count) add(document, as, resource string) {
	c.policies++
	for _, f := range simaws.ValidatePolicy(document, as, resource) {
		c.findings[slices.Index(inventory.PolicyFindingTypes, f.Type)]++
	}
}

// truth counts what is in a world.
func truth(w *simaws.World) counts {
	all := counts{}
	for _, a := range w.Accounts {
		c := map[inventory.PolicyType]count{}
		add := func(t inventory.PolicyType, document, as, resource string) {
			n := c[t]
			n.add(document, as, resource)
			c[t] = n
		}
		inline := func(policies []simaws.Policy) {
			for _, p := range policies {
				add(inventory.Inline, p.Document, "IDENTITY_POLICY", "")
			}
		}
		for _, p := range a.Policies {
			add(inventory.Managed, p.Versions[p.DefaultVersion()-1], "IDENTITY_POLICY", "")
		}
		for _, u := range a.Users {
			inline(u.Inline)
		}
		for _, g := range a.Groups {
			inline(g.Inline)
		}
		for _, role := range a.Roles {
			if role.Path == "" {
				add(inventory.Trust, role.TrustPolicy(), "RESOURCE_POLICY", "AWS::IAM::AssumeRolePolicyDocument")
				inline(role.Inline)
			}
		}
		if a.ID == lab.Management {
			for _, p := range w.Organization.Policies {
				t := map[string]inventory.PolicyType{simaws.ServiceControlPolicy: inventory.ServiceControl, simaws.ResourceControlPolicy: inventory.ResourceControl}[p.Type]
				add(t, p.Document, p.Type, "")
			}
		}
		all[a.ID] = c
	}
	return all
}

// typesOf are those that an account can have.
func typesOf(id string) []inventory.PolicyType {
	if id == lab.Management {
		return inventory.PolicyTypes
	}
	return inventory.PolicyTypes[:3]
}

// version is what was true from a time on.
type version struct {
	from time.Time
	counts
}

// history compares what is exported with what was true at any time at which it may have
// been read.
type history struct {
	*lab.Lab
	versions []version
}

func (h *history) record() {
	h.AWS.View(func(w *simaws.World) { h.versions = append(h.versions, version{time.Now(), truth(w)}) })
}

// check fails the test if a count is not one that was true within the age that facts
// may have. exact is whether all counts have to be those of the last version.
func (h *history) check(exact bool) {
	h.T.Helper()
	snapshot := h.Exporter.Snapshot()
	if snapshot == nil || snapshot.Policies == nil {
		if exact {
			h.T.Fatal("nothing is published")
		}
		return
	}
	got := map[string]inventory.AccountPolicies{}
	for _, a := range snapshot.Policies.Accounts {
		got[a.AccountID] = a
	}
	for id := range h.versions[0].counts {
		for _, t := range typesOf(id) {
			c, ok := got[id].Types[t]
			switch {
			case ok && !h.true(id, t, c, exact):
				h.T.Errorf("%s %s: %+v was never true in time; now %+v", id, t, c, h.versions[len(h.versions)-1].counts[id][t])
			case exact && (!ok || c.Findings == nil || len(c.Unvalidated) > 0):
				h.T.Errorf("%s %s: %+v, known %v; failures: %v", id, t, c, ok, snapshot.Failures)
			}
		}
		for t := range got[id].Types {
			if !slices.Contains(typesOf(id), t) {
				h.T.Errorf("%s has %s", id, t)
			}
		}
	}
}

// true returns whether a count was true within the age that it may have. A list and the
// validation of a document have different ages, but the latter always has the same
// result.
func (h *history) true(id string, t inventory.PolicyType, c inventory.PolicyCount, last bool) bool {
	oldest := time.Now().Add(-interval - staleAfter)
	for i, v := range h.versions {
		if i+1 < len(h.versions) && (last || h.versions[i+1].from.Before(oldest)) {
			continue
		}
		if v.counts[id][t].policies != c.Policies {
			continue
		}
		same := true
		for i, name := range inventory.PolicyFindingTypes {
			n, ok := c.Findings[name]
			same = same && (c.Findings == nil && len(c.Unvalidated) > 0 || ok && n == v.counts[id][t].findings[i])
		}
		if same {
			return true
		}
	}
	return false
}

// anyFault is a fault of a call about policies.
func anyFault(r *rand.Rand) *simaws.Fault {
	kinds := []simaws.FaultKind{
		simaws.AccessDenied, simaws.Throttled, simaws.ServiceError, simaws.ServiceErrorUnparsable, simaws.MalformedResponse, simaws.EmptyResponse,
		simaws.WrongTypes, simaws.ConnectionReset, simaws.RepeatingToken, simaws.Timeout, simaws.Rejected,
	}
	operations := []string{"GetAccountAuthorizationDetails", "GetAccountAuthorizationDetails", "ValidatePolicy", "ValidatePolicy", "ListPolicies", "DescribePolicy", "AssumeRole"}
	f := &simaws.Fault{Kind: kinds[r.IntN(len(kinds))], Operation: operations[r.IntN(len(operations))]}
	if r.IntN(2) == 0 && f.Kind != simaws.RepeatingToken { // sometimes, it would repeat a page alone
		f.Probability = []float64{.1, .5, .9}[r.IntN(3)]
	}
	if r.IntN(2) == 0 {
		f.Account = []string{lab.Management, lab.Hub, lab.Alpha}[r.IntN(3)]
	}
	return f
}

// Counts are exact or absent, in random worlds that change over time, with faults. Once
// faults end, every count is there. No part of a document is in what is published or
// logged, at any level.
func TestProperty(t *testing.T) {
	draws := 15
	if n, err := strconv.Atoi(os.Getenv("POLICY_DRAWS")); err == nil {
		draws = n
	}
	seed := uint64(20261129)
	if n, err := strconv.ParseUint(os.Getenv("POLICY_SEED"), 10, 64); err == nil {
		seed = n
	}
	// Most of the memory in use is garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for i := range draws {
		ok := t.Run(fmt.Sprint(seed+uint64(i)), func(t *testing.T) { draw(t, rand.New(rand.NewPCG(seed+uint64(i), 0))) })
		if !ok {
			return
		}
	}
}

func draw(t *testing.T, r *rand.Rand) {
	w := newWorld(r)
	// Other calls than those about policies are rare in most draws, which takes less time.
	config := fmt.Sprintf(randomConfig, []string{"1h", "6h", "12h", "1d"}[r.IntN(4)])
	lab.Run(t, lab.Setup{Config: config, World: func() *simaws.World { return w }, LogLevel: slog.LevelDebug}, func(l *lab.Lab) {
		h := &history{Lab: l}
		h.record()
		at := time.Duration(0)
		advance := func(d time.Duration, exact bool) {
			at += d
			l.Until(at, nil)
			h.check(exact)
		}
		for range 2 + r.IntN(4) {
			var remove []func()
			for range r.IntN(3) {
				remove = append(remove, l.AWS.AddFault(anyFault(r)))
			}
			for range 3 {
				advance(time.Duration(1+r.IntN(60))*time.Minute, false)
			}
			for _, f := range remove {
				f()
			}
			l.AWS.Update(func(w *simaws.World) {
				mutate(r, w.Accounts[r.IntN(len(w.Accounts))])
				mutateOrganization(r, w)
			})
			h.record()
		}
		advance(interval+interval/2, true)
		h.published()
	})
}
