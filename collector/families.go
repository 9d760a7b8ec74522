// Package collector defines and serves the metrics: the table of metric
// families, their series in a snapshot, and the HTTP handler.
//
// Each published inventory.Snapshot is encoded at most once per format and
// compression, by the first scrape that requests it; later scrapes copy bytes.
// The exporter's metrics about itself are gathered and encoded for each scrape.
// The two are joined into the response that promhttp would have returned.
package collector

//go:generate go test . -run "^Test(Docs|Golden)$" -update

import (
	"iter"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Type is the type of a metric family, as spelled in the exposition formats.
type Type string

// The types in use.
const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
)

// Stability is the promise of a family to its users.
type Stability string

// The stabilities.
const (
	// Stable families keep their name, labels and meaning within a major
	// version.
	Stable Stability = "stable"
	// Experimental families may change in any release, because AWS does not
	// document what they are made of.
	Experimental Stability = "experimental"
)

// Family is one row of the table, from which the exposition and
// docs/metrics.md are generated.
type Family struct {
	Name string
	// Help is a noun phrase that gives meaning and unit.
	Help      string
	Type      Type
	Labels    []string
	Stability Stability
	// Query is an example in PromQL; empty if the name suffices.
	Query string

	// emit adds the series of the family in a snapshot; nil for metrics of the
	// exporter itself.
	emit func(*inventory.Snapshot, *series)
	// labelsOf returns the labels in a snapshot where they depend on the
	// configuration; otherwise nil.
	labelsOf func(*inventory.Snapshot) []string
	// additive series with equal labels are summed. Otherwise they are
	// duplicates, of which one is kept.
	additive bool
}

// FromSnapshot reports whether the series of the family come from a snapshot,
// rather than from the exporter itself.
func (f Family) FromSnapshot() bool { return f.emit != nil }

// Families returns the table in the order of the documentation. The process_*
// and go_* families of client_golang are not in it.
func Families() []Family { return slices.Clone(families) }

// The exporter's metrics about itself. New registers them, so that each needs a
// name.
var (
	requestsTotal = Family{
		Name: "access_analyzer_exporter_aws_requests_total",
		Help: "Total number of HTTP requests to AWS, each attempt counted. code is the error code that AWS returned, or OK.",
		Type: Counter, Labels: []string{"aws_service", "operation", "code"}, Stability: Stable,
		Query: `sum by (operation, code) (rate(access_analyzer_exporter_aws_requests_total{code!="OK"}[15m]))`,
	}
	requestDuration = Family{
		Name: "access_analyzer_exporter_aws_request_duration_seconds",
		Help: "Duration of HTTP requests to AWS in seconds, each attempt observed.",
		Type: Histogram, Labels: []string{"aws_service", "operation"}, Stability: Stable,
		Query: `histogram_quantile(0.99, sum by (le, operation) (rate(access_analyzer_exporter_aws_request_duration_seconds_bucket[15m])))`,
	}
	fullCounts = Family{
		Name: "access_analyzer_exporter_findings_full_counts_total",
		Help: "Total number of full counts, in which all findings of an analyzer are listed, by the reason why an incremental count was not enough. few: a full count takes no more calls.",
		Type: Counter, Labels: []string{"reason"}, Stability: Experimental,
		Query: `sum by (reason) (rate(access_analyzer_exporter_findings_full_counts_total{reason!~"few|first|interval"}[6h])) > 0`,
	}
	reloadSuccessful = Family{
		Name: "access_analyzer_exporter_config_last_reload_successful",
		Help: "Whether the last attempt to load the configuration succeeded (1) or not (0). After a failure the previous configuration stays in use.",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_config_last_reload_successful == 0`,
	}
	reloadSuccessTimestamp = Family{
		Name: "access_analyzer_exporter_config_last_reload_success_timestamp_seconds",
		Help: "Unix timestamp of the last successful load of the configuration.",
		Type: Gauge, Stability: Stable,
	}
	shardOrdinal = Family{
		Name: "access_analyzer_exporter_shard_ordinal",
		Help: "Ordinal of this shard, from 0.",
		Type: Gauge, Stability: Stable,
		Query: `count_values by (job) ("shard", access_analyzer_exporter_shard_ordinal)`,
	}
	totalShards = Family{
		Name: "access_analyzer_exporter_total_shards",
		Help: "Number of shards that the accounts are divided among.",
		Type: Gauge, Stability: Stable,
		Query: `max by (job) (access_analyzer_exporter_total_shards) - count by (job) (count_values by (job) ("shard", access_analyzer_exporter_shard_ordinal)) > 0`,
	}
	eventsReceived = Family{
		Name: "access_analyzer_exporter_events_received_total",
		Help: "Total number of events received from the queue, by detail type. Events that are delivered again are not counted again.",
		Type: Counter, Labels: []string{"detail_type"}, Stability: Stable,
		Query: `sum by (detail_type) (increase(access_analyzer_exporter_events_received_total[1h]))`,
	}
	eventsIgnored = Family{
		Name: "access_analyzer_exporter_events_ignored_total",
		Help: "Total number of events that required no refresh, by reason: unknown_detail_type, unknown_call (changes no analyzer), failed_call (AWS rejected it) or out_of_scope.",
		Type: Counter, Labels: []string{"detail_type", "reason"}, Stability: Stable,
		Query: `sum by (reason) (increase(access_analyzer_exporter_events_ignored_total[1h]))`,
	}
	eventsFailed = Family{
		Name: "access_analyzer_exporter_events_failed_total",
		Help: "Total number of events that failed, by reason: malformed (not an event of AWS; deleted) or refresh_failed (retried once the queue delivers it again).",
		Type: Counter, Labels: []string{"detail_type", "reason"}, Stability: Stable,
		Query: `sum by (reason) (increase(access_analyzer_exporter_events_failed_total[1h])) > 0`,
	}
	eventRefreshes = Family{
		Name: "access_analyzer_exporter_event_refreshes_total",
		Help: "Total number of refreshes caused by events, by kind: coverage (the analyzers of a target) or findings (those of an analyzer).",
		Type: Counter, Labels: []string{"kind"}, Stability: Stable,
		Query: `sum by (kind) (rate(access_analyzer_exporter_event_refreshes_total[15m]))`,
	}
	eventRefreshFailures = Family{
		Name: "access_analyzer_exporter_event_refresh_failures_total",
		Help: "Total number of refreshes caused by events that failed, by kind. The event is retried once the queue delivers it again.",
		Type: Counter, Labels: []string{"kind"}, Stability: Stable,
		Query: `sum by (kind) (rate(access_analyzer_exporter_event_refresh_failures_total[15m])) / sum by (kind) (rate(access_analyzer_exporter_event_refreshes_total[15m]))`,
	}
	eventLag = Family{
		Name: "access_analyzer_exporter_event_lag_seconds",
		Help: "Time from the emission of an event by AWS to its receipt in seconds. AWS gives the time of events in whole seconds.",
		Type: Histogram, Labels: []string{"detail_type"}, Stability: Stable,
		Query: `histogram_quantile(0.9, sum by (le) (rate(access_analyzer_exporter_event_lag_seconds_bucket[1h])))`,
	}
	eventLastReceived = Family{
		Name: "access_analyzer_exporter_event_last_received_timestamp_seconds",
		Help: "Unix timestamp of the last receipt of an event. Absent until the first event.",
		Type: Gauge, Stability: Stable,
		Query: `time() - access_analyzer_exporter_event_last_received_timestamp_seconds`,
	}
	eventQueueSuccess = Family{
		Name: "access_analyzer_exporter_event_queue_success",
		Help: "Whether the last attempt to read the event queue succeeded (1) or not (0). Absent without a queue in the configuration.",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_event_queue_success == 0`,
	}
	coverageRequired = Family{
		Name: "aws_access_analyzer_coverage_required",
		Help: "Whether the configuration requires coverage for this kind of access (1) or not (0).",
		Type: Gauge, Labels: []string{"access"}, Stability: Stable,
	}
	checkCalls = Family{
		Name: "aws_access_analyzer_policy_check_calls_total",
		Help: "Total number of calls for checks of policies (policies.checks), by name of the check. AWS bills each.",
		Type: Counter, Labels: []string{"check"}, Stability: Stable,
		Query: `sum(increase(aws_access_analyzer_policy_check_calls_total[1h])) * scalar(max(aws_access_analyzer_policy_check_call_price_usd))`,
	}
	buildInfo = Family{
		Name: namespace + "_build_info",
		Help: "A metric with a constant '1' value labeled by version, revision, branch, goversion from which " +
			namespace + " was built, and the goos and goarch for the build.",
		Type: Gauge, Stability: Stable,
		Labels: []string{"branch", "goarch", "goos", "goversion", "revision", "tags", "version"},
	}
)

const namespace = "access_analyzer_exporter"

var families = []Family{
	{
		Name: "aws_access_analyzer_coverage",
		Help: "Whether an ACTIVE analyzer that the policy accepts covers this account, Region and kind of access (1) or not (0). Absent while unknown or exempt.",
		Type: Gauge, Labels: []string{"account_id", "region", "access"}, Stability: Stable,
		Query: `aws_access_analyzer_coverage == 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, v := range s.Verdicts {
				if v.State == inventory.Covered || v.State == inventory.Uncovered {
					to.add(number(v.State == inventory.Covered), v.AccountID, v.Region, string(v.Access))
				}
			}
		},
	},
	coverageRequired,
	{
		Name: "aws_access_analyzer_coverage_targets",
		Help: "Number of targets by kind of access, Region and state of coverage: covered, uncovered, unknown or exempt. A target of unused access is an account, in Region global. Sums over exporters are correct, because each shard counts its own targets.",
		Type: Gauge, Labels: []string{"access", "region", "state"}, Stability: Stable,
		Query: `sum by (access) (aws_access_analyzer_coverage_targets{state="covered"}) / sum by (access) (aws_access_analyzer_coverage_targets{state=~"covered|uncovered"})`,
		emit: func(s *inventory.Snapshot, to *series) {
			for key, targets := range s.CoverageTargets() {
				to.add(float64(targets), string(key.Access), key.Region, string(key.State))
			}
		},
	},
	{
		Name: "aws_access_analyzer_coverage_unknown",
		Help: "Targets whose coverage is unknown, with a constant value of 1. A target has a series of this metric, of aws_access_analyzer_coverage or of aws_access_analyzer_coverage_exempt.",
		Type: Gauge, Labels: []string{"account_id", "region", "access"}, Stability: Stable,
		Query: `count by (account_id) (aws_access_analyzer_coverage_unknown)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, v := range s.Verdicts {
				if v.State == inventory.Unknown {
					to.add(1, v.AccountID, v.Region, string(v.Access))
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_coverage_exempt",
		Help: "Exemptions from required coverage, with a constant value of 1.",
		Type: Gauge, Labels: []string{"account_id", "region", "access", "reason"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for v, e := range exemptions(s) {
				to.add(1, v.AccountID, v.Region, string(v.Access), e.Reason)
			}
		},
	},
	{
		Name: "aws_access_analyzer_coverage_exemption_until_timestamp_seconds",
		Help: "Unix timestamp of the end of an exemption. Absent if it does not end.",
		Type: Gauge, Labels: []string{"account_id", "region", "access"}, Stability: Stable,
		Query: `aws_access_analyzer_coverage_exemption_until_timestamp_seconds - time() < 7 * 86400`,
		emit: func(s *inventory.Snapshot, to *series) {
			for v, e := range exemptions(s) {
				to.addTime(e.Until, v.AccountID, v.Region, string(v.Access))
			}
		},
	},
	{
		Name: "aws_access_analyzer_info",
		Help: "Information about an analyzer, with a constant value of 1. type, managed_by and status_reason have the spelling of AWS; a label is empty if AWS reports nothing.",
		Type: Gauge, Stability: Stable,
		Labels: []string{"account_id", "region", "analyzer", "type", "access", "scope", "managed_by", "status_reason"},
		Query:  `count by (type) (aws_access_analyzer_info)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				to.add(1, a.AccountID, a.Region, a.Name, a.Type, string(a.Access()), string(a.Scope()), a.ManagedBy, a.StatusReason)
			}
		},
	},
	{
		Name: "aws_access_analyzer_status",
		Help: "Whether an analyzer has this status (1) or not (0). An analyzer has a series for each known status, and one for an unknown current status.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer", "status"}, Stability: Stable,
		Query: `aws_access_analyzer_status{status!="ACTIVE"} == 1`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				for _, status := range inventory.AnalyzerStatuses {
					to.add(number(status == a.Status), a.AccountID, a.Region, a.Name, status)
				}
				if !slices.Contains(inventory.AnalyzerStatuses, a.Status) {
					to.add(1, a.AccountID, a.Region, a.Name, a.Status)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_created_timestamp_seconds",
		Help: "Unix timestamp of the creation of an analyzer.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				to.addTime(a.CreatedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_last_resource_analyzed_timestamp_seconds",
		Help: "Unix timestamp of the last analysis of a resource. Not a heartbeat: it moves only if there is something to analyze. Absent if AWS reports none.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				to.addTime(a.LastResourceAnalyzedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_unused_access_tracking_period_seconds",
		Help: "Tracking period of an unused access analyzer in seconds: access that is unused for longer becomes a finding.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				if c := a.Configuration; c != nil && c.UnusedAccessAge > 0 {
					to.add(c.UnusedAccessAge.Seconds(), a.AccountID, a.Region, a.Name)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_archive_rules",
		Help: "Number of archive rules of an analyzer. Absent if they could not be read.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		Query: `delta(aws_access_analyzer_archive_rules[1d]) != 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				if a.ArchiveRules >= 0 {
					to.add(float64(a.ArchiveRules), a.AccountID, a.Region, a.Name)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_findings",
		Help: "Number of findings of an analyzer; account_id owns the resource. A series with empty resource_type and public exists for each counted finding type and status, so that a sum over no findings is 0.",
		Type: Gauge, Stability: Stable, additive: true,
		Labels: []string{"account_id", "region", "analyzer_account_id", "analyzer", "finding_type", "status", "resource_type", "public"},
		Query:  `sum by (account_id) (aws_access_analyzer_findings{status="ACTIVE", public="true"})`,
		emit:   emitFindings,
	},
	{
		Name: "aws_access_analyzer_resources_with_findings",
		Help: "Number of findings with each resource counted once: the maximum over the analyzers that report the resources of an owner. IAM roles and users count once over Regions, in Region global. Analyzers whose findings are not known are not included.",
		Type: Gauge, Labels: []string{"finding_type", "status", "public", "region"}, Stability: Stable,
		Query: `sum by (finding_type) (aws_access_analyzer_resources_with_findings{status="ACTIVE"})`,
		emit: func(s *inventory.Snapshot, to *series) {
			for k, n := range s.ResourcesWithFindings() {
				to.add(float64(n), k.FindingType, k.Status, k.Public, k.Region)
			}
		},
	},
	{
		Name: "aws_access_analyzer_uncounted_analyzers",
		Help: "Number of analyzers whose findings are not known, by Region: aws_access_analyzer_resources_with_findings does not include them. Sums over exporters are correct, because each shard counts its own analyzers.",
		Type: Gauge, Labels: []string{"region"}, Stability: Stable,
		Query: `sum(aws_access_analyzer_uncounted_analyzers)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for region, n := range s.UncountedAnalyzers() {
				to.add(float64(n), region)
			}
		},
	},
	{
		Name: "aws_access_analyzer_target_unread",
		Help: "Targets whose analyzers are not known, with a constant value of 1: findings of their own analyzers are missing. Another analyzer can still cover them. Absent while the last known analyzers are in use.",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `count(aws_access_analyzer_target_unread)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, t := range s.Targets {
				if t.Unlisted {
					to.add(1, t.AccountID, t.Region)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_public_finding_created_timestamp_seconds",
		Help: "Unix timestamp of the creation of an ACTIVE finding of public access; 0 if AWS reports none. account_id owns the resource. Up to findings.public_resources for each account, the oldest. An IAM role has one series, in Region global, with its oldest finding.",
		Type: Gauge, Stability: Stable,
		Labels: []string{"account_id", "region", "analyzer_account_id", "analyzer", "resource_type", "resource", "finding_id"},
		Query:  `time() - aws_access_analyzer_public_finding_created_timestamp_seconds < 86400`,
		emit: func(s *inventory.Snapshot, to *series) {
			for i := range s.PublicResources {
				r := &s.PublicResources[i]
				created := 0.
				if !r.CreatedAt.IsZero() {
					created = seconds(r.CreatedAt)
				}
				to.add(created, r.AccountID, r.Region, r.Analyzer.AccountID, r.Analyzer.Name, bounded(r.ResourceType), bounded(inert(r.Resource)), bounded(r.ID))
			}
		},
	},
	{
		Name: "aws_access_analyzer_public_findings_unlisted",
		Help: "Number of ACTIVE findings of public access beyond findings.public_resources, which have no series of their own. account_id owns the resource. Absent if there are none, and where findings.public_resources is 0.",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `sum by (account_id) (aws_access_analyzer_public_findings_unlisted)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for t, n := range s.PublicUnlisted {
				to.add(float64(n), t.AccountID, t.Region)
			}
		},
	},
	{
		Name: "aws_access_analyzer_findings_with_errors",
		Help: "Number of ACTIVE findings whose resource AWS could not analyze, by error code. account_id owns the resource.",
		Type: Gauge, Stability: Experimental, additive: true,
		Labels: []string{"account_id", "region", "analyzer_account_id", "analyzer", "finding_type", "error"},
		Query:  `sum by (error) (aws_access_analyzer_findings_with_errors)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for a, findings := range counted(s) {
				for k, n := range findings.Errors {
					to.add(float64(n), k.AccountID, a.Region, a.AccountID, a.Name, k.Type, k.Error)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_oldest_active_finding_timestamp_seconds",
		Help: "Unix timestamp of the creation of the oldest ACTIVE finding. account_id owns the resource. Absent if there is none.",
		Type: Gauge, Stability: Stable,
		Labels: []string{"account_id", "region", "analyzer_account_id", "analyzer", "finding_type"},
		Query:  `(time() - min by (account_id) (aws_access_analyzer_oldest_active_finding_timestamp_seconds)) / 86400`,
		emit: func(s *inventory.Snapshot, to *series) {
			for a, findings := range counted(s) {
				for k, at := range findings.OldestActive {
					to.addTime(at, k.AccountID, a.Region, a.AccountID, a.Name, k.Type)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_findings_last_success_timestamp_seconds",
		Help: "Unix timestamp of the last successful count of the findings of an analyzer.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		Query: `time() - aws_access_analyzer_findings_last_success_timestamp_seconds > 2 * 3600`,
		emit: func(s *inventory.Snapshot, to *series) {
			for a, findings := range counted(s) {
				to.addTime(findings.CountedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_policies",
		Help: "Number of policies by type: managed (customer managed), inline, trust (of roles), service_control and resource_control, which are exported for the management account. Absent while unknown, and unless policies.enabled.",
		Type: Gauge, Labels: []string{"account_id", "policy_type"}, Stability: Stable,
		Query: `sum by (policy_type) (aws_access_analyzer_policies)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for k, count := range policyCounts(s) {
				to.add(float64(count.Policies), k.accountID, string(k.of))
			}
		},
	},
	{
		Name: "aws_access_analyzer_policy_findings",
		Help: "Number of findings of ValidatePolicy in the policies of an account, by type. Absent unless every policy of this type could be validated.",
		Type: Gauge, Labels: []string{"account_id", "policy_type", "finding_type"}, Stability: Stable,
		Query: `sum by (account_id) (aws_access_analyzer_policy_findings{finding_type=~"ERROR|SECURITY_WARNING"}) > 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			for k, count := range policyCounts(s) {
				for findingType, n := range count.Findings {
					to.add(float64(n), k.accountID, string(k.of), findingType)
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_policies_unvalidated",
		Help: "Number of policies that could not be validated, by reason. Absent if there are none.",
		Type: Gauge, Labels: []string{"account_id", "policy_type", "reason"}, Stability: Stable,
		Query: `sum by (reason) (aws_access_analyzer_policies_unvalidated)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for k, count := range policyCounts(s) {
				for reason, n := range count.Unvalidated {
					to.add(float64(n), k.accountID, string(k.of), string(reason))
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_policies_last_success_timestamp_seconds",
		Help: "Unix timestamp of the last time that all policies of an account were read and validated. Absent until the first.",
		Type: Gauge, Labels: []string{"account_id"}, Stability: Stable,
		Query: `time() - aws_access_analyzer_policies_last_success_timestamp_seconds > 2 * 86400`,
		emit: func(s *inventory.Snapshot, to *series) {
			if s.Policies == nil {
				return
			}
			for i := range s.Policies.Accounts {
				a := &s.Policies.Accounts[i]
				to.addTime(a.LastSuccess, a.AccountID)
			}
		},
	},
	{
		Name: "aws_access_analyzer_policy_check_policies",
		Help: "Number of managed and inline policies by result of a check (policies.checks): pass, fail or unchecked.",
		Type: Gauge, Labels: []string{"account_id", "check", "result"}, Stability: Stable,
		Query: `sum by (check) (aws_access_analyzer_policy_check_policies{result="fail"})`,
		emit: func(s *inventory.Snapshot, to *series) {
			if s.Policies == nil {
				return
			}
			for i := range s.Policies.Accounts {
				a := &s.Policies.Accounts[i]
				for check, results := range a.Checks {
					for result, n := range results {
						to.add(float64(n), a.AccountID, check, string(result))
					}
				}
			}
		},
	},
	checkCalls,
	{
		Name: "aws_access_analyzer_policy_check_call_price_usd",
		Help: "Price of a call for a check of policies in US dollars, as AWS published it before this release. Absent without policies.checks.",
		Type: Gauge, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			if s.Policies != nil && len(s.Policies.Checks) > 0 {
				to.add(inventory.CheckCallPrice)
			}
		},
	},
	{
		Name: "aws_access_analyzer_account_info",
		Help: "Information about an account in scope, with a constant value of 1.",
		Type: Gauge, Labels: []string{"account_id", "account_name", "role"}, Stability: Stable,
		Query: `aws_access_analyzer_coverage == 0 and on (account_id) group by (account_id) (aws_access_analyzer_account_info{role="member"})`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Accounts {
				to.add(1, a.ID, withoutDomains(inert(a.Name)), string(a.Role))
			}
		},
	},
	{
		Name: "aws_access_analyzer_account_labels",
		Help: "Labels of an account from AWS Organizations and the configuration (accounts.labels), with a constant value of 1. Absent while any of them is not known.",
		Type: Gauge, Stability: Stable,
		Labels: []string{"account_id", "ou_path", "ou_name", anyTag},
		Query:  `count by (ou_name) (aws_access_analyzer_account_labels)`,
		emit: func(s *inventory.Snapshot, to *series) {
			values := make([]string, 0, 1+2+len(s.Labels.Keys))
			for _, a := range s.Accounts {
				if fields := s.Labels.Fields(a); len(fields) > 0 {
					values = append(values[:0], a.ID)
					for _, l := range fields {
						values = append(values, l.Value)
					}
					to.add(1, values...)
				}
			}
		},
		labelsOf: func(s *inventory.Snapshot) []string {
			labels := []string{"account_id"}
			if s.Labels.OU {
				labels = append(labels, "ou_path", "ou_name")
			}
			return append(labels, s.Labels.Names...)
		},
	},
	{
		Name: "aws_access_analyzer_scrape_success",
		Help: "Whether the last attempt read everything that the coverage of this target depends on (1) or not (0).",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `count by (account_id) (aws_access_analyzer_scrape_success == 0)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, t := range s.Targets {
				to.add(number(t.Success), t.AccountID, t.Region)
			}
		},
	},
	{
		Name: "aws_access_analyzer_scrape_error",
		Help: "Operations that failed at the last attempt, with one of a closed set of reasons and a constant value of 1.",
		Type: Gauge, Labels: []string{"account_id", "region", "operation", "reason"}, Stability: Stable,
		Query: `count by (operation, reason) (aws_access_analyzer_scrape_error)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for i := range s.Failures {
				f := &s.Failures[i]
				to.add(1, f.AccountID, f.Region, f.Operation, string(f.Reason))
			}
		},
	},
	{
		Name: "aws_access_analyzer_scrape_last_success_timestamp_seconds",
		Help: "Unix timestamp of the last successful read of this target. Absent until the first.",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `time() - aws_access_analyzer_scrape_last_success_timestamp_seconds > 3600`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, t := range s.Targets {
				to.addTime(t.LastSuccess, t.AccountID, t.Region)
			}
		},
	},
	{
		Name: "access_analyzer_exporter_discovery_success",
		Help: "Whether all lists of accounts, Regions and administrators are complete and current (1) or not (0).",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_discovery_success == 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(number(s.DiscoverySuccess))
		},
	},
	{
		Name: "access_analyzer_exporter_discovery_failures",
		Help: "Number of lists of accounts, Regions and administrators that are not complete and current, by operation and reason.",
		Type: Gauge, Labels: []string{"operation", "reason"}, Stability: Stable,
		Query: `sum by (operation, reason) (access_analyzer_exporter_discovery_failures)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for key, n := range s.DiscoveryFailures {
				to.add(float64(n), key.Operation, string(key.Reason))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_targets",
		Help: "Number of targets in scope. A target is one account in one Region.",
		Type: Gauge, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(float64(s.TargetCount))
		},
	},
	{
		Name: "access_analyzer_exporter_findings_index_entries",
		Help: "Number of entries in the index for incremental counts of findings. At most a million, at 40 bytes each.",
		Type: Gauge, Stability: Experimental,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(float64(s.FindingsIndexEntries))
		},
	},
	{
		Name: "access_analyzer_exporter_policy_documents",
		Help: "Number of documents of policies whose results are in memory, by hash, at about 250 bytes each. Absent unless policies.enabled.",
		Type: Gauge, Stability: Experimental,
		emit: func(s *inventory.Snapshot, to *series) {
			if s.Policies != nil {
				to.add(float64(s.Policies.Documents))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_duration_seconds",
		Help: "Duration of the last complete sweep in seconds, by kind.",
		Type: Gauge, Labels: []string{"kind"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for kind, sweep := range s.Sweeps {
				to.add(sweep.Duration.Seconds(), string(kind))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_skipped_targets",
		Help: "Number of targets that the last coverage sweep did not read because an organization analyzer covers them (assume_role.enter: uncovered). Each saves at least one ListAnalyzers call.",
		Type: Gauge, Stability: Experimental,
		Query: `access_analyzer_exporter_sweep_skipped_targets / access_analyzer_exporter_targets`,
		emit: func(s *inventory.Snapshot, to *series) {
			if last, ok := s.Sweeps[inventory.CoverageSweep]; ok {
				to.add(float64(last.Skipped))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_last_completed_timestamp_seconds",
		Help: "Unix timestamp of the completion of the last sweep, by kind.",
		Type: Gauge, Labels: []string{"kind"}, Stability: Stable,
		Query: `time() - access_analyzer_exporter_sweep_last_completed_timestamp_seconds{kind="coverage"} > 3600`,
		emit: func(s *inventory.Snapshot, to *series) {
			for kind, sweep := range s.Sweeps {
				to.addTime(sweep.CompletedAt, string(kind))
			}
		},
	},
	requestsTotal,
	requestDuration,
	fullCounts,
	eventsReceived,
	eventsIgnored,
	eventsFailed,
	eventRefreshes,
	eventRefreshFailures,
	eventLag,
	eventLastReceived,
	eventQueueSuccess,
	reloadSuccessful,
	reloadSuccessTimestamp,
	shardOrdinal,
	totalShards,
	buildInfo,
}

// anyTag is the documented name of the labels for tags.
const anyTag = "label_*"

// emitFindings adds the baseline, so that a sum over no findings is 0 and not
// absent, and the counts. Both have the same labels if AWS reports neither
// resource type nor exposure, and are then summed.
func emitFindings(s *inventory.Snapshot, to *series) {
	for a, findings := range counted(s) {
		for _, findingType := range a.FindingTypes() {
			for _, status := range s.FindingStatuses {
				to.add(0, a.AccountID, a.Region, a.AccountID, a.Name, findingType, status, "", "")
			}
		}
		for k, n := range findings.Counts {
			to.add(float64(n), k.AccountID, a.Region, a.AccountID, a.Name, k.Type, k.Status, k.ResourceType, k.Public)
		}
	}
}

// counted yields the analyzers whose findings have been counted. The others
// have no series: their number of findings is unknown, not 0.
func counted(s *inventory.Snapshot) iter.Seq2[*inventory.Analyzer, *inventory.Findings] {
	return func(yield func(*inventory.Analyzer, *inventory.Findings) bool) {
		for _, f := range s.Findings {
			if f.Analyzer != nil && f.Findings != nil && !yield(f.Analyzer, f.Findings) {
				return
			}
		}
	}
}

// policyGroup are the policies of one type in an account.
type policyGroup struct {
	accountID string
	of        inventory.PolicyType
}

// policyCounts yields the counts of policies that are known.
func policyCounts(s *inventory.Snapshot) iter.Seq2[policyGroup, inventory.PolicyCount] {
	return func(yield func(policyGroup, inventory.PolicyCount) bool) {
		if s.Policies == nil {
			return
		}
		for _, a := range s.Policies.Accounts {
			for t, count := range a.Types {
				if !yield(policyGroup{a.AccountID, t}, count) {
					return
				}
			}
		}
	}
}

func exemptions(s *inventory.Snapshot) iter.Seq2[inventory.Verdict, *inventory.Exemption] {
	return func(yield func(inventory.Verdict, *inventory.Exemption) bool) {
		for _, v := range s.Verdicts {
			if v.State == inventory.Exempt && v.Exemption != nil && !yield(v, v.Exemption) {
				return
			}
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
