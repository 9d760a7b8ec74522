package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

type rulesCommand struct {
	ConfigFile string `name:"config.file" type:"path" placeholder:"FILE" help:"Path to the configuration file. Without one: all rules, for the default intervals and settings."`
}

// Run prints the rules. It makes no API calls.
func (c rulesCommand) Run(o output) error {
	configuration, err := loadConfigOr(c.ConfigFile, func() (*config.Config, error) { return requiringEverything(), nil })
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(o.out, rules.For(ruleOptions(configuration)))
	return err
}

// requiringEverything returns the default configuration with all that rules can need.
func requiringEverything() *config.Config {
	c := config.Default()
	c.Coverage.Unused.Required, c.Coverage.Internal.Required = true, true
	c.Events.QueueURL = "https://sqs.eu-west-1.amazonaws.com/123456789012/findings"
	c.Policies.Enabled = true
	return c
}

func ruleOptions(c *config.Config) rules.Options {
	settings := c.Rules
	settings.AccountLabels = c.AlertLabels()
	return rules.Options{
		Settings:         settings,
		Portal:           app.ConsoleLinks(c).Portal(),
		SweepInterval:    time.Duration(c.Sweep.Interval),
		SweepTimeout:     time.Duration(c.Sweep.Timeout),
		FindingsInterval: time.Duration(c.Findings.Interval),
		StaleAfter:       time.Duration(c.StaleAfter),
		PoliciesInterval: time.Duration(c.Policies.Interval),
		External:         c.Coverage.External.Required,
		Unused:           c.Coverage.Unused.Required,
		Internal:         c.Coverage.Internal.Required,
		Findings:         c.Findings.Enabled,
		Archived:         c.Findings.Enabled && slices.Contains(c.Findings.Statuses, "ARCHIVED"),
		Events:           c.Events.QueueURL != "",
		Policies:         c.Policies.Enabled,
	}
}

// maxRules is the limit of a file with rules, in bytes. Ours have 0.1 MB.
const maxRules = 16 << 20

// compareRules warns of rules that do not fit a configuration.
func compareRules(o output, path string, c *config.Config) error {
	text, err := config.ReadFile(path, maxRules)
	if err != nil {
		return err
	}
	differences, err := rules.Compare(text, ruleOptions(c))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range differences {
		fmt.Fprintf(o.err, "%s: %s: warning: %s\n", app.Name, path, d)
	}
	if len(differences) == 0 {
		_, err = fmt.Fprintf(o.out, "%s: fits the configuration\n", path)
	}
	return err
}
