// Package config loads and validates the YAML configuration file. It reports all
// errors of a file, each with file, line, key and accepted values.
//
// Invalid values are rejected rather than clamped or ignored: a silent adjustment
// could leave accounts or Regions unmonitored.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

//go:generate go test -run TestDocumentation -update .

// Config is a configuration. config.yaml at the root of the repository documents
// every key.
type Config struct {
	Sweep      Sweep          `yaml:"sweep"`
	Findings   Findings       `yaml:"findings"`
	Accounts   Accounts       `yaml:"accounts"`
	AssumeRole AssumeRole     `yaml:"assume_role"`
	Regions    Regions        `yaml:"regions"`
	Coverage   Coverage       `yaml:"coverage"`
	StaleAfter model.Duration `yaml:"stale_after"` // 0: targets that cannot be read are unknown at once
	Events     Events         `yaml:"events"`
	Policies   Policies       `yaml:"policies"`
	AWS        AWS            `yaml:"aws"`
	Rules      rules.Settings `yaml:"rules"`
}

// Sweep has the timing of sweeps. Timeout is at most Interval.
type Sweep struct {
	Interval    model.Duration `yaml:"interval"`
	Timeout     model.Duration `yaml:"timeout"`     // deadline of a sweep
	Concurrency int            `yaml:"concurrency"` // API calls in flight
}

// Findings selects the findings to count, and how often.
type Findings struct {
	Enabled         bool           `yaml:"enabled"`
	Interval        model.Duration `yaml:"interval"`
	FullInterval    model.Duration `yaml:"full_interval"` // at least Interval
	Statuses        []string       `yaml:"statuses"`      // never empty
	ResourceType    bool           `yaml:"resource_type"`
	PublicResources int            `yaml:"public_resources"` // listed for each account; 0: none
}

// Values of Accounts.Discovery.
const (
	DiscoveryNone         = "none"
	DiscoveryOrganization = "organization"
)

// Values of AssumeRole.Enter.
const (
	EnterAlways    = "always"
	EnterUncovered = "uncovered"
)

// Accounts selects the accounts to monitor.
type Accounts struct {
	Discovery          string          `yaml:"discovery"`
	Refresh            model.Duration  `yaml:"refresh"`
	Include            []string        `yaml:"include"` // empty: all
	Exclude            []string        `yaml:"exclude"`
	Labels             AccountLabels   `yaml:"labels"`
	Static             []StaticAccount `yaml:"static"`
	OrganizationAdmins []string        `yaml:"organization_admins"` // empty: as AWS Organizations lists them
}

// AccountLabels selects what AWS Organizations has about an account to export as
// labels.
type AccountLabels struct {
	OU   bool     `yaml:"ou"`   // path and name of the organizational unit
	Tags []string `yaml:"tags"` // keys of tags
}

// StaticAccount is an account in addition to the discovered ones.
type StaticAccount struct {
	ID      string            `yaml:"id"`
	Name    string            `yaml:"name"`
	RoleARN string            `yaml:"role_arn"` // empty: AssumeRole.Name in this account
	Labels  map[string]string `yaml:"labels"`   // instead of tags, by key
}

// AssumeRole is the role to assume in accounts other than the hub account.
type AssumeRole struct {
	Name       string `yaml:"name"`        // with its path, if it has one; empty: member accounts are not read
	ExternalID string `yaml:"external_id"` // a secret: never in messages
	// ExternalIDFile has the external ID instead; Load reads it into ExternalID.
	ExternalIDFile string `yaml:"external_id_file"`
	SessionName    string `yaml:"session_name"`
	Enter          string `yaml:"enter"` // EnterAlways or EnterUncovered
}

// Regions selects the Regions to monitor among the enabled ones.
type Regions struct {
	Include []string `yaml:"include"` // empty: all
	Exclude []string `yaml:"exclude"`
}

// Coverage is the coverage policy.
type Coverage struct {
	External   Access      `yaml:"external"`
	Unused     Access      `yaml:"unused"`
	Internal   Access      `yaml:"internal"`
	Exemptions []Exemption `yaml:"exemptions"`
}

// Access is the coverage policy for one kind of access. Scopes has at least one.
type Access struct {
	Required bool     `yaml:"required"`
	Scopes   []string `yaml:"scopes"`
}

// Exemption exempts targets from the coverage policy. Account, Region and Access
// can be "*".
type Exemption struct {
	Account string    `yaml:"account"`
	Region  string    `yaml:"region"` // "global" for unused access
	Access  string    `yaml:"access"`
	Reason  string    `yaml:"reason"`
	Until   time.Time `yaml:"until,omitempty"` // zero: no end
}

// Events is the source of events.
type Events struct {
	QueueURL string `yaml:"queue_url"` // empty: events are disabled
}

// AWS configures links into the AWS console.
type AWS struct {
	SSOStartURL string `yaml:"sso_start_url"` // empty: links do not sign in
	SSORole     string `yaml:"sso_role"`      // empty: the portal asks
	ConsoleURL  string `yaml:"console_url"`   // template that replaces both
}

// Default returns the configuration of an empty file.
func Default() *Config {
	every := func(d time.Duration) model.Duration { return model.Duration(d) }
	anyScope := func() []string { return []string{"account", "organization"} }
	return &Config{
		Sweep: Sweep{Interval: every(15 * time.Minute), Timeout: every(5 * time.Minute), Concurrency: 64},
		Findings: Findings{
			Enabled: true, Interval: every(30 * time.Minute), FullInterval: every(24 * time.Hour), Statuses: []string{"ACTIVE", "ARCHIVED"}, ResourceType: true,
			PublicResources: 100,
		},
		Accounts:   Accounts{Discovery: DiscoveryNone, Refresh: every(time.Hour)},
		AssumeRole: AssumeRole{SessionName: "access-analyzer-exporter", Enter: EnterAlways},
		Coverage: Coverage{
			External: Access{Required: true, Scopes: anyScope()},
			Unused:   Access{Scopes: anyScope()},
			Internal: Access{Scopes: anyScope()},
		},
		StaleAfter: every(time.Hour),
		Policies: Policies{
			Interval: every(24 * time.Hour), FullInterval: every(7 * 24 * time.Hour),
			Types: []string{"managed", "inline", "trust", "service_control", "resource_control"},
		},
		Rules: rules.DefaultSettings(),
	}
}

// Load reads and validates the file at path. Its error is of type Errors if the
// content is invalid, and an error of package os if the file cannot be read.
func Load(path string) (*Config, error) {
	data, err := ReadFile(path, MaxSize)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, tooLarge(path)
	case err != nil:
		return nil, err
	}
	return parse(path, data, readSecret)
}

// LoadText validates a configuration that is not in a file. The name is that of its
// source, for messages. Like [Load], it reads the files that the configuration refers
// to; their paths are relative to the working directory.
func LoadText(name, text string) (*Config, error) {
	return parse(name, []byte(text), readSecret)
}

// maxSecret is in bytes, and more than any external ID.
const maxSecret = 16 << 10

// readSecret reads a secret, or a policy, from a file, without the end of its last line. The path
// is relative to the directory of the configuration.
func readSecret(file, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	data, err := ReadFile(path, maxSecret)
	return strings.TrimRight(string(data), "\r\n"), err
}

func tooLarge(file string) Errors {
	return Errors{{File: file, Line: 1, Message: fmt.Sprintf("is larger than %d KiB, the maximum size of a configuration", MaxSize>>10)}}
}

// Parse validates data, the content of a file. The name of the file is only used in
// messages. Its error is always of type Errors and has all errors of the file.
//
// Parse does not read other files: assume_role.external_id_file and paths in
// policies.checks[].no_new_access have no effect.
func Parse(file string, data []byte) (*Config, error) {
	return parse(file, data, nil)
}

// parse reads the secrets that a file refers to with secret, unless it is nil.
func parse(file string, data []byte, secret func(file, path string) (string, error)) (*Config, error) {
	if len(data) > MaxSize {
		return nil, tooLarge(file)
	}
	root, fault := parseYAML(data)
	if fault != nil {
		fault.File = file
		return nil, Errors{*fault}
	}
	d := newDocument(file, root)
	c := Default()
	d.decode(c)
	d.readExternalID(c, secret)
	d.readReferences(c, secret)
	d.check(c)
	if len(d.errs) > 0 {
		return nil, d.errs.sorted()
	}
	return c, nil
}
