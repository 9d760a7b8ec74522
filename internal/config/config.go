// Package config turns a YAML file into checked values, or says what is wrong
// with it: every fault, each with its file, line and key and what would be
// accepted instead.
//
// Nothing is clamped, ignored or guessed. A watcher that runs with other
// settings than its owner wrote down looks elsewhere than its owner believes.
package config

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/common/model"
)

//go:generate go test -run TestDocumentation -update .

// maxSize of a file, in bytes. Thousands of accounts and exemptions fit into
// it; what is larger is not a configuration.
const maxSize = 1 << 20

// Config is what a file can say. The file config.yaml at the root of the
// project explains every key.
type Config struct {
	Sweep      Sweep          `yaml:"sweep"`
	Findings   Findings       `yaml:"findings"`
	Accounts   Accounts       `yaml:"accounts"`
	AssumeRole AssumeRole     `yaml:"assume_role"`
	Regions    Regions        `yaml:"regions"`
	Coverage   Coverage       `yaml:"coverage"`
	StaleAfter model.Duration `yaml:"stale_after"` // 0: facts are lost at once
	Events     Events         `yaml:"events"`
}

// Sweep is the pace of reading analyzers. Timeout is never longer than
// Interval.
type Sweep struct {
	Interval    model.Duration `yaml:"interval"`
	Timeout     model.Duration `yaml:"timeout"` // of one target
	Concurrency int            `yaml:"concurrency"`
}

// Findings is what is counted of findings, and how often.
type Findings struct {
	Enabled      bool           `yaml:"enabled"`
	Interval     model.Duration `yaml:"interval"`
	FullInterval model.Duration `yaml:"full_interval"` // never shorter than Interval
	Statuses     []string       `yaml:"statuses"`      // never empty
	ResourceType bool           `yaml:"resource_type"`
}

// The values of Accounts.Discovery.
const (
	DiscoveryNone         = "none"
	DiscoveryOrganization = "organization"
	EnterAlways           = "always"
	EnterUncovered        = "uncovered"
)

// Accounts is which accounts there are, and which of them are watched.
type Accounts struct {
	Discovery          string          `yaml:"discovery"`
	Refresh            model.Duration  `yaml:"refresh"`
	Include            []string        `yaml:"include"` // empty: all
	Exclude            []string        `yaml:"exclude"`
	Static             []StaticAccount `yaml:"static"`
	OrganizationAdmins []string        `yaml:"organization_admins"` // empty: as AWS Organizations lists them
}

// StaticAccount is an account that is watched without being discovered.
type StaticAccount struct {
	ID      string `yaml:"id"`
	Name    string `yaml:"name"`
	RoleARN string `yaml:"role_arn"` // empty: AssumeRole.Name in this account
}

// AssumeRole is how accounts other than the hub are entered.
type AssumeRole struct {
	Name        string `yaml:"name"`        // with its path, if it has one; empty: members are not entered
	ExternalID  string `yaml:"external_id"` // never printed
	SessionName string `yaml:"session_name"`
	Enter       string `yaml:"enter"` // EnterAlways or EnterUncovered
}

// Regions is which of the enabled Regions are watched.
type Regions struct {
	Include []string `yaml:"include"` // empty: all
	Exclude []string `yaml:"exclude"`
}

// Coverage is what is expected of every account and Region.
type Coverage struct {
	External   Access      `yaml:"external"`
	Unused     Access      `yaml:"unused"`
	Internal   Access      `yaml:"internal"`
	Exemptions []Exemption `yaml:"exemptions"`
}

// Access is whether coverage of a kind of access is required, and the scopes
// of analyzers that are accepted for it; there is always one.
type Access struct {
	Required bool     `yaml:"required"`
	Scopes   []string `yaml:"scopes"`
}

// Exemption takes places out of what is expected. Account, Region and Access
// may be "*".
type Exemption struct {
	Account string    `yaml:"account"`
	Region  string    `yaml:"region"` // "global" for unused access
	Access  string    `yaml:"access"`
	Reason  string    `yaml:"reason"`
	Until   time.Time `yaml:"until,omitempty"` // zero: without end
}

// Events is where finding events come from.
type Events struct {
	QueueURL string `yaml:"queue_url"` // empty: from nowhere
}

// Default returns what an empty file means.
func Default() *Config {
	every := func(d time.Duration) model.Duration { return model.Duration(d) }
	anyScope := func() []string { return []string{"account", "organization"} }
	return &Config{
		Sweep:      Sweep{Interval: every(15 * time.Minute), Timeout: every(5 * time.Minute), Concurrency: 64},
		Findings:   Findings{Enabled: true, Interval: every(30 * time.Minute), FullInterval: every(24 * time.Hour), Statuses: []string{"ACTIVE", "ARCHIVED"}, ResourceType: true},
		Accounts:   Accounts{Discovery: DiscoveryNone, Refresh: every(time.Hour)},
		AssumeRole: AssumeRole{SessionName: "access-analyzer-exporter", Enter: EnterAlways},
		Coverage: Coverage{
			External: Access{Required: true, Scopes: anyScope()},
			Unused:   Access{Scopes: anyScope()},
			Internal: Access{Scopes: anyScope()},
		},
		StaleAfter: every(time.Hour),
	}
}

// Load reads the file at path. A file that cannot be read gives the error of
// package os; one whose content is refused gives Errors.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse reads data, the content of a file of that name; the name is for
// messages only. An error is always of type Errors and holds every fault.
func Parse(file string, data []byte) (*Config, error) {
	if len(data) > maxSize {
		return nil, Errors{{File: file, Line: 1, Message: fmt.Sprintf("is larger than %d KiB; this cannot be a configuration", maxSize>>10)}}
	}
	root, fault := parseYAML(data)
	if fault != nil {
		fault.File = file
		return nil, Errors{*fault}
	}
	d := newDocument(file, root)
	c := Default()
	d.decode(c)
	d.check(c)
	if len(d.faults) > 0 {
		return nil, d.faults.sorted()
	}
	return c, nil
}
