package findings

import (
	"maps"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// named has the ACTIVE public findings of one analyzer with their resources. Of each
// owner it has those of global resources, because only their names show how many
// there are over all Regions, and the oldest of the others. The number of names
// does not grow with the number of findings.
type named struct {
	// most is how many findings of an owner are listed; 0 for none.
	most   int
	owners map[string]*namedOwner
}

// namedOwner has the findings of one owner, sorted by age once they are settled.
type namedOwner struct {
	global, local []inventory.PublicFinding
	// last is set if there were more than fit: younger findings than this have no
	// name. Every older one has, so that the oldest are known for sure.
	last *inventory.PublicFinding
}

// spare is how many times the listed findings are kept, so that the next oldest are
// known when listed ones are no longer public.
const spare = 2

func newNamed(most int) *named { return &named{most: most, owners: map[string]*namedOwner{}} }

// add keeps a finding unless it is not public, or not among the oldest.
func (n *named) add(f inventory.Finding) {
	if n.most == 0 || !f.IsPublic() {
		return
	}
	o := n.owners[f.AccountID]
	if o == nil {
		o = &namedOwner{}
		n.owners[f.AccountID] = o
	}
	p := inventory.PublicFinding{
		ID: f.ID, AccountID: f.AccountID, ResourceType: f.ResourceType, Resource: f.Resource, CreatedAt: f.CreatedAt,
	}
	switch {
	case p.Global():
		o.global = append(o.global, p)
	case o.last == nil || p.Compare(o.last) < 0:
		o.local = append(o.local, p)
		if len(o.local) >= 2*spare*n.most {
			o.settle(spare * n.most)
		}
	}
}

// settle sorts the findings, and keeps the oldest of the local ones.
func (o *namedOwner) settle(most int) {
	o.global, o.local = unique(o.global), unique(o.local)
	if len(o.local) > most {
		last := o.local[most-1] // a copy, which later deletions do not move
		o.local, o.last = o.local[:most], &last
	}
	if cap(o.local) > most {
		o.local = slices.Clone(o.local) // without room to grow
	}
}

// unique sorts findings by age. A finding that was listed twice is kept once.
func unique(findings []inventory.PublicFinding) []inventory.PublicFinding {
	slices.SortFunc(findings, func(a, b inventory.PublicFinding) int { return a.Compare(&b) })
	return slices.CompactFunc(findings, func(a, b inventory.PublicFinding) bool { return a.ID == b.ID })
}

func (n *named) settle() {
	for _, o := range n.owners {
		o.settle(spare * n.most)
	}
}

// verify removes the findings that are not, or no longer, public in the index.
func (n *named) verify(x *index) {
	for _, o := range n.owners {
		gone := func(f inventory.PublicFinding) bool { return !x.hasPublic(&f) }
		o.global, o.local = slices.DeleteFunc(o.global, gone), slices.DeleteFunc(o.local, gone)
	}
	n.settle()
}

// incomplete returns whether fewer findings of an owner are known by name than are
// listed, although the owner has more. public is the number of them by owner.
func (n *named) incomplete(public map[string]int) bool {
	for owner, total := range public {
		o := n.of(owner)
		if n.most > 0 && len(o.local) < n.most && len(o.global)+len(o.local) < total {
			return true
		}
	}
	return false
}

func (n *named) of(owner string) *namedOwner {
	if o := n.owners[owner]; o != nil {
		return o
	}
	return &namedOwner{}
}

// addTo adds the names to counts.
func (n *named) addTo(counts *inventory.Findings) {
	if n.most == 0 {
		return
	}
	public := map[string]int{}
	for k, count := range counts.Counts {
		if k.IsPublic() {
			public[k.AccountID] += count
		}
	}
	for _, owner := range slices.Sorted(maps.Keys(public)) {
		o := n.of(owner)
		local := o.local[:min(len(o.local), n.most)]
		counts.Public = append(append(counts.Public, o.global...), local...)
		if unnamed := public[owner] - len(o.global) - len(local); unnamed > 0 {
			if counts.PublicUnnamed == nil {
				counts.PublicUnnamed = map[string]int{}
			}
			counts.PublicUnnamed[owner] = unnamed
		}
	}
}
