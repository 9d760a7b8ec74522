// Command access-analyzer-exporter watches AWS IAM Access Analyzer across the
// accounts and Regions of an organization and tells Prometheus where nobody is
// looking, what the analyzers found, and whether it can be believed.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/prometheus/common/version"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

const (
	name        = "access-analyzer-exporter"
	description = "Watches AWS IAM Access Analyzer over an organization, for Prometheus: where no analyzer is looking, " +
		"what the analyzers found, and what could not be read."
	// envPrefix and the upper-case name of a flag make its variable.
	envPrefix = "ACCESS_ANALYZER_EXPORTER"
)

type commandLine struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Run the exporter. Without a configuration file: the caller's account, all its enabled Regions."`
	Demo        demoCommand        `cmd:"" help:"Run the exporter over a simulated organization: no AWS account, no configuration, no network."`
	Audit       auditCommand       `cmd:"" help:"Look at everything once and report: coverage, what is missing and why, findings. The exit code tells the outcome."`
	IAMPolicy   iamPolicyCommand   `cmd:"" name:"iam-policy" help:"Print the IAM policies that a configuration needs."`
	CheckConfig checkConfigCommand `cmd:"" help:"Check a configuration file and tell every fault in it."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask the exporter on this machine how it is, where there is no curl."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
	VersionFlag kong.VersionFlag   `name:"version" env:"-" help:"Print the version."`
}

// release is the version of what was built without a stamp.
//
//go:embed VERSION
var release string

func main() {
	if version.Version == "" {
		version.Version = strings.TrimSpace(release)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process: arguments in, exit code out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	type exit int
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			code = int(r)
		default:
			panic(r)
		}
	}()
	var cli commandLine
	parser := kong.Must(&cli,
		kong.Name(name), kong.Description(description), kong.DefaultEnvars(envPrefix),
		kong.Vars{"version": version.Print(name)}, kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { panic(exit(c)) }), // where --help and --version end
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(output{stdout, stderr}),
	)
	command, err := parser.Parse(args)
	if err == nil {
		err = command.Run()
	}
	return report(stderr, auditUsage(err))
}

// output is where a command writes.
type output struct{ out, err io.Writer }

// report tells an error once and turns it into an exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	var coder kong.ExitCoder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return 1
}

type versionCommand struct{}

func (versionCommand) Run(o output) error {
	_, err := fmt.Fprintln(o.out, version.Print(name))
	return err
}

type checkConfigCommand struct {
	File string `arg:"" name:"file" help:"The configuration file."`
}

func (c checkConfigCommand) Run(o output) error {
	if _, err := config.Load(c.File); err != nil {
		return err
	}
	_, err := fmt.Fprintf(o.out, "%s: valid\n", c.File)
	return err
}
