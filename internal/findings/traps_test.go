package findings_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// level has 500 findings in pages of 50, all last updated at the same time, an
// hour ago: ACTIVE and ARCHIVED by turns, the older the lower the ID.
func (l *lab) level() {
	w := newWorld("ORGANIZATION")
	w.PageSizes = map[string]int{"ListFindings": 50}
	ago := l.clock.time().Add(-time.Hour)
	for i := range 500 {
		w.Analyzers[0].Findings = append(w.Analyzers[0].Findings, simaws.Finding{
			ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), Type: "ExternalAccess", Status: []string{"ACTIVE", "ARCHIVED"}[i%2],
			Owner: fmt.Sprint(300000000000 + i), ResourceType: "AWS::S3::Bucket", CreatedAt: ago.Add(time.Duration(i-500) * time.Second), UpdatedAt: ago,
		})
	}
	l.set(w)
}

// put sets the status and the update time of a finding.
func (l *lab) put(i int, status string, at time.Time) {
	l.server.Update(func(w *simaws.World) {
		f := &w.Analyzers[0].Findings[i]
		f.Status, f.UpdatedAt = status, at
	})
}

// swap exchanges the statuses of two findings, so that totals stay the same.
func (l *lab) swap(active, archived int, at time.Time) {
	l.put(active, "ARCHIVED", at)
	l.put(archived, "ACTIVE", at)
}

func (l *lab) quirk(change func(*simaws.Quirks)) {
	l.server.Update(func(w *simaws.World) { change(&w.Quirks) })
}

// after does something once, after so many answers.
func (l *lab) after(answers int, do func()) {
	l.between = func() {
		if answers--; answers == 0 {
			do()
		}
	}
}

// provingTimes is how many update times in order prove that a list is sorted.
const provingTimes = 10

// TestTraps has the cases in which all checks but one pass.
func TestTraps(t *testing.T) {
	ignore := func(q *simaws.Quirks) { q.IgnoreSort = true }
	for _, test := range []struct {
		name string
		// proved: changes have shown before that lists are in order.
		proved bool
		spring func(*lab)
	}{
		{"an order that nothing has proved", false, func(l *lab) {
			l.swap(400, 401, l.clock.time())
		}},
		{"an order that came about by chance", false, func(l *lab) {
			for i := range provingTimes - 2 { // with the time of all others, one short of a proof
				l.put(i, []string{"ACTIVE", "ARCHIVED"}[i%2], l.clock.time().Add(-time.Duration(i)*time.Second))
			}
			l.swap(400, 401, l.clock.time())
		}},
		{"an order that is no longer kept", true, func(l *lab) {
			l.quirk(ignore)
			l.swap(400, 401, l.clock.time())
		}},
		{"changes again while pages are read", true, func(l *lab) {
			l.swap(400, 401, l.clock.time())
			l.clock.advance(time.Minute)
			for i := range 60 {
				l.put(i, []string{"ACTIVE", "ARCHIVED"}[i%2], l.clock.time())
			}
			l.after(1, func() {
				l.clock.advance(time.Minute)
				l.swap(401, 400, l.clock.time())
				l.swap(400, 401, l.clock.time())
			})
		}},
		{"changes in the second of the totals", true, func(l *lab) {
			l.server.Update(func(w *simaws.World) {
				all := w.Analyzers[0].Findings
				w.Analyzers[0].Findings = append(all[:400:400], all[401:]...)
			})
			l.after(2, func() { l.put(200, "RESOLVED", l.clock.time().Truncate(time.Second)) })
		}},
		{"changes that are listed late", true, func(l *lab) {
			l.swap(400, 401, l.clock.time().Add(-35*time.Minute))
			l.put(402, "ACTIVE", l.clock.time().Add(-31*time.Minute))
			for i := range 49 {
				l.put(i, []string{"ACTIVE", "ARCHIVED"}[i%2], l.clock.time())
			}
		}},
		{"totals that are behind", true, func(l *lab) {
			l.quirk(func(q *simaws.Quirks) { q.StatisticsLag = time.Hour })
			l.server.Update(func(w *simaws.World) { w.Analyzers[0].Findings = w.Analyzers[0].Findings[:499] })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.level()
			options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}}
			c, s := l.counter(options), &findings.State{}
			if !test.proved {
				l.quirk(ignore)
			}
			l.round(t, c, s)
			if test.proved {
				for i := range provingTimes {
					l.put(498-2*i, "ACTIVE", l.clock.time())
					l.clock.advance(time.Second)
				}
				l.clock.advance(10 * time.Second)
				if l.round(t, c, s); len(l.full) > 0 {
					t.Fatalf("full counts %v before the change", l.full)
				}
			}
			l.clock.advance(30 * time.Minute)
			test.spring(l)
			l.clock.advance(10*time.Second + 300*time.Millisecond)
			if counts, want := l.round(t, c, s), l.truth(options); !same(counts, want) {
				t.Errorf("full counts %v:%s", l.full, differences(counts, want))
			}
		})
	}
}
