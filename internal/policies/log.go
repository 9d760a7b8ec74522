package policies

import (
	"log/slog"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// cause groups failures into one log line.
type cause struct {
	operation string
	reason    inventory.Reason
	detail    inventory.Detail
}

// logTransitions logs causes of failures that began or ended since the last call.
func (w *Watcher) logTransitions() {
	accounts, examples := map[cause]int{}, map[cause]inventory.Failure{}
	w.mu.Lock()
	for _, src := range w.sources {
		for _, f := range src.failures {
			c := cause{f.Operation, f.Reason, f.Detail}
			if accounts[c]++; examples[c].AccountID == "" || f.AccountID < examples[c].AccountID {
				examples[c] = f
			}
		}
	}
	w.mu.Unlock()
	for c, n := range accounts {
		if w.failing[c] > 0 {
			continue
		}
		f := examples[c]
		w.opts.Logger.Warn("Failed to read or validate policies; their findings are absent, except those that were found within stale_after",
			slog.String("operation", c.operation), slog.String("reason", string(c.reason)), slog.Int("accounts", n), slog.String("example", f.AccountID),
			slog.String("fix", remedy.Of(&f, nil, remedy.Setting{}).Text()), slog.String("message", f.Message), slog.String("request_id", f.RequestID))
	}
	for c := range w.failing {
		if accounts[c] == 0 {
			w.opts.Logger.Info("Policies recovered or accounts removed", "operation", c.operation, "reason", c.reason)
		}
	}
	w.failing = accounts
}
