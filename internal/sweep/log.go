package sweep

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// failureKey identifies a failure as the labels of the metric do. Messages vary.
type failureKey struct {
	accountID, region, operation string
	reason                       inventory.Reason
}

// cause groups failures into one log line: one service control policy can deny
// ten thousand targets.
type cause struct {
	operation string
	reason    inventory.Reason
	detail    inventory.Detail
}

// maxExamples is the number of targets that a log line names.
const maxExamples = 3

// messages are those for failures that began and that ended, by kind of sweep.
var messages = map[inventory.SweepKind]struct{ failed, recovered string }{
	inventory.CoverageSweep: {"Failed to read targets; they are unknown, except those that were read within stale_after", "Targets recovered or removed"},
	inventory.FindingsSweep: {"Failed to count findings; counts are absent, except those that were read within stale_after", "Counts recovered or analyzers removed"},
}

// failureLog has the failures after the last sweep of a kind. Only that kind of
// sweep uses it.
type failureLog struct {
	failing map[failureKey]bool
	// noTargets is the key that excluded every target, or "".
	noTargets string
}

// logTransitions logs the failures that began since the last sweep of this kind,
// one line for each operation and reason, and how many ended. At debug level it
// logs each failure.
func (s *Sweeper) logTransitions(kind inventory.SweepKind) {
	log := s.failing[kind]
	before, now := log.failing, map[failureKey]bool{}
	began := map[cause][]inventory.Failure{}
	for _, f := range s.state.Failures(kind) {
		key := failureKey{f.AccountID, f.Region, f.Operation, f.Reason}
		if now[key] {
			continue
		}
		now[key] = true
		if !before[key] {
			c := cause{f.Operation, f.Reason, f.Detail}
			began[c] = append(began[c], f)
			s.opts.Logger.Debug("AWS call failed", "sweep", kind, "account_id", f.AccountID, "region", f.Region,
				"operation", f.Operation, "reason", f.Reason, "message", f.Message, "request_id", f.RequestID)
		}
	}
	log.failing = now
	noTargets := s.state.NoTargets()
	if noTargets != "" && noTargets != log.noTargets && kind == inventory.CoverageSweep {
		s.opts.Logger.Warn("No target is in scope; nothing is monitored", "excluded_by", noTargets)
	}
	log.noTargets = noTargets
	for c, failures := range began {
		s.opts.Logger.Warn(messages[kind].failed, attributes(c, failures)...)
	}
	ended := 0
	for key := range before {
		if !now[key] {
			ended++
		}
	}
	if ended > 0 {
		s.opts.Logger.Info(messages[kind].recovered, "sweep", kind, "recovered", ended, "failing", len(now))
	}
}

func attributes(c cause, failures []inventory.Failure) []any {
	slices.SortFunc(failures, func(a, b inventory.Failure) int {
		return cmp.Or(strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.Region, b.Region))
	})
	var examples []string
	for _, f := range failures[:min(maxExamples, len(failures))] {
		examples = append(examples, strings.Trim(f.AccountID+"/"+f.Region, "/"))
	}
	if more := len(failures) - maxExamples; more > 0 {
		examples = append(examples, fmt.Sprintf("and %d more", more))
	}
	return []any{
		slog.String("operation", c.operation), slog.String("reason", string(c.reason)), slog.Int("targets", len(failures)),
		slog.String("examples", strings.Join(examples, ", ")), slog.String("fix", remedy.Of(&failures[0], nil, remedy.Setting{}).Text()), slog.String("message", failures[0].Message), slog.String("request_id", failures[0].RequestID),
	}
}
