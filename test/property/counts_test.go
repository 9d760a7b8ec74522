package property

import (
	"fmt"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// fewPages of findings are always counted in full: listing the changes takes
// as many calls.
const fewPages = 4

// counts are numbers of finding counts, one for each analyzer and sweep: all
// successful ones, those of large analyzers, which have more than fewPages
// pages, and those of large analyzers that were incremental.
type counts struct{ all, large, incremental int }

// countsOf tallies the counts of a sweep that began at a time.
func countsOf(p *published, l *simulation, o oracle, began time.Time) counts {
	var c counts
	for key, at := range p.counted {
		a := o.analyzer(key)
		if a == nil || at < float64(began.Unix()) {
			continue // counted by an earlier sweep
		}
		c.all++
		if o.pages(a) > fewPages {
			c.large++
			if !l.listedInFull(a.ARN()) {
				c.incremental++
			}
		}
	}
	return c
}

func (c *counts) add(other counts) {
	c.all += other.all
	c.large += other.large
	c.incremental += other.incremental
}

func (c counts) String() string {
	return fmt.Sprintf("%d finding counts, %d of them of analyzers with more than %d pages, %d of those incremental (%.1f%%)",
		c.all, c.large, fewPages, c.incremental, 100*float64(c.incremental)/float64(max(1, c.large)))
}

// leastLarge is the minimum of counts of large analyzers in an ordinary run, of
// which a share is meaningful.
const leastLarge = 100

// mostAreIncremental reports whether most counts of large analyzers are
// incremental.
func (c counts) mostAreIncremental() bool { return 2*c.incremental > c.large }

// pages is the number of pages of a full count.
func (o oracle) pages(a *simaws.Analyzer) int {
	part, _ := o.world.of(a.AccountID)
	size := part.PageSizes[listFindings(a)]
	if size == 0 {
		return 1
	}
	n := 0
	for _, f := range a.Findings {
		if slices.Contains(o.config.Findings.Statuses, f.Status) {
			n++
		}
	}
	return (n + size - 1) / size
}

// listFindings is the operation that lists the findings of an analyzer.
func listFindings(a *simaws.Analyzer) string {
	if a.Type == "ACCOUNT" || a.Type == "ORGANIZATION" {
		return "ListFindings"
	}
	return "ListFindingsV2"
}
