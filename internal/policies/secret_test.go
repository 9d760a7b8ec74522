package policies_test

import (
	"encoding/json"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
)

// published fails the test if a part of a document is in what is published or logged.
func (h *history) published() {
	h.T.Helper()
	var metrics strings.Builder
	if err := collector.WriteText(&metrics, h.Exporter.Snapshot()); err != nil {
		h.T.Fatal(err)
	}
	b, err := json.Marshal(h.Exporter.Snapshot().Policies)
	if err != nil {
		h.T.Fatal(err)
	}
	for what, text := range map[string]string{"metrics": metrics.String(), "snapshot": string(b), "log": h.Log.String()} {
		if strings.Contains(text, marker) {
			h.T.Errorf("a part of a document is in the %s:\n%s", what, text)
		}
	}
}
