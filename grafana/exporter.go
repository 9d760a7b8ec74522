package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// notScraped is why there is nothing about the exporter itself.
const notScraped = "No data: the data source does not scrape the exporter"

// reasons are the reasons of failures, in the order of their colours.
var reasons = []string{
	"access_denied", "throttled", "timeout", "network", "scp_denied", "assume_role_denied", "service_error",
	"credentials", "region_disabled", "region_unsupported", "malformed_response", "other",
}

// exporterDashboard shows whether the other dashboards can be believed.
func exporterDashboard() spec {
	return spec{
		uid:         exporterUID,
		title:       "Access Analyzer / Exporter",
		description: "Whether the exporter can be believed: what it could not read and why, what it asks of AWS, and how fresh its facts are.",
		from:        "6h",
		variables:   []string{"datasource", "account", "region"},
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				instancesPanel(),
				targetsPanel(),
				failingTargetsPanel(),
				sweepAgePanel(),
				discoveryPanel(),
				reloadPanel(),
			}},
			{"What could not be read", []cog.Builder[dashboard.Panel]{
				failuresOverTimePanel(),
				failuresTable(14),
			}},
			{"Calls to AWS", []cog.Builder[dashboard.Panel]{
				callsPanel(),
				refusalsPanel(),
				latencyPanel(),
			}},
			{"Events", []cog.Builder[dashboard.Panel]{
				eventQueuePanel(),
				eventsPanel(),
				uselessEventsPanel(),
				eventLagPanel(),
			}},
			{"Freshness and cost", []cog.Builder[dashboard.Panel]{
				sweepTimePanel(),
				memoryPanel(),
				exportedPanel(),
				staleTargetsTable(),
				staleFindingsTable(),
			}},
		},
	}
}

func instancesPanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Exporters",
		description: "Instances of the exporter that are scraped, by version.",
		empty:       notScraped,
	}, 4, now("count by (version) (access_analyzer_exporter_build_info)", "{{version}}")).
		TextMode(common.BigValueTextModeValueAndName)
}

func targetsPanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Targets",
		description: "Accounts × Regions that are watched. Several exporters that watch the same target count it once.",
		empty:       noData,
	}, 4, now("count ("+targets(`region!="global"`)+")", "Targets"))
}

func failingTargetsPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "Targets that failed",
		description: "Targets of which not everything could be read at the last attempt, those that stand for an account as a whole included. " +
			"What is known otherwise, or was known shortly before, still counts as known.",
		empty: noData,
	}, 4, steps(good, bound{1, unclear}), now("sum ("+targets()+" == bool 0)", "Failed"))
}

func sweepAgePanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title: "Since the last sweep",
		description: "How long ago the last sweep over all targets was completed. Where several exporters share the targets, " +
			"that of the one that is furthest behind.",
		empty: noData,
	}, 4, now("time () - min by (kind) (access_analyzer_exporter_sweep_last_completed_timestamp_seconds)", "{{kind}}")).
		Unit(units.Seconds).
		Decimals(0).
		TextMode(common.BigValueTextModeValueAndName)
}

// yesNo shows 1 and 0 as words.
var yesNo = texts(map[string]look{"1": {"✓ yes", good}, "0": {"✗ no", bad}})

func discoveryPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "All accounts listed",
		description: "Whether every exporter could list the accounts and their Regions at the last attempt. If not, new ones go unwatched.",
		empty:       noData,
	}, 4, steps(bad, bound{1, good}), now("min (access_analyzer_exporter_discovery_success)", "Listed"), yesNo)
}

func reloadPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Configuration in force",
		description: "Whether every exporter runs with the configuration that it was last given. If not, it was refused and the one before is in force.",
		empty:       notScraped,
	}, 4, steps(bad, bound{1, good}), now("min (access_analyzer_exporter_config_last_reload_successful)", "Loaded"), yesNo)
}

func failuresOverTimePanel() cog.Builder[dashboard.Panel] {
	failing := one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion)
	return painted(stacked(newSeries(about{
		title:       "Failures by reason",
		description: "Operations that failed at the last attempt, over all targets.",
		empty:       "Nothing has failed in this time, or nothing is scraped.",
	}, 10, over("count by (reason) ("+failing+")", "{{reason}}")).
		Height(10)), reasons...)
}

func callsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Calls by operation",
		description: "Requests to AWS that reached the network, every attempt counted, over all exporters. Each is a CloudTrail event in the account that it reads.",
		empty:       notScraped,
	}, 12, over("sum by (operation) (rate(access_analyzer_exporter_aws_requests_total[$__rate_interval]))", "{{operation}}")).
		Unit(units.RequestsPerSecond)
}

func refusalsPanel() cog.Builder[dashboard.Panel] {
	const requests = "access_analyzer_exporter_aws_requests_total"
	return stacked(newSeries(about{
		title: "Calls that AWS refused",
		description: "By error code; throttling has a line of its own. Some throttling is retried and does no harm, " +
			"lasting throttling makes sweeps slow and then facts unknown.",
		empty: notScraped,
	}, 12,
		over(orZero("sum (rate("+requests+`{code=~".*Throttl.*|TooManyRequests.*|RequestLimitExceeded|SlowDown"}[$__rate_interval]))`, "group ("+requests+")"), "throttled"),
		over("sum by (code) (rate("+requests+`{code!="OK", code!~".*Throttl.*|TooManyRequests.*|RequestLimitExceeded|SlowDown"}[$__rate_interval]))`, "{{code}}")).
		Unit(units.RequestsPerSecond)).
		OverrideByName("throttled", paint(unclearLine))
}

func latencyPanel() cog.Builder[dashboard.Panel] {
	const (
		duration = "access_analyzer_exporter_aws_request_duration_seconds"
		waited   = `{operation!="ReceiveMessage"}` // SQS holds that back until there is a message
	)
	return fill(heatmap.NewPanelBuilder(), about{
		title: "Latency of calls",
		description: "How long AWS took to answer, every attempt observed. The more a colour stands out, the more answers. " +
			"Native histograms are used where Prometheus scrapes them, classic buckets elsewhere.",
		empty: "No call was made in this time, or nothing is scraped.",
	}, 24, 9, over("sum (rate("+duration+waited+"[$__rate_interval]))\nor on () sum by (le) (rate("+duration+"_bucket"+waited+"[$__rate_interval]))", "{{le}}").
		Format("heatmap")).
		Unit(units.RequestsPerSecond).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Blues").Steps(64)).
		CellValues(heatmap.NewCellValuesBuilder().Unit(units.RequestsPerSecond)).
		ExemplarsColor(bad).
		ShowLegend().
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle))
}

// noEvents is why there is nothing about events.
const noEvents = "No data: no event queue is configured, or nothing is scraped."

func eventQueuePanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Event queue can be read",
		description: "Whether every exporter that has an event queue could read it at the last attempt. If not, changes are seen as late as the sweeps see them.",
		empty:       noEvents,
	}, 4, steps(bad, bound{1, good}), now("min (access_analyzer_exporter_event_queue_success)", "Read"), yesNo)
}

func eventsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title: "Events and refreshes",
		description: "Events that were received from the queue, by kind, and how often they made the exporter read something again. " +
			"Many events for one analyzer are one refresh.",
		empty: noEvents,
	}, 8,
		over("sum by (detail_type) (increase(access_analyzer_exporter_events_received_total[$__rate_interval]))", "{{detail_type}}"),
		over("sum by (kind) (increase(access_analyzer_exporter_event_refreshes_total[$__rate_interval]))", "refreshes: {{kind}}"),
		over("sum by (kind) (increase(access_analyzer_exporter_event_refresh_failures_total[$__rate_interval]))", "failed refreshes: {{kind}}"))
}

func uselessEventsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Events that came to nothing",
		description: "Ignored, because nothing is to be read again, or failed. What is malformed was no event of AWS.",
		empty:       noEvents,
	}, 6,
		over("sum by (reason) (increase(access_analyzer_exporter_events_ignored_total[$__rate_interval]))", "ignored: {{reason}}"),
		over("sum by (reason) (increase(access_analyzer_exporter_events_failed_total[$__rate_interval]))", "failed: {{reason}}"))
}

func eventLagPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Lag of events, and silence",
		description: "Time from AWS' sending an event to its receipt, for nine tenths of the events, and how long ago an exporter last received one.",
		empty:       noEvents,
	}, 6,
		over("histogram_quantile (0.9, sum by (le) (rate(access_analyzer_exporter_event_lag_seconds_bucket[$__rate_interval])))", "lag"),
		over("time () - max by (instance) (access_analyzer_exporter_event_last_received_timestamp_seconds)", "since the last event {{instance}}")).
		Unit(units.Seconds)
}

func sweepTimePanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Duration of a sweep",
		description: "How long the last sweep over all targets took, of each exporter. It has to stay below the interval that is configured.",
		empty:       noData,
	}, 8, over("access_analyzer_exporter_sweep_duration_seconds", "{{kind}} {{instance}}")).
		Unit(units.Seconds)
}

func memoryPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Memory",
		description: "Resident memory of each exporter.",
		empty:       notScraped,
	}, 8, over(ours("process_resident_memory_bytes"), "{{instance}}")).
		Unit(units.BytesIEC)
}

func exportedPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Series and targets",
		description: "How many series Prometheus gets from each exporter, and how many accounts × Regions each watches.",
		empty:       notScraped,
	}, 8,
		over(ours("scrape_samples_scraped"), "series {{instance}}"),
		over("access_analyzer_exporter_targets", "targets {{instance}}"))
}

func staleTargetsTable() cog.Builder[dashboard.Panel] {
	at := one("account_id, region", "aws_access_analyzer_scrape_last_success_timestamp_seconds", inAccount, inRegion)
	return newTable(about{
		title:       "Targets not read for longest",
		description: "When each account and Region was last read: the 50 longest ago. Those that were never read are not here; they are among the failures.",
		empty:       noData,
	}, 12, []column{
		accountColumn,
		{"region", "Region", nil},
		{"Value", "Last read", fromNow},
	}, rows(withAccount("aws_access_analyzer_scrape_last_success_timestamp_seconds", "1000 * bottomk (50, "+at+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Last read")})
}

func staleFindingsTable() cog.Builder[dashboard.Panel] {
	at := one(whole, "aws_access_analyzer_findings_last_success_timestamp_seconds", inAccount, inRegion)
	return newTable(about{
		title:       "Analyzers whose findings were not counted for longest",
		description: "When the findings of each analyzer were last counted: the 50 longest ago.",
		empty:       noFindings,
	}, 12, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"analyzer", "Analyzer", nil},
		{"Value", "Counted", fromNow},
	}, rows(withAccount("aws_access_analyzer_findings_last_success_timestamp_seconds", "1000 * bottomk (50, "+at+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Counted")})
}
