package world

// Index finds accounts and analyzers of a World. It is rebuilt after each
// change; the orders of findings are computed on first use.
type Index struct {
	World     *World
	accounts  map[string]*Account
	analyzers map[target][]*Analyzer
	// organization holds the organization analyzers by Region.
	organization map[string][]*Analyzer
	orders       orders
}

type target struct{ accountID, region string }

func newIndex(w *World) *Index {
	x := &Index{
		World:        w,
		accounts:     make(map[string]*Account, len(w.Accounts)),
		analyzers:    make(map[target][]*Analyzer, len(w.Analyzers)),
		organization: map[string][]*Analyzer{},
	}
	for _, a := range w.Accounts {
		x.accounts[a.ID] = a
	}
	for _, a := range w.Analyzers {
		t := target{a.AccountID, a.Region}
		x.analyzers[t] = append(x.analyzers[t], a)
		if a.IsOrganization() {
			x.organization[a.Region] = append(x.organization[a.Region], a)
		}
	}
	return x
}

// Account returns the account with an ID, or nil.
func (x *Index) Account(id string) *Account { return x.accounts[id] }

// Analyzers returns the analyzers of an account in a Region. The slice is
// read-only.
func (x *Index) Analyzers(accountID, region string) []*Analyzer {
	return x.analyzers[target{accountID, region}]
}

// OrganizationAnalyzers returns the organization analyzers in a Region. The
// slice is read-only.
func (x *Index) OrganizationAnalyzers(region string) []*Analyzer { return x.organization[region] }

// Analyzer returns an analyzer by name, or nil.
func (x *Index) Analyzer(accountID, region, name string) *Analyzer {
	for _, a := range x.Analyzers(accountID, region) {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Order returns the indexes of the analyzer's findings, sorted by the
// attribute.
func (x *Index) Order(a *Analyzer, attribute Attribute) []int32 { return x.orders.get(a, attribute) }
