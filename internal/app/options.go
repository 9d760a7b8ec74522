package app

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/common/version"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/fleet"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/policies"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

func awsOptions(c *config.Config, o Options) awsapi.Options {
	inFlight, idle := connections(openFiles(), c.Sweep.Concurrency)
	var session iampolicy.Options
	SetPolicyPermissions(&session, c)
	return awsapi.Options{
		Concurrency:   inFlight,
		IdleConns:     idle,
		ExternalID:    c.AssumeRole.ExternalID,
		SessionName:   c.AssumeRole.SessionName,
		SessionPolicy: iampolicy.SessionPolicy(session),
		Regions:       c.Regions.Include,
		LongestPause:  longestPause(c),
		Observe:       o.Exporter.ObserveRequest,
		Version:       version.Version,
		Logger:        o.Logger,
		Dial:          o.Dial,
	}
}

// longestPause is a quarter of the shortest interval: what failed for lack of
// credentials is read again before the next read is due.
func longestPause(c *config.Config) time.Duration {
	shortest := min(c.Sweep.Interval, c.Accounts.Refresh)
	if c.Findings.Enabled {
		shortest = min(shortest, c.Findings.Interval)
	}
	if c.Policies.Enabled {
		shortest = min(shortest, c.Policies.Interval)
	}
	return time.Duration(shortest) / 4
}

// FleetOptions returns the part of a configuration that decides which accounts
// and Regions are in scope. The iam-policy command derives permissions from it.
func FleetOptions(c *config.Config, shard Shard) fleet.Options {
	var static []fleet.Static
	for _, s := range c.Accounts.Static {
		static = append(static, fleet.Static(s))
	}
	labels := inventory.LabelKeys{OU: c.Accounts.Labels.OU, Keys: c.Accounts.LabelKeys()}
	for _, key := range labels.Keys {
		labels.Names = append(labels.Names, config.LabelName(key))
	}
	acceptsOrganization := false
	for _, rule := range policy(c).Rules {
		for _, scope := range rule.Scopes {
			acceptsOrganization = acceptsOrganization || (rule.Required && scope == inventory.OrganizationScope)
		}
	}
	return fleet.Options{
		Organization:          c.Accounts.Discovery == config.DiscoveryOrganization,
		OrganizationAnalyzers: acceptsOrganization,
		Include:               c.Accounts.Include,
		Exclude:               c.Accounts.Exclude,
		Static:                static,
		Admins:                c.Accounts.OrganizationAdmins,
		Labels:                labels,
		Tags:                  c.Accounts.Labels.Tags,
		Role:                  c.AssumeRole.Name,
		IncludeRegions:        c.Regions.Include,
		ExcludeRegions:        c.Regions.Exclude,
		ShardIndex:            shard.Index,
		ShardTotal:            shard.Total,
		Refresh:               time.Duration(c.Accounts.Refresh),
		StaleAfter:            time.Duration(c.StaleAfter),
		Timeout:               time.Duration(c.Sweep.Timeout),
		Interval:              time.Duration(c.Sweep.Interval),
		Concurrency:           c.Sweep.Concurrency,
	}
}

func sweepOptions(c *config.Config, logger *slog.Logger) sweep.Options {
	return sweep.Options{
		Interval:             time.Duration(c.Sweep.Interval),
		Timeout:              time.Duration(c.Sweep.Timeout),
		Concurrency:          c.Sweep.Concurrency,
		Findings:             c.Findings.Enabled,
		FindingsInterval:     time.Duration(c.Findings.Interval),
		FindingStatuses:      c.Findings.Statuses,
		FindingsFullInterval: time.Duration(c.Findings.FullInterval),
		ResourceTypes:        c.Findings.ResourceType,
		PublicResources:      c.Findings.PublicResources,
		Policy:               policy(c),
		SkipCovered:          c.AssumeRole.Enter == config.EnterUncovered,
		StaleAfter:           time.Duration(c.StaleAfter),
		Logger:               logger,
	}
}

// checkShare returns an error if a shard's share of the calls for checks would be none:
// no policy of its accounts would ever be checked.
func checkShare(c *config.Config, shard Shard) error {
	if n := c.Policies.ChecksPerDay; c.Policies.Enabled && len(c.Policies.Checks) > 0 && n < shard.Total {
		return fmt.Errorf("policies.checks_per_day: %d is less than the number of shards, so that some would check nothing; write at least %d", n, shard.Total)
	}
	return nil
}

// policyOptions returns the part of a configuration for the validation of policies.
func policyOptions(c *config.Config, shard Shard, logger *slog.Logger) policies.Options {
	// The ceiling is one of all shards.
	share := func(shards int) int { return c.Policies.ChecksPerDay * shards / max(1, shard.Total) }
	o := policies.Options{
		Interval: time.Duration(c.Policies.Interval), FullInterval: time.Duration(c.Policies.FullInterval), StaleAfter: time.Duration(c.StaleAfter),
		ChecksPerDay: share(shard.Index+1) - share(shard.Index), Logger: logger,
	}
	for _, t := range c.Policies.Types {
		o.Types = append(o.Types, inventory.PolicyType(t))
	}
	for _, check := range c.Policies.Checks {
		o.Checks = append(o.Checks, policies.Check{Name: check.Name, Actions: check.AccessNotGranted, Reference: check.Reference})
	}
	return o
}

// SetPolicyPermissions sets the permissions for the validation of policies that a
// configuration needs.
func SetPolicyPermissions(o *iampolicy.Options, c *config.Config) {
	if !c.Policies.Enabled {
		return
	}
	for _, t := range c.Policies.Types {
		switch inventory.PolicyType(t) {
		case inventory.ServiceControl, inventory.ResourceControl:
			o.OrganizationPolicies = true
		default:
			o.AccountPolicies = true
		}
	}
	for _, check := range c.Policies.Checks {
		o.AccessNotGranted = o.AccessNotGranted || len(check.AccessNotGranted) > 0
		o.NoNewAccess = o.NoNewAccess || check.NoNewAccess != ""
	}
}

// filters returns the keys that can leave no target. A shard without accounts is
// no error.
func filters(c *config.Config, shard Shard) inventory.Filters {
	key := func(section string, include, exclude []string) string {
		switch {
		case len(include) > 0:
			return section + ".include"
		case len(exclude) > 0:
			return section + ".exclude"
		}
		return ""
	}
	f := inventory.Filters{Regions: key("regions", c.Regions.Include, c.Regions.Exclude)}
	if shard.Total < 2 {
		f.Accounts = key("accounts", c.Accounts.Include, c.Accounts.Exclude)
	}
	return f
}

func policy(c *config.Config) coverage.Policy {
	p := coverage.Policy{Rules: map[inventory.Access]coverage.Rule{}}
	for access, a := range map[inventory.Access]config.Access{
		inventory.External: c.Coverage.External,
		inventory.Unused:   c.Coverage.Unused,
		inventory.Internal: c.Coverage.Internal,
	} {
		rule := coverage.Rule{Required: a.Required}
		for _, s := range a.Scopes {
			rule.Scopes = append(rule.Scopes, inventory.Scope(s))
		}
		p.Rules[access] = rule
	}
	for _, e := range c.Coverage.Exemptions {
		p.Exemptions = append(p.Exemptions, inventory.Exemption(e))
	}
	return p
}

// ConsoleLinks returns the links into the AWS console of a configuration.
func ConsoleLinks(c *config.Config) console.Links {
	return console.Links{StartURL: c.AWS.SSOStartURL, Role: c.AWS.SSORole, Template: c.AWS.ConsoleURL}
}
