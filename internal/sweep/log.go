package sweep

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// failureKey tells failures apart as the metrics do: messages vary.
type failureKey struct {
	accountID, region, operation string
	reason                       inventory.Reason
}

func keyOf(f inventory.Failure) failureKey {
	return failureKey{f.AccountID, f.Region, f.Operation, f.Reason}
}

// cause is what is logged as one line: a broken guardrail breaks ten thousand
// targets.
type cause struct {
	operation string
	reason    inventory.Reason
}

const examples = 3

// told is what the log has said to be failing; each kind of sweep has its own,
// and is the only one to touch it.
type told struct{ failing map[failureKey]bool }

// tell logs what has begun to fail since the last sweep of this kind, and what
// no longer does: one line for each operation and reason. Each single failure
// is logged at debug level.
func (s *Sweeper) tell(kind inventory.SweepKind, failures []inventory.Failure) {
	before, now := s.told[kind].failing, map[failureKey]bool{}
	failing := map[cause][]inventory.Failure{}
	for _, f := range failures {
		key := keyOf(f)
		if now[key] {
			continue
		}
		now[key] = true
		if !before[key] {
			c := cause{f.Operation, f.Reason}
			failing[c] = append(failing[c], f)
			s.opts.Logger.Debug("cannot be read", "sweep", kind, "account_id", f.AccountID, "region", f.Region,
				"operation", f.Operation, "reason", f.Reason, "message", f.Message, "request_id", f.RequestID)
		}
	}
	mended := 0
	for key := range before {
		if !now[key] {
			mended++
		}
	}
	s.told[kind].failing = now
	for c, group := range failing {
		s.opts.Logger.Warn(consequence[kind], attributes(c, group)...)
	}
	if mended > 0 {
		s.opts.Logger.Info("can be read again, or is no longer there", "sweep", kind, "failures_gone", mended, "failures_left", len(now))
	}
}

var consequence = map[inventory.SweepKind]string{
	inventory.CoverageSweep: "cannot be read: last known facts stand in for stale_after, then coverage there is unknown",
	inventory.FindingsSweep: "findings cannot be counted: last known counts stand in for stale_after, then they are absent",
}

func attributes(c cause, group []inventory.Failure) []any {
	slices.SortFunc(group, func(a, b inventory.Failure) int {
		return cmp.Or(strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.Region, b.Region))
	})
	var places []string
	for _, f := range group[:min(examples, len(group))] {
		places = append(places, strings.Trim(f.AccountID+"/"+f.Region, "/"))
	}
	if more := len(group) - examples; more > 0 {
		places = append(places, fmt.Sprintf("and %d more", more))
	}
	return []any{
		slog.String("operation", c.operation), slog.String("reason", string(c.reason)), slog.Int("places", len(group)),
		slog.String("where", strings.Join(places, ", ")), slog.String("message", group[0].Message), slog.String("request_id", group[0].RequestID),
	}
}
