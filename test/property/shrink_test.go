package property

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// attempts at a draw whose failure depends on the order of calls.
const attempts = 3

// failure is a scenario with problems.
type failure struct {
	scenario *scenario
	outcome
}

// retry returns nil if no attempt has problems.
func (s *scenario) retry(t *testing.T) *failure {
	for range attempts {
		if o := s.play(t); len(o.wrong) > 0 {
			return &failure{s, o}
		}
	}
	return nil
}

// patience limits the time that shrinking takes.
const patience = time.Minute

// shrink removes parts of the scenario, one at a time, as long as it still fails
// and patience is not used up.
func (x *failure) shrink(t *testing.T) *failure {
	for until := time.Now().Add(patience); ; {
		smaller := x.smaller(t, until)
		if smaller == nil {
			return x
		}
		x = smaller
	}
}

// smaller is the first failure of the same kind with a shorter description, nil
// if there is none.
func (x *failure) smaller(t *testing.T, until time.Time) *failure {
	words := len(x.scenario.String())
	for _, s := range x.scenario.smaller() {
		if time.Now().After(until) {
			return nil
		}
		if len(s.String()) >= words {
			continue
		}
		if smaller := s.retry(t); smaller != nil && smaller.wrong[0].kind == x.wrong[0].kind {
			return smaller
		}
	}
	return nil
}

// smaller are the scenarios with one part removed.
func (s *scenario) smaller() []*scenario {
	var all []*scenario
	for n := range s.steps {
		if len(s.steps) > 1 {
			c := *s
			c.steps = slices.Delete(slices.Clone(s.steps), n, n+1)
			all = append(all, &c)
		}
		for i := range s.steps[n].faults {
			c := *s
			c.steps = slices.Clone(s.steps)
			c.steps[n].faults = slices.Delete(slices.Clone(s.steps[n].faults), i, i+1)
			if len(c.steps[n].faults) == 0 {
				c.steps[n].faults = nil
			}
			all = append(all, &c)
		}
	}
	for section, keys := range s.settings {
		for key := range keys {
			c := *s
			c.settings = s.settings.without(section, key)
			if _, err := c.settings.parse(); err == nil {
				all = append(all, &c)
			}
		}
	}
	if s.shards > 1 {
		c := *s
		c.shards = 1
		all = append(all, &c)
	}
	return append(all, s.smallerWorlds()...)
}

func (s *scenario) smallerWorlds() []*scenario {
	accounts, analyzers, regions := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, step := range s.steps {
		for _, part := range step.world.parts() {
			for _, a := range part.Accounts {
				accounts[a.ID] = a.ID != hub && (part.Organization == nil || part.Organization.ManagementID != a.ID)
				for _, r := range a.Regions {
					regions[r.Name] = r.Name != a.Regions[0].Name // an account always has one
				}
			}
			for _, a := range part.Analyzers {
				analyzers[a.ARN()] = true
			}
		}
	}
	var all []*scenario
	for id, can := range accounts {
		if can && !strings.Contains(s.settings.text(), id) {
			all = append(all, s.edit(func(w *simaws.World) {
				w.Accounts = slices.DeleteFunc(w.Accounts, func(a *simaws.Account) bool { return a.ID == id })
				w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool { return a.AccountID == id })
				if o := w.Organization; o != nil {
					for service, ids := range o.DelegatedAdmins {
						o.DelegatedAdmins[service] = slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == id })
					}
				}
			}))
		}
	}
	for arn := range analyzers {
		all = append(all, s.edit(func(w *simaws.World) {
			w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool { return a.ARN() == arn })
		}))
	}
	for region, can := range regions {
		if can {
			all = append(all, s.edit(func(w *simaws.World) {
				for _, a := range w.Accounts {
					a.Regions = slices.DeleteFunc(slices.Clone(a.Regions), func(r simaws.Region) bool { return r.Name == region })
				}
				w.Analyzers = slices.DeleteFunc(w.Analyzers, func(a *simaws.Analyzer) bool { return a.Region == region })
			}))
		}
	}
	return append(all,
		s.edit(func(w *simaws.World) { w.PageSizes = nil }),
		s.edit(func(w *simaws.World) { w.Quirks = simaws.Quirks{} }),
		s.edit(func(w *simaws.World) {
			for _, a := range w.Analyzers {
				a.Findings, a.ArchiveRules = nil, nil
			}
		}))
}

// edit changes the worlds of all steps alike; those that were one stay one.
func (s *scenario) edit(change func(*simaws.World)) *scenario {
	c := *s
	c.steps = slices.Clone(s.steps)
	edited := map[world]world{}
	for n, step := range c.steps {
		if _, ok := edited[step.world]; !ok {
			w := step.world.clone()
			for _, part := range w.parts() {
				change(part)
			}
			edited[step.world] = w
		}
		c.steps[n].world = edited[step.world]
	}
	return &c
}
