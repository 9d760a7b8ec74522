package findings_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// TestPropertyCountsAreExact lets findings of a random analyzer be created,
// changed, archived, resolved and removed, before rounds and in the middle of
// them, with AWS behaving in every way that its documentation leaves open. What
// is counted must be what there is: as of the totals that a round used, or
// as of when everything was listed.
func TestPropertyCountsAreExact(t *testing.T) {
	l := newLab(t)
	seed, draws := environment("PROPERTY_SEED", 1), environment("PROPERTY_DRAWS", 20)
	seen := map[string]int{}
	for draw := range draws {
		h := &history{lab: l, Rand: rand.New(rand.NewPCG(seed, draw)), seen: seen}
		h.play(t)
		if t.Failed() {
			t.Fatalf("PROPERTY_SEED=%d, draw %d:%s", seed, draw, h.log)
		}
	}
	t.Log(seen)
	for _, why := range findings.FullCountReasons {
		if seen[string(why)] == 0 && why != findings.TooManyFindings && why != findings.Unnamed {
			t.Errorf("no full count had the reason %s", why)
		}
	}
	if seen["changes alone"]*4 < seen["rounds"] || seen["changes alone, among changes"] == 0 || seen["not judged"]*5 > seen["rounds"] {
		t.Error("the histories do not cover enough cases")
	}
}

// history is that of one analyzer.
type history struct {
	*lab
	*rand.Rand
	options findings.Options
	grain   time.Duration
	// public is one of how many findings that are created public.
	public int
	// truths are what there was, since when; the last one is what there is.
	truths []moment
	made   int
	log    string
	seen   map[string]int
}

type moment struct {
	since  time.Time
	counts *inventory.Findings
}

func (h *history) one(in int) bool { return h.IntN(in) == 0 }

func (h *history) say(format string, args ...any) {
	h.log += "\n" + h.clock.time().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
}

func (h *history) play(t *testing.T) {
	w := newWorld([]string{"ORGANIZATION", "ORGANIZATION", "ORGANIZATION_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS"}[h.IntN(4)])
	size := 3 + h.IntN(15)
	w.PageSizes = map[string]int{"ListFindings": size, "ListFindingsV2": size}
	h.options = findings.Options{
		Statuses:      [][]string{{"ACTIVE"}, {"ACTIVE", "ARCHIVED"}, {"ACTIVE", "ARCHIVED", "RESOLVED"}}[h.IntN(3)],
		ResourceTypes: h.one(2), PublicResources: h.IntN(5), FullInterval: time.Hour,
	}
	h.public = []int{1, 2, 4, 20}[h.IntN(4)]
	h.grain = []time.Duration{time.Millisecond, time.Second}[h.IntN(2)]
	h.set(w)
	for range size * (8 + h.IntN(8)) {
		h.clock.advance(time.Duration(h.IntN(3000)) * time.Millisecond)
		h.server.Update(h.create)
	}
	for range h.IntN(10) {
		h.server.Update(h.change)
	}
	h.clock.advance(time.Hour)
	s := &findings.State{}
	defer h.budget.Drop(s)
	for range 12 {
		if h.one(30) {
			h.options.Statuses, h.options.ResourceTypes, h.options.PublicResources = []string{"ARCHIVED", "ACTIVE"}, !h.options.ResourceTypes, h.IntN(5)
		}
		if h.next(t, s); t.Failed() {
			return
		}
	}
}

// next is what happens from one count to the next.
func (h *history) next(t *testing.T, s *findings.State) {
	c := h.counter(h.options)
	if h.one(12) {
		c.SetFullInterval(time.Nanosecond)
	}
	h.server.Update(func(w *simaws.World) {
		w.Quirks = simaws.Quirks{EmptyPages: h.one(8), IgnoreSort: h.one(12), RejectSort: h.one(20), ColdStatistics: h.one(2)}
		if h.one(8) {
			w.Quirks.StatisticsLag = time.Duration(h.IntN(3600)) * time.Second
		}
		h.say("quirks %+v", w.Quirks)
	})
	h.truths = nil
	for range h.IntN(6) {
		h.happen()
	}
	if !h.one(10) {
		h.clock.advance(2 * time.Second)
	}
	h.truths = []moment{{h.clock.time(), h.truth(h.options)}}
	defer h.goWrong()()
	// Without changes during the round, there is one truth.
	meanwhile := 0
	restless := h.one(4)
	h.between = func() {
		if !restless || !h.one(6) {
			return
		}
		meanwhile++
		h.clock.advance(time.Second)
		h.happen()
		h.truths = append(h.truths, moment{h.clock.time(), h.truth(h.options)})
		h.clock.advance(time.Second)
	}
	defer func() { h.between = func() {} }()
	h.full, h.asOf = nil, nil
	known := s.ExactAsOf()
	counts, failure, _ := c.Count(t.Context(), h.account, h.analyzer, s)
	h.say("full counts %v, failure %v", h.full, failure)
	h.note(meanwhile)
	if failure == nil {
		h.judge(t, s, counts, meanwhile, known)
	}
	if used := h.budget.Used(); used != max(s.Entries(), 0) {
		t.Errorf("%d findings are in the budget", used)
	}
}

func (h *history) note(meanwhile int) {
	h.seen["rounds"]++
	for _, why := range h.full {
		h.seen[string(why)]++
	}
	if len(h.full) == 0 {
		h.seen["changes alone"]++
		if meanwhile > 0 {
			h.seen["changes alone, among changes"]++
		}
	}
}

// judge compares with the truth. After a round that ended with totals that fit,
// it is that of the moment as of which they are.
func (h *history) judge(t *testing.T, s *findings.State, counts *inventory.Findings, meanwhile int, before time.Time) {
	proved := s.Entries() >= 0 && s.ExactAsOf().After(before) && slices.ContainsFunc(h.asOf, s.ExactAsOf().Equal)
	want := h.truths[len(h.truths)-1]
	switch {
	case proved:
		for _, m := range h.truths {
			if !m.since.After(s.ExactAsOf()) {
				want = m
			}
		}
	case meanwhile > 0:
		// The list is of no single moment, so there is nothing to compare it with.
		h.seen["not judged"]++
		return
	}
	if !same(counts, want.counts) {
		t.Errorf("proved %v:%s", proved, differences(counts, want.counts))
	}
}

// goWrong lets some calls of the round fail in ways that are not retried.
func (h *history) goWrong() (remove func()) {
	if !h.one(6) {
		return func() {}
	}
	f := &simaws.Fault{
		Kind:      []simaws.FaultKind{simaws.AccessDenied, simaws.MalformedResponse, simaws.EmptyResponse, simaws.RepeatingToken}[h.IntN(4)],
		Operation: []string{"ListFindings|ListFindingsV2", "GetFindingsStatistics"}[h.IntN(2)], Probability: .3,
	}
	h.say("fault %s of %s", f.Kind, f.Operation)
	return h.server.AddFault(f)
}

// happen changes something, now.
func (h *history) happen() {
	h.clock.advance(time.Duration(h.IntN(120_000)) * time.Millisecond)
	h.server.Update(func(w *simaws.World) {
		a := w.Analyzers[0]
		switch h.IntN(12) {
		case 0, 1:
			h.create(w)
		case 2:
			if i := h.settled(a, inventory.FindingStatuses[h.IntN(3)]); i >= 0 {
				h.say("%s vanishes", a.Findings[i].ID)
				a.Findings = slices.Delete(a.Findings, i, i+1)
			}
		case 3: // they exchange statuses: totals stay the same
			if i, j := h.withStatus(a, "ACTIVE"), h.withStatus(a, "ARCHIVED"); i >= 0 && j >= 0 {
				h.touch(&a.Findings[i], "ARCHIVED")
				h.touch(&a.Findings[j], "ACTIVE")
			}
		case 4:
			if i := h.settled(a, "ACTIVE"); i >= 0 {
				h.say("%s vanishes for a new one", a.Findings[i].ID)
				a.Findings = slices.Delete(a.Findings, i, i+1)
				h.create(w)
			}
		case 5:
			if h.one(10) {
				h.say("the analyzer is re-created")
				n := len(a.Findings)
				for a.Findings = nil; n > 0; n-- {
					h.create(w)
				}
			}
			if h.one(10) {
				for range len(a.Findings) / 2 {
					h.change(w)
				}
			}
		case 6, 7: // listed public resources give way to the next oldest
			h.archiveOldestPublic(a)
		default:
			h.change(w)
		}
	})
}

func (h *history) archiveOldestPublic(a *simaws.Analyzer) {
	left := 1 + h.options.PublicResources + h.IntN(4)
	for i := range a.Findings { // sorted by creation
		f := &a.Findings[i]
		if left > 0 && f.Status == "ACTIVE" && f.Public && f.Owner == hub && f.ResourceType != "AWS::IAM::Role" {
			h.touch(f, "ARCHIVED")
			left--
		}
	}
}

func (h *history) withStatus(a *simaws.Analyzer, status string) int {
	for range 20 {
		if i := h.IntN(len(a.Findings) + 1); i < len(a.Findings) && a.Findings[i].Status == status {
			return i
		}
	}
	return -1
}

// settled is a finding that has not changed since the round began. One that
// comes and goes between two answers leaves no trace but in totals.
func (h *history) settled(a *simaws.Analyzer, status string) int {
	i := h.withStatus(a, status)
	if i >= 0 && len(h.truths) > 0 && !a.Findings[i].UpdatedAt.Before(h.truths[0].since.Truncate(h.grain)) {
		return -1
	}
	return i
}

func (h *history) touch(f *simaws.Finding, status string) {
	h.say("%s: %s to %s", f.ID, f.Status, status)
	f.Status, f.UpdatedAt = status, h.clock.time().Truncate(h.grain)
}

// change changes something about a finding.
func (h *history) change(w *simaws.World) {
	a := w.Analyzers[0]
	if len(a.Findings) == 0 {
		return
	}
	f := &a.Findings[h.IntN(len(a.Findings))]
	switch h.IntN(3) {
	case 0:
		f.Public = !f.Public && f.Type == "ExternalAccess" && f.Error == ""
	case 1:
		if f.Error = []string{"", "ACCESS_DENIED", "INTERNAL_ERROR"}[h.IntN(3)]; f.Error != "" {
			f.Public = false
		}
	}
	h.touch(f, inventory.FindingStatuses[h.IntN(3)])
}

func (h *history) create(w *simaws.World) {
	a := w.Analyzers[0]
	analyzer := inventory.Analyzer{Type: a.Type}
	types := analyzer.FindingTypes()
	h.made++
	now := h.clock.time().Truncate(h.grain)
	f := simaws.Finding{
		ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", h.Uint32(), h.made), Type: types[h.IntN(len(types))], Status: inventory.FindingStatuses[h.IntN(3)],
		Owner: []string{hub, hub, hub, "333333333333", "444444444444"}[h.IntN(5)], ResourceType: []string{"AWS::S3::Bucket", "AWS::IAM::Role"}[h.IntN(2)],
		Public: h.one(h.public) && types[0] == "ExternalAccess", CreatedAt: now, UpdatedAt: now,
	}
	f.Resource = fmt.Sprintf("arn:aws:iam::%s:role/role-%d", f.Owner, h.IntN(3))
	if h.one(20) {
		f.ID = fmt.Sprintf("finding-%d-%d", h.Uint32(), h.made) // AWS documents no format
	}
	a.Findings = append(a.Findings, f)
	h.say("%s created %s", f.ID, f.Status)
}
