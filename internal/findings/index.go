package findings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// id is the UUID of a finding, or a hash of an ID that is not a UUID.
type id [16]byte

func idOf(s string) id {
	var u id
	plain := strings.ReplaceAll(s, "-", "")
	if n, err := hex.Decode(u[:], []byte(plain[:min(len(plain), 32)])); err == nil && n == len(u) && len(s) == 36 {
		return u
	}
	h := sha256.Sum256([]byte(s))
	return id(h[:])
}

// entry is one finding, in 40 bytes. Times are Unix nanoseconds, never without a
// time; owner and kind are numbers in the tables of the index.
type entry struct {
	id               id
	updated, created int64
	owner, kind      uint32
}

const never = math.MinInt64

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixNano()
}

// kind is by what the findings of one owner are counted separately.
type kind struct {
	findingType, status, resourceType, public, errorLabel string
}

func (k *kind) isPublic() bool { return k.status == inventory.Active && k.public == "true" }

// table numbers distinct values.
type table[T comparable] struct {
	values  []T
	numbers map[T]uint32
}

func (t *table[T]) number(v T) uint32 {
	n, ok := t.numbers[v]
	if !ok {
		if t.numbers == nil {
			t.numbers = map[T]uint32{}
		}
		n = uint32(len(t.values))
		t.values = append(t.values, v)
		t.numbers[v] = n
	}
	return n
}

// index has the findings of one analyzer, sorted by ID.
type index struct {
	entries []entry
	owners  table[string]
	kinds   table[kind]
	named   *named
}

func (x *index) entryOf(f inventory.Finding) entry {
	return entry{
		id: idOf(f.ID), updated: nanoseconds(f.UpdatedAt), created: nanoseconds(f.CreatedAt),
		owner: x.owners.number(f.AccountID),
		kind:  x.kinds.number(kind{f.Type, f.Status, f.ResourceType, f.Public, inventory.ErrorLabel(f.Error)}),
	}
}

func byID(a, b entry) int { return slices.Compare(a.id[:], b.id[:]) }

// sortUnique sorts the entries by ID. Of a finding that was listed twice, it keeps
// the later update.
func (x *index) sortUnique() {
	slices.SortStableFunc(x.entries, func(a, b entry) int {
		return cmp.Or(byID(a, b), cmp.Compare(b.updated, a.updated))
	})
	x.entries = slices.CompactFunc(x.entries, func(a, b entry) bool { return a.id == b.id })
}

func (x *index) find(i id) (int, bool) {
	return slices.BinarySearchFunc(x.entries, i, func(e entry, i id) int { return slices.Compare(e.id[:], i[:]) })
}

// apply adds or updates findings with one of the statuses and removes others. It
// returns false if one is older than its entry.
func (x *index) apply(listed []inventory.Finding, statuses []string) (consistent bool) {
	consistent = true
	removed := map[id]bool{}
	var added []entry
	for _, f := range listed {
		counted := slices.Contains(statuses, f.Status)
		i, known := x.find(idOf(f.ID))
		switch {
		case known && nanoseconds(f.UpdatedAt) < x.entries[i].updated:
			consistent = false
		case known && counted:
			x.entries[i] = x.entryOf(f)
		case known:
			removed[x.entries[i].id] = true
		case counted:
			added = append(added, x.entryOf(f))
		}
	}
	if len(removed) > 0 {
		x.entries = slices.DeleteFunc(x.entries, func(e entry) bool { return removed[e.id] })
	}
	if len(added) > 0 {
		x.entries = slices.Concat(x.entries, added)
		x.sortUnique()
	}
	return consistent
}

// hasPublic returns whether a named finding is ACTIVE and public.
func (x *index) hasPublic(f *inventory.PublicFinding) bool {
	i, found := x.find(idOf(f.ID))
	if !found {
		return false
	}
	e := &x.entries[i]
	return x.kinds.values[e.kind].isPublic() && e.created == nanoseconds(f.CreatedAt) && x.owners.values[e.owner] == f.AccountID
}

// publicByOwner returns the number of ACTIVE public findings of each owner.
func (x *index) publicByOwner() map[string]int {
	owners := make([]int, len(x.owners.values))
	for i := range x.entries {
		if e := &x.entries[i]; x.kinds.values[e.kind].isPublic() {
			owners[e.owner]++
		}
	}
	public := map[string]int{}
	for i, n := range owners {
		if n > 0 {
			public[x.owners.values[i]] = n
		}
	}
	return public
}

// updatedAfter returns the number of findings that were updated after a time.
func (x *index) updatedAfter(t int64) int {
	n := 0
	for i := range x.entries {
		if x.entries[i].updated > t {
			n++
		}
	}
	return n
}

// count counts all findings, and adds the names of public ones.
func (x *index) count() *inventory.Findings {
	type group struct{ owner, kind uint32 }
	type size struct {
		n      int
		oldest int64
	}
	groups := map[group]size{}
	for i := range x.entries {
		e := &x.entries[i]
		g := groups[group{e.owner, e.kind}]
		if g.n == 0 || e.created != never && (g.oldest == never || e.created < g.oldest) {
			g.oldest = e.created
		}
		g.n++
		groups[group{e.owner, e.kind}] = g
	}
	counts := inventory.NewFindings()
	for at, g := range groups {
		k := x.kinds.values[at.kind]
		var oldest time.Time
		if g.oldest != never {
			oldest = time.Unix(0, g.oldest)
		}
		counts.Add(inventory.FindingKey{
			AccountID: x.owners.values[at.owner], Type: k.findingType, Status: k.status, ResourceType: k.resourceType, Public: k.public,
		}, g.n, oldest, k.errorLabel)
	}
	x.named.addTo(counts)
	return counts
}

// totals counts by status alone.
func (x *index) totals() map[string]int {
	kinds := make([]int, len(x.kinds.values))
	for i := range x.entries {
		kinds[x.entries[i].kind]++
	}
	totals := map[string]int{}
	for k, n := range kinds {
		totals[x.kinds.values[k].status] += n
	}
	return totals
}

// agreesWith returns whether an incrementally updated index has the findings of
// this one, which is from a full list, that were last updated before a time.
func (x *index) agreesWith(incremental *index, before int64) bool {
	for i := range x.entries {
		e := &x.entries[i]
		if e.updated >= before {
			continue
		}
		j, found := incremental.find(e.id)
		if !found || incremental.entries[j].updated != e.updated || !x.same(e, incremental, &incremental.entries[j]) {
			return false
		}
	}
	return true
}

func (x *index) same(e *entry, other *index, o *entry) bool {
	return x.owners.values[e.owner] == other.owners.values[o.owner] && x.kinds.values[e.kind] == other.kinds.values[o.kind]
}
