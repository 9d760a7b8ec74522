package cli

import (
	"io"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// PrintAudit writes a report without sweeping.
func PrintAudit(w io.Writer, format string, s *inventory.Snapshot) error {
	return (auditCommand{Output: format}).print(output{out: w}, s, console.Links{})
}
