package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/prometheus/common/version"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/audit"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
)

// The exit codes of an audit. If several apply, the lowest is returned: uncovered
// is worse than unknown.
const (
	auditFound   = 1
	auditUnknown = 2
	auditFailed  = 3
)

// Values of --fail-on.
const (
	onUncovered = "uncovered"
	onUnknown   = "unknown"
	onPublic    = "public-findings"
	onPolicy    = "policy-findings"
	onNone      = "none"
)

type auditCommand struct {
	ConfigFile string   `name:"config.file" type:"path" placeholder:"FILE" help:"Configuration file. Without one: the caller's account, all its enabled Regions."`
	Demo       bool     `name:"demo" help:"Audit the simulated organization of the demo."`
	Output     string   `name:"output" default:"table" enum:"table,json,csv,metrics,junit,sarif,html" help:"Output format. One of: table (a report), json (as /api/v1/coverage), csv (a row for each target), metrics (as /metrics), junit and sarif (for pipelines), html (the coverage map in one file)."`
	FailOn     []string `name:"fail-on" default:"uncovered,unknown" enum:"uncovered,unknown,public-findings,policy-findings,none" help:"Results that set the exit code. Any of: uncovered, public-findings, policy-findings (exit code 1), unknown (exit code 2); or none."`
	Policies   bool     `name:"policies" help:"Validate policies too, with the section policies of the configuration. Needs the permissions that iam-policy prints where policies.enabled is true."`
	Quiet      bool     `name:"quiet" short:"q" help:"Show no progress."`
	Log        logFlags `embed:"" set:"log_level=error"`
}

// Help is shown by kong.
func (auditCommand) Help() string {
	return "Exit codes: 0: all targets are covered; 1: targets are uncovered; 2: targets are unknown; 3: the audit failed, or no target is in scope. " +
		"--fail-on selects the results that set 1 or 2. With public-findings, active public findings set 1, and findings that could not be counted set 2. " +
		"With policy-findings, findings of the types ERROR and SECURITY_WARNING and failed checks set 1, and policies that could not be read, validated or checked set 2. If both apply, the exit code is 1."
}

// Validate is called by kong.
func (c auditCommand) Validate() error {
	if slices.Contains(c.FailOn, onNone) && len(c.FailOn) > 1 {
		return fmt.Errorf("--fail-on=%s contradicts itself", strings.Join(c.FailOn, ","))
	}
	if slices.Contains(c.FailOn, onPolicy) && !c.Policies {
		return errors.New("--fail-on=policy-findings needs --policies")
	}
	return nil
}

// exitError is an error with an exit code other than 1.
type exitError struct {
	error
	code int
}

func (e exitError) ExitCode() int { return e.code }
func (e exitError) Unwrap() error { return e.error }

// auditUsage gives a usage error of the audit command the exit code of a failed
// audit: callers distinguish results by exit code.
func auditUsage(err error) error {
	if usage, ok := errors.AsType[*kong.ParseError](err); ok {
		return ofAudit(usage.Context, err)
	}
	return err
}

// ofAudit sets the exit code of an error if the command is audit.
func ofAudit(command *kong.Context, err error) error {
	if slices.ContainsFunc(command.Path, func(p *kong.Path) bool { return p.Command != nil && p.Command.Name == "audit" }) {
		return exitError{err, auditFailed}
	}
	return err
}

// Run sweeps once and prints the report. Its error describes the exit code.
func (c auditCommand) Run(ctx context.Context, o output) error {
	signal.Reset(syscall.SIGHUP)   // a terminal that is closed ends an audit
	signal.Ignore(syscall.SIGPIPE) // a pipe that is closed is an error of writing
	if closed(o.out) {
		return exitError{errors.New("standard output is closed; to discard the report, redirect it: >/dev/null"), auditFailed}
	}
	for _, v := range o.unknown {
		fmt.Fprintf(o.err, "%s: warning: environment variable %s\n", app.Name, v)
	}
	snapshot, links, err := c.sweep(ctx, o)
	if err == nil {
		err = c.print(o, snapshot, links)
	}
	if err != nil {
		return exitError{err, auditFailed}
	}
	outcome := c.outcome(audit.OutcomeOf(snapshot))
	summary := report.For(snapshot, c.setting())
	problems := slices.DeleteFunc([]string{summary.Unread(), summary.Unlisted()}, func(s string) bool { return s == "" })
	switch {
	case len(problems) == 0:
		return outcome.err()
	case outcome.code == 0:
		fmt.Fprintf(o.err, "%s: warning: %s: %s\n", app.Name, strings.Join(problems, ", "), cause(summary))
		return nil
	}
	outcome.messages = append(outcome.messages, problems...)
	return outcome.err()
}

// cause is the most important cause of what could not be read, and its remedy.
func cause(s *report.Summary) string {
	notices, _ := s.Notices(math.MaxInt)
	for _, n := range notices {
		if n.Kind != inventory.Uncovered {
			return n.Headline + ". " + strings.TrimSpace(n.Advice+" "+n.Command)
		}
	}
	return "the report has the reasons"
}

// closed reports whether the output was closed when the program started. Go then
// opens /dev/null instead, for reading and writing; a shell opens it for
// writing alone.
func closed(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	null, err1 := os.Stat(os.DevNull)
	out, err2 := f.Stat()
	if err1 != nil || err2 != nil || !os.SameFile(null, out) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// sweep runs a single sweep. It returns its snapshot and the links into the AWS
// console for it.
func (c auditCommand) sweep(ctx context.Context, o output) (snapshot *inventory.Snapshot, links console.Links, err error) {
	load := loadConfig
	if c.Demo {
		stop, err := simulateAWS(simaws.Demo())
		if err != nil {
			return nil, links, err
		}
		defer stop()
		load = loadDemoConfig
	}
	configuration, err := load(c.ConfigFile)
	if err != nil {
		return nil, links, err
	}
	if slices.Contains(c.FailOn, onPublic) && !configuration.Findings.Enabled {
		return nil, links, errors.New("--fail-on=public-findings needs findings.enabled: true")
	}
	configuration.Policies.Enabled = c.Policies
	pipeline, err := app.New(ctx, configuration, app.Options{
		Exporter: collector.New(), Shard: app.Unsharded, Logger: c.Log.logger(o.err),
		Once: true, ForReport: c.Output != "metrics",
	}, nil)
	if err != nil {
		return nil, links, err
	}
	defer pipeline.Close()
	if !c.Quiet {
		defer progress(o.err, pipeline.Progress)()
	}
	snapshot = pipeline.Sweep(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, links, errors.New("interrupted: there is no report, because half of one would read like a whole")
	case snapshot.NoTargets != "":
		return nil, links, errors.New(report.Of(snapshot).NoTargets())
	case snapshot.TargetCount == 0 && len(snapshot.Failures) > 0:
		return nil, links, errors.New(remedy.Line(&snapshot.Failures[0], c.setting()))
	case snapshot.TargetCount == 0:
		return nil, links, errors.New("no target is in scope")
	}
	return snapshot, app.ConsoleLinks(configuration), nil
}

// setting is what the remedies of the report depend on.
func (c auditCommand) setting() remedy.Setting {
	return remedy.Setting{Audit: true, ConfigFile: c.ConfigFile, Simulated: c.Demo}
}

// progress prints the progress of sweeps until end is called.
func progress(w io.Writer, ask audit.Ask) (end func()) {
	if isTerminal(w) && os.Getenv("TERM") != "dumb" {
		return audit.Bars(w, columnsOf(w), ask)
	}
	return audit.Lines(w, ask)
}

func (c auditCommand) print(o output, s *inventory.Snapshot, links console.Links) error {
	switch c.Output {
	case "json":
		return web.WriteCoverage(o.out, s, c.setting(), links, version.Version)
	case "csv":
		return audit.WriteCSV(o.out, s)
	case "metrics":
		return collector.WriteText(o.out, s)
	case "junit":
		return audit.WriteJUnit(o.out, s)
	case "sarif":
		return audit.WriteSARIF(o.out, s, c.setting(), version.Version)
	case "html":
		return web.WritePage(o.out, s, c.setting(), links, version.Version)
	}
	color := isTerminal(o.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return audit.WriteTable(o.out, s, c.setting(), columnsOf(o.out), color)
}

// result is what an audit exits with.
type result struct {
	messages []string
	code     int
}

func (r result) err() error {
	if r.code == 0 {
		return nil
	}
	return exitError{errors.New(strings.Join(r.messages, ", ")), r.code}
}

// outcome has the results that --fail-on selects.
func (c auditCommand) outcome(o audit.Outcome) result {
	public := report.Plural(o.Public, "active finding is public", "active findings are public")
	if o.Missing != "" {
		public = "at least " + public
	}
	policies := cmp.Or(o.Policies, &audit.PolicyOutcome{})
	var r result
	for _, found := range []struct {
		on, message string
		code        int
		applies     bool
	}{
		{onUncovered, o.Uncovered.In(inventory.Uncovered), auditFound, o.Uncovered.Total > 0},
		{onPublic, public, auditFound, o.Public > 0},
		{onPolicy, policies.Found(), auditFound, policies.Severe+policies.Failed > 0},
		{onUnknown, o.Unknown.In(inventory.Unknown), auditUnknown, o.Unknown.Total > 0},
		{onUnknown, "", auditUnknown, o.Unlisted},
		{onPublic, "public findings are unknown (" + o.Missing + ")", auditUnknown, o.Public == 0 && o.Missing != ""},
		{onPolicy, "findings in policies are unknown (" + policies.Missing + ")", auditUnknown, policies.Severe+policies.Failed == 0 && policies.Missing != ""},
	} {
		if found.applies && slices.Contains(c.FailOn, found.on) {
			if found.message != "" {
				r.messages = append(r.messages, found.message)
			}
			r.code = cmp.Or(r.code, found.code)
		}
	}
	return r
}

// pipedColumns is the width of a report that is not printed to a terminal.
const pipedColumns = 100

// columnsOf returns the width of the output: COLUMNS, else that of the terminal.
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
