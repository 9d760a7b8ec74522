// Package cli is the command line: the flags of every command, and what the
// commands other than serve do.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/prometheus/common/version"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/policies"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

const (
	description = "Prometheus exporter for AWS IAM Access Analyzer: coverage, findings and data quality " +
		"for every account and Region of an AWS organization."
	// envPrefix and the upper-case name of a flag make its environment variable.
	envPrefix = "ACCESS_ANALYZER_EXPORTER"
	// envConfig holds a configuration, for platforms such as Amazon ECS that cannot
	// mount a parameter as a file.
	envConfig = envPrefix + "_CONFIG"
)

type commandLine struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Run the exporter. Without a configuration file: the caller's account, all its enabled Regions."`
	Demo        demoCommand        `cmd:"" help:"Run the exporter over a simulated organization: no AWS account, no configuration, no network."`
	Audit       auditCommand       `cmd:"" help:"Run one sweep and print a report on coverage and findings. The exit code reflects the result."`
	IAMPolicy   iamPolicyCommand   `cmd:"" name:"iam-policy" help:"Print the IAM policies that a configuration needs."`
	Rules       rulesCommand       `cmd:"" help:"Print the recording and alert rules for Prometheus that a configuration needs."`
	CheckConfig checkConfigCommand `cmd:"" help:"Validate a configuration file and report all errors."`
	Healthcheck healthcheckCommand `cmd:"" help:"Query the local exporter's health endpoint and exit non-zero if it is unhealthy."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
	VersionFlag kong.VersionFlag   `name:"version" env:"-" help:"Print the version."`
}

// output holds the streams that a command writes to, and the environment variables
// that it warns of.
type output struct {
	out, err io.Writer
	unknown  []unknownVariable
}

// Run parses the arguments, runs the command that they name and returns the
// exit code of the process.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
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
		kong.Name(app.Name), kong.Description(description), kong.DefaultEnvars(envPrefix),
		kong.Vars{"version": version.Print(app.Name), "envConfig": envConfig}, kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { panic(exit(c)) }), // --help and --version end here
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	command, err := parser.Parse(args)
	if empty := checkVariables(parser, args); empty != nil {
		err = empty // says more than what the parser says of an empty value
	}
	if err == nil {
		err = command.Run(output{stdout, stderr, unknownVariables(parser.Model.Node, os.Environ())})
	}
	return exitCode(stderr, suggest(parser.Model.Node, args, auditUsage(err)))
}

// suggest adds the command that was probably meant to the error of an unknown one.
// The parser has none: without a command it parses the arguments of serve.
func suggest(root *kong.Node, args []string, err error) error {
	var usage *kong.ParseError
	if !errors.As(err, &usage) || len(args) == 0 {
		return err
	}
	var names []string
	for _, command := range root.Children {
		names = append(names, command.Name)
	}
	if meant := config.Closest(args[0], names, 2); meant != "" && meant != args[0] {
		return fmt.Errorf("%w; did you mean %q?", err, meant)
	}
	return err
}

// exitCode prints an error and returns the exit code for it.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", app.Name, err)
	var coder kong.ExitCoder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return 1
}

// loadConfig reads a configuration: the file, or the value of envConfig. Without
// either it returns the defaults.
func loadConfig(path string) (*config.Config, error) {
	return loadConfigOr(path, func() (*config.Config, error) { return config.Default(), nil })
}

// loadConfigOr is like loadConfig, with the defaults of the caller.
func loadConfigOr(path string, defaults func() (*config.Config, error)) (*config.Config, error) {
	text, set := os.LookupEnv(envConfig)
	switch {
	case set && path != "":
		return nil, fmt.Errorf("%s and the configuration file %s exclude each other; unset one of them", envConfig, path)
	case set:
		return parseVariable(text)
	case path != "":
		return config.Load(path)
	}
	return defaults()
}

// parseVariable parses the value of envConfig. An empty value is an error: it would
// be a valid configuration, which covers one account only.
func parseVariable(text string) (*config.Config, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%s is empty; unset it to use the default configuration", envConfig)
	}
	return config.LoadText(envConfig, text)
}

type versionCommand struct{}

func (versionCommand) Run(o output) error {
	_, err := fmt.Fprintln(o.out, version.Print(app.Name))
	return err
}

type checkConfigCommand struct {
	File       string `arg:"" optional:"" name:"file" help:"Path to the configuration file, instead of --config.file. Default: the configuration in the environment variable ${envConfig}."`
	ConfigFile string `name:"config.file" type:"path" placeholder:"FILE" help:"Path to the configuration file."`
	RulesFile  string `name:"rules.file" type:"path" placeholder:"FILE" help:"Path to a file with rules for Prometheus, or with a PrometheusRule. Warns of rules that do not fit the configuration."`
}

// Run validates the named file even if envConfig is set.
func (c checkConfigCommand) Run(o output) error {
	configuration, err := c.load()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.out, "%s: valid\n%s", cmp.Or(c.path(), envConfig), priceOf(configuration.Policies)); err != nil || c.RulesFile == "" {
		return err
	}
	return compareRules(o, c.RulesFile, configuration)
}

// priceOf says what the checks of policies may cost at most; empty if there are none.
func priceOf(p config.Policies) string {
	switch {
	case len(p.Checks) == 0:
		return ""
	case !p.Enabled:
		return "policies.checks: used by audit --policies only, because policies.enabled is false.\n"
	}
	dollars := func(calls int) string { return fmt.Sprintf("%.3f", float64(calls)*inventory.CheckCallPrice) }
	hour := policies.PerHour(p.ChecksPerDay)
	return fmt.Sprintf("policies.checks: %s; AWS bills at most %d calls in 24 hours (%s USD) and %d in an hour (%s USD), at %s USD a call. "+
		"Each document of a managed or inline policy takes one call for each check, again when it changes, and after a restart.\n",
		report.Plural(len(p.Checks), "check", "checks"), p.ChecksPerDay, dollars(p.ChecksPerDay), hour, dollars(hour), dollars(1))
}

// path returns the named file: the argument wins over the flag, which may come from
// the environment of a container.
func (c checkConfigCommand) path() string { return cmp.Or(c.File, c.ConfigFile) }

func (c checkConfigCommand) load() (*config.Config, error) {
	if path := c.path(); path != "" {
		return config.Load(path)
	}
	text, set := os.LookupEnv(envConfig)
	if !set {
		return nil, fmt.Errorf("no configuration to validate; name a file, or set %s", envConfig)
	}
	return parseVariable(text)
}
