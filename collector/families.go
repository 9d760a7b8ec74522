// Package collector is what the exporter exports, and only that: the table of
// metric families, the way from facts to series, and the handler that serves
// them.
//
// What is known of AWS arrives as whole inventory.Snapshots. Each is encoded
// at most once per format and compression, by the first scrape that asks for
// it; every other scrape copies bytes. What the exporter measures about itself
// is gathered and encoded for each scrape, and the two are joined into exactly
// the answer that promhttp would have given.
package collector

//go:generate go test . -run "^Test(Docs|Golden)$" -update

import (
	"iter"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Type is the type of a metric family, spelt as in the exposition formats.
type Type string

// The types in use.
const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
)

// Stability is what users may rely on.
type Stability string

// The stabilities.
const (
	// Stable families keep their name, labels and meaning within a major
	// version.
	Stable Stability = "stable"
	// Experimental families may change in any release, because AWS does not
	// promise what they are made of.
	Experimental Stability = "experimental"
)

// Family is one row of the table: everything that is said about a metric
// family anywhere is said here first.
type Family struct {
	Name string
	// Help gives meaning and unit. It is a sentence.
	Help   string
	Type   Type
	Labels []string
	// Stability is what users may rely on.
	Stability Stability
	// Query is a PromQL expression that shows what the family is for; empty
	// where the name says it all.
	Query string

	// emit adds the series that the family has in a Snapshot; nil for what the
	// exporter measures about itself.
	emit func(*inventory.Snapshot, *series)
	// counts tells that series with the same labels are parts of one number
	// and add up. Elsewhere they repeat one fact.
	counts bool
}

// FromSnapshot tells whether the family is made from published facts, rather
// than measured by the exporter about itself.
func (f Family) FromSnapshot() bool { return f.emit != nil }

// Families returns the table, in the order in which people read it. The
// process_* and go_* families of client_golang come on top of it.
func Families() []Family { return slices.Clone(families) }

// The families that the exporter measures about itself are declared apart from
// the table because New makes metrics of them.
var (
	requestsTotal = Family{
		Name: "access_analyzer_exporter_aws_requests_total",
		Help: "Requests to AWS that reached the network, every attempt counted. code is the error code of AWS, or OK.",
		Type: Counter, Labels: []string{"aws_service", "operation", "code"}, Stability: Stable,
		Query: `sum by (operation, code) (rate(access_analyzer_exporter_aws_requests_total{code!="OK"}[15m]))`,
	}
	requestDuration = Family{
		Name: "access_analyzer_exporter_aws_request_duration_seconds",
		Help: "Duration of requests to AWS in seconds, every attempt observed.",
		Type: Histogram, Labels: []string{"aws_service", "operation"}, Stability: Stable,
		Query: `histogram_quantile(0.99, sum by (le, operation) (rate(access_analyzer_exporter_aws_request_duration_seconds_bucket[15m])))`,
	}
	fullCounts = Family{
		Name: "access_analyzer_exporter_findings_full_counts_total",
		Help: "Counts for which all findings of an analyzer were listed, by why it was not enough to list those that changed. few: there are so few that it takes no more calls.",
		Type: Counter, Labels: []string{"reason"}, Stability: Experimental,
		Query: `sum by (reason) (rate(access_analyzer_exporter_findings_full_counts_total{reason!~"few|first|interval"}[6h])) > 0`,
	}
	reloadSuccessful = Family{
		Name: "access_analyzer_exporter_config_last_reload_successful",
		Help: "Whether the last attempt to load the configuration succeeded: 1 or 0. After a 0 the configuration before it is still in force.",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_config_last_reload_successful == 0`,
	}
	reloadSuccessTimestamp = Family{
		Name: "access_analyzer_exporter_config_last_reload_success_timestamp_seconds",
		Help: "When the configuration in force was loaded, in seconds since the Unix epoch.",
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
		Help: "Events received from the queue, by AWS' detail type (other: one that this program does not know, or no event at all). Those that come again are not counted again.",
		Type: Counter, Labels: []string{"detail_type"}, Stability: Stable,
		Query: `sum by (detail_type) (increase(access_analyzer_exporter_events_received_total[1h]))`,
	}
	eventsIgnored = Family{
		Name: "access_analyzer_exporter_events_ignored_total",
		Help: "Events that asked for nothing: unknown_detail_type, unknown_call (it changes no analyzer), failed_call (AWS refused it), out_of_scope.",
		Type: Counter, Labels: []string{"detail_type", "reason"}, Stability: Stable,
		Query: `sum by (reason) (increase(access_analyzer_exporter_events_ignored_total[1h]))`,
	}
	eventsFailed = Family{
		Name: "access_analyzer_exporter_events_failed_total",
		Help: "Events that came to nothing: malformed (no event of AWS, deleted), refresh_failed (what it names could not be read, tried again when the queue shows it again).",
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
		Help: "Time from AWS' sending an event to its receipt here, in seconds. AWS gives the time of events in whole seconds.",
		Type: Histogram, Labels: []string{"detail_type"}, Stability: Stable,
		Query: `histogram_quantile(0.9, sum by (le) (rate(access_analyzer_exporter_event_lag_seconds_bucket[1h])))`,
	}
	eventLastReceived = Family{
		Name: "access_analyzer_exporter_event_last_received_timestamp_seconds",
		Help: "When an event was last received, in seconds since the Unix epoch. Absent until then.",
		Type: Gauge, Stability: Stable,
		Query: `time() - access_analyzer_exporter_event_last_received_timestamp_seconds`,
	}
	eventQueueSuccess = Family{
		Name: "access_analyzer_exporter_event_queue_success",
		Help: "Whether the event queue could be read at the last attempt: 1 or 0. Absent when no queue is configured.",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_event_queue_success == 0`,
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
		Help: "Whether an ACTIVE analyzer that the policy accepts covers this account, Region and kind of access: 1 covered, 0 known not to be. Absent: unknown or exempt.",
		Type: Gauge, Labels: []string{"account_id", "region", "access"}, Stability: Stable,
		Query: `aws_access_analyzer_coverage == 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			for v := range s.Verdicts.All() {
				if v.State == inventory.Covered || v.State == inventory.Uncovered {
					to.add(number(v.State == inventory.Covered), v.AccountID, v.Region, string(v.Access))
				}
			}
		},
	},
	{
		Name: "aws_access_analyzer_coverage_exempt",
		Help: "Always 1: the configuration expects no coverage here, for the given reason.",
		Type: Gauge, Labels: []string{"account_id", "region", "access", "reason"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for v, e := range exemptions(s) {
				to.add(1, v.AccountID, v.Region, string(v.Access), e.Reason)
			}
		},
	},
	{
		Name: "aws_access_analyzer_coverage_exemption_until_timestamp_seconds",
		Help: "When the exemption from coverage ends, in seconds since the Unix epoch. Absent when it does not end.",
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
		Help: "Always 1: an analyzer and what describes it. type, managed_by and status_reason are spelt as AWS spells them; an empty label is something that AWS does not say.",
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
		Help: "Status of an analyzer, spelt as AWS spells it: 1 for the current one, 0 for the other known ones.",
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
		Help: "When the analyzer was created, in seconds since the Unix epoch.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				to.addTime(a.CreatedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_last_resource_analyzed_timestamp_seconds",
		Help: "When the analyzer last analyzed a resource, in seconds since the Unix epoch. No heartbeat: it moves only when there is something to analyze. Absent when AWS does not say.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Analyzers {
				to.addTime(a.LastResourceAnalyzedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_unused_access_tracking_period_seconds",
		Help: "Tracking period of an unused access analyzer in seconds: access that was not used for so long becomes a finding.",
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
		Help: "Number of archive rules of an analyzer. Absent when it could not be read.",
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
		Help: "Number of findings of an analyzer; account_id owns the resource. A series with empty resource_type and public is there for every finding type and status that is counted, so that a sum over nothing is 0.",
		Type: Gauge, Stability: Stable, counts: true,
		Labels: []string{"account_id", "region", "analyzer_account_id", "analyzer", "finding_type", "status", "resource_type", "public"},
		Query:  `sum by (account_id) (aws_access_analyzer_findings{status="ACTIVE", public="true"})`,
		emit:   emitFindings,
	},
	{
		Name: "aws_access_analyzer_findings_with_errors",
		Help: "Number of ACTIVE findings which say that AWS could not analyze the resource, by the error code that it gives. account_id owns the resource.",
		Type: Gauge, Stability: Experimental, counts: true,
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
		Help: "When the oldest ACTIVE finding was created, in seconds since the Unix epoch. account_id owns the resource. Absent when there is none.",
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
		Help: "When the findings of this analyzer were last counted, in seconds since the Unix epoch.",
		Type: Gauge, Labels: []string{"account_id", "region", "analyzer"}, Stability: Stable,
		Query: `time() - aws_access_analyzer_findings_last_success_timestamp_seconds > 2 * 3600`,
		emit: func(s *inventory.Snapshot, to *series) {
			for a, findings := range counted(s) {
				to.addTime(findings.CountedAt, a.AccountID, a.Region, a.Name)
			}
		},
	},
	{
		Name: "aws_access_analyzer_account_info",
		Help: "Always 1: an account that is watched, its name and its role (management, delegated_admin, member or standalone).",
		Type: Gauge, Labels: []string{"account_id", "account_name", "role"}, Stability: Stable,
		Query: `aws_access_analyzer_coverage == 0 and on (account_id) group by (account_id) (aws_access_analyzer_account_info{role="member"})`,
		emit: func(s *inventory.Snapshot, to *series) {
			for _, a := range s.Accounts {
				to.add(1, a.ID, a.Name, string(a.Role))
			}
		},
	},
	{
		Name: "aws_access_analyzer_scrape_success",
		Help: "Whether everything that the coverage of this account and Region rests on could be read at the last attempt: 1 or 0.",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `count by (account_id) (aws_access_analyzer_scrape_success == 0)`,
		emit: func(s *inventory.Snapshot, to *series) {
			for t := range s.Targets.All() {
				to.add(number(t.Success), t.AccountID, t.Region)
			}
		},
	},
	{
		Name: "aws_access_analyzer_scrape_error",
		Help: "1 for each operation that failed at the last attempt, with one of a closed set of reasons.",
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
		Help: "When this account and Region were last read, in seconds since the Unix epoch. Absent when they never were.",
		Type: Gauge, Labels: []string{"account_id", "region"}, Stability: Stable,
		Query: `time() - aws_access_analyzer_scrape_last_success_timestamp_seconds > 3600`,
		emit: func(s *inventory.Snapshot, to *series) {
			for t := range s.Targets.All() {
				to.addTime(t.LastSuccess, t.AccountID, t.Region)
			}
		},
	},
	{
		Name: "access_analyzer_exporter_discovery_success",
		Help: "Whether accounts and Regions could be listed at the last attempt: 1 or 0.",
		Type: Gauge, Stability: Stable,
		Query: `access_analyzer_exporter_discovery_success == 0`,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(number(s.DiscoverySuccess))
		},
	},
	{
		Name: "access_analyzer_exporter_targets",
		Help: "Number of targets that are watched: accounts times their Regions.",
		Type: Gauge, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(float64(s.TargetCount))
		},
	},
	{
		Name: "access_analyzer_exporter_findings_index_entries",
		Help: "Number of entries in the index of findings, by which findings are counted incrementally. At most a million, at 40 bytes each.",
		Type: Gauge, Stability: Experimental,
		emit: func(s *inventory.Snapshot, to *series) {
			to.add(float64(s.FindingsIndexEntries))
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_duration_seconds",
		Help: "Duration of the last sweep over all targets in seconds, by kind (coverage or findings).",
		Type: Gauge, Labels: []string{"kind"}, Stability: Stable,
		emit: func(s *inventory.Snapshot, to *series) {
			for kind, sweep := range s.Sweeps {
				to.add(sweep.Duration.Seconds(), string(kind))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_skipped_targets",
		Help: "Number of targets that the last sweep did not read, because the organization's analyzers cover them (assume_role.enter: uncovered). Each is a call of ListAnalyzers saved, at least.",
		Type: Gauge, Labels: []string{"kind"}, Stability: Experimental,
		Query: `access_analyzer_exporter_sweep_skipped_targets{kind="coverage"} / ignoring (kind) access_analyzer_exporter_targets`,
		emit: func(s *inventory.Snapshot, to *series) {
			if last, ok := s.Sweeps[inventory.CoverageSweep]; ok {
				to.add(float64(last.Skipped), string(inventory.CoverageSweep))
			}
		},
	},
	{
		Name: "access_analyzer_exporter_sweep_last_completed_timestamp_seconds",
		Help: "When the last sweep over all targets was completed, in seconds since the Unix epoch, by kind (coverage or findings).",
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

// emitFindings adds the baseline, which makes "none found" a 0 that a sum can
// start from, and what was counted. The two add up where AWS gives neither
// resource type nor exposure.
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

// counted yields the analyzers whose findings have been counted. Of the others
// nothing is said: a zero would be a claim.
func counted(s *inventory.Snapshot) iter.Seq2[*inventory.Analyzer, *inventory.Findings] {
	return func(yield func(*inventory.Analyzer, *inventory.Findings) bool) {
		for _, f := range s.Findings {
			if f.Analyzer != nil && f.Findings != nil && !yield(f.Analyzer, f.Findings) {
				return
			}
		}
	}
}

func exemptions(s *inventory.Snapshot) iter.Seq2[inventory.Verdict, *inventory.Exemption] {
	return func(yield func(inventory.Verdict, *inventory.Exemption) bool) {
		for v := range s.Verdicts.All() {
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
