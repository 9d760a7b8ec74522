package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/prometheus/common/version"
	"golang.org/x/term"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/audit"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
)

// The exit codes of an audit. Of several that hold, the lowest is given: what is
// known to be wrong is worse than what is not known.
const (
	auditFound   = 1
	auditUnknown = 2
	auditFailed  = 3
)

// What --fail-on takes.
const (
	onUncovered = "uncovered"
	onUnknown   = "unknown"
	onPublic    = "public-findings"
	onNone      = "none"
)

type auditCommand struct {
	ConfigFile string   `name:"config.file" type:"path" placeholder:"FILE" help:"Configuration file. Without one: the caller's account, all its enabled Regions."`
	Demo       bool     `name:"demo" help:"Audit the simulated organization of the demo."`
	Output     string   `name:"output" default:"table" enum:"table,json,csv,metrics" help:"What to print on standard output: table, a report for people; json, as /api/v1/coverage answers; csv, a row for each place; metrics, as /metrics."`
	FailOn     []string `name:"fail-on" default:"uncovered,unknown" enum:"uncovered,unknown,public-findings,none" help:"What the exit code tells: 1 for uncovered places or public findings, 2 for what is unknown; uncovered, unknown, public-findings or none."`
	Quiet      bool     `name:"quiet" short:"q" help:"Show no progress."`
	Log        logFlags `embed:"" set:"log_level=error"`
}

// Help is shown by kong.
func (auditCommand) Help() string {
	return "Exit codes: 0 all is covered; 1 something is not, or findings are public; 2 something is unknown; 3 the audit itself failed. " +
		"--fail-on says which of 1 and 2 are given; if both would be, it is 1."
}

// Validate is called by kong.
func (c auditCommand) Validate() error {
	if slices.Contains(c.FailOn, onNone) && len(c.FailOn) > 1 {
		return fmt.Errorf("--fail-on=%s contradicts itself", strings.Join(c.FailOn, ","))
	}
	return nil
}

// exitError is an error that ends the program with a code of its own.
type exitError struct {
	error
	code int
}

func (e exitError) ExitCode() int { return e.code }
func (e exitError) Unwrap() error { return e.error }

// auditUsage makes a failed audit of a command line that asked for one and could
// not be understood: exit codes are what its callers look at.
func auditUsage(err error) error {
	var usage *kong.ParseError
	if errors.As(err, &usage) && slices.ContainsFunc(usage.Context.Path, func(p *kong.Path) bool { return p.Command != nil && p.Command.Name == "audit" }) {
		return exitError{err, auditFailed}
	}
	return err
}

// Run audits, and returns an error that says what the exit code means.
func (c auditCommand) Run(ctx context.Context, o output) error {
	snapshot, err := c.sweep(ctx, o)
	if err == nil {
		err = c.print(o, snapshot)
	}
	if err != nil {
		return exitError{err, auditFailed}
	}
	return c.outcome(audit.OutcomeOf(snapshot))
}

// sweep looks at everything once.
func (c auditCommand) sweep(ctx context.Context, o output) (*inventory.Snapshot, error) {
	load := loadConfig
	if c.Demo {
		stop, err := simulateAWS(simaws.Demo())
		if err != nil {
			return nil, err
		}
		defer stop()
		load = loadDemoConfig
	}
	configuration, err := load(c.ConfigFile)
	if err != nil {
		return nil, err
	}
	if slices.Contains(c.FailOn, onPublic) && !configuration.Findings.Enabled {
		return nil, errors.New("--fail-on=public-findings needs findings, which the configuration turns off (findings.enabled)")
	}
	pipeline, err := app.New(ctx, configuration, app.Options{
		Exporter: collector.New(), Shard: app.Unsharded, Logger: c.Log.logger(o.err),
	}, nil)
	if err != nil {
		return nil, err
	}
	defer pipeline.Close()
	if !c.Quiet {
		defer progress(o.err, pipeline.Progress)()
	}
	snapshot := pipeline.Sweep(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, errors.New("interrupted: there is no report, because half of one would read like a whole")
	case len(snapshot.Accounts) == 0 && len(snapshot.Failures) > 0:
		return nil, &snapshot.Failures[0]
	case len(snapshot.Accounts) == 0:
		return nil, errors.New("no account is in scope; look at accounts.include and accounts.exclude")
	}
	return snapshot, nil
}

// progress shows how far the sweeps have come until end is called.
func progress(w io.Writer, ask audit.Ask) (end func()) {
	if isTerminal(w) && os.Getenv("TERM") != "dumb" {
		return audit.Bars(w, columnsOf(w), ask)
	}
	return audit.Lines(w, ask)
}

func (c auditCommand) print(o output, s *inventory.Snapshot) error {
	switch c.Output {
	case "json":
		return web.WriteCoverage(o.out, s, version.Version)
	case "csv":
		return audit.WriteCSV(o.out, s)
	case "metrics":
		return collector.WriteText(o.out, s)
	}
	colour := isTerminal(o.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return audit.WriteTable(o.out, s, columnsOf(o.out), colour)
}

// outcome is nil when there is nothing that the audit is to fail for.
func (c auditCommand) outcome(o audit.Outcome) error {
	var (
		says []string
		code int
	)
	for _, one := range []struct {
		on, says string
		code     int
		holds    bool
	}{
		{onUncovered, plural(o.Uncovered, "place is uncovered", "places are uncovered"), auditFound, o.Uncovered > 0},
		{onPublic, plural(o.Public, "active finding is public", "active findings are public"), auditFound, o.Public > 0},
		{onUnknown, plural(o.Unknown, "place is unknown", "places are unknown"), auditUnknown, o.Unknown > 0},
		{onUnknown, "not all accounts and Regions could be listed", auditUnknown, o.Unlisted},
		{
			onUnknown, "the findings of " + plural(o.Uncounted, "analyzer", "analyzers") + " could not be counted", auditUnknown,
			o.Uncounted > 0 && slices.Contains(c.FailOn, onPublic),
		},
	} {
		if one.holds && slices.Contains(c.FailOn, one.on) {
			says = append(says, one.says)
			code = cmp.Or(code, one.code)
		}
	}
	if code == 0 {
		return nil
	}
	return exitError{errors.New(strings.Join(says, ", ")), code}
}

func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// pipedColumns is for how wide a reader the report is made that is no terminal.
const pipedColumns = 100

// columnsOf is how wide the reader is: as COLUMNS says, else as the terminal
// does.
func columnsOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return pipedColumns
}
