package findings

import (
	"context"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Reader reads the findings of an analyzer in the account that owns it.
type Reader interface {
	// Findings passes pages to more until more returns false or the list ends.
	// With statuses it lists the findings that have one of them, in any order.
	// Without statuses it lists all findings, the most recently updated first.
	// exists is false, without a failure, when the analyzer has been deleted.
	Findings(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer, statuses []string,
		more func(Page) bool) (exists bool, _ *inventory.Failure)
	FindingTotals(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (Totals, *inventory.Failure)
}

// Page is one page of a list of findings.
type Page struct {
	Findings []inventory.Finding
	// AskedAt is a time by the AWS clock not later than the request for the page.
	AskedAt time.Time
}

// Totals are the numbers of findings of an analyzer that GetFindingsStatistics
// returns.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_GetFindingsStatistics.html
type Totals struct {
	// ByStatus has the number of findings for each of ACTIVE, ARCHIVED and
	// RESOLVED. It is nil, which does not mean 0, when AWS returns none.
	ByStatus map[string]int
	// AsOf is the time of the count; AskedAt is not later than the request.
	// Both are times by the AWS clock.
	AsOf, AskedAt time.Time
}

// FullCountReason is why all findings of an analyzer were listed instead of
// only the changed ones. The set is closed because it is a label.
type FullCountReason string

// The reasons for a full count.
const (
	// FirstCount: there is no index yet.
	FirstCount FullCountReason = "first"
	// FewFindings: listing all takes no more calls than listing changes.
	FewFindings FullCountReason = "few"
	// TooManyFindings: the index of all analyzers is at its size limit.
	TooManyFindings FullCountReason = "too_many"
	// IntervalElapsed: the last full count is findings.full_interval ago.
	IntervalElapsed FullCountReason = "interval"
	// NoStatistics: GetFindingsStatistics failed, or its totals are not current.
	NoStatistics FullCountReason = "statistics"
	// TotalsDiffer: index and totals differ, for example because AWS deleted a
	// finding, which appears in no list of changes.
	TotalsDiffer FullCountReason = "totals"
	// OutOfOrder: the list is not sorted by update time, or nothing proves that
	// it is.
	OutOfOrder FullCountReason = "order"
	// Inconsistent: the list contradicts the index.
	Inconsistent FullCountReason = "contradiction"
	// ManyChanges: listing the changes takes too many calls, or findings keep
	// changing during the count.
	ManyChanges FullCountReason = "changes"
	// Unnamed: public resources that were listed no longer are, and the names of the
	// next oldest are not known.
	Unnamed FullCountReason = "unnamed"
)

// FullCountReasons lists every reason for a full count.
var FullCountReasons = []FullCountReason{
	FirstCount, FewFindings, TooManyFindings, IntervalElapsed, NoStatistics, TotalsDiffer, OutOfOrder, Inconsistent, ManyChanges, Unnamed,
}
