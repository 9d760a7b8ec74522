package cli

import (
	"io"

	"github.com/alecthomas/kong"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// PrintAudit writes a report without sweeping.
func PrintAudit(w io.Writer, format string, s *inventory.Snapshot) error {
	return (auditCommand{Output: format}).print(output{out: w}, s, console.Links{})
}

// Model returns the commands and their flags.
func Model() *kong.Node {
	var cli commandLine
	return kong.Must(&cli, kong.Name(app.Name), kong.DefaultEnvars(envPrefix), kong.Vars{"version": "", "envConfig": envConfig}).Model.Node
}
