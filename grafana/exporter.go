package main

import (
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// notScraped is the text of panels without metrics about the exporter.
const notScraped = "No data: Prometheus does not scrape the exporter"

// reasons are the reasons of failures in the order of their colors.
var reasons = []string{
	"access_denied", "throttled", "timeout", "network", "scp_denied", "assume_role_denied", "service_error",
	"credentials", "region_disabled", "region_unsupported", "malformed_response", "other",
}

// exporterDashboard shows exporter health and data freshness.
func exporterDashboard() spec {
	return spec{
		uid:         exporterUID,
		title:       "Access Analyzer / Exporter",
		description: "Exporter health and data freshness: failed reads with their reasons, requests to AWS, events, and the age of the data.",
		from:        "6h",
		variables:   append(slices.Clone(accounts), "page", "region"),
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				instancesPanel(),
				targetsPanel(),
				failingTargetsPanel(),
				sweepAgePanel(),
				discoveryPanel(),
				reloadPanel(),
			}},
			{"Failures", []cog.Builder[dashboard.Panel]{
				failuresOverTimePanel(),
				failuresTable(14),
			}},
			{"AWS requests", []cog.Builder[dashboard.Panel]{
				requestsPanel(),
				errorsPanel(),
				latencyPanel(),
			}},
			{"Events", []cog.Builder[dashboard.Panel]{
				eventQueuePanel(),
				eventsPanel(),
				droppedEventsPanel(),
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
		description: "Number of scraped exporters by version.",
		empty:       notScraped,
	}, 4, now("count by (version) ("+series("access_analyzer_exporter_build_info")+")", "{{version}}")).
		TextMode(common.BigValueTextModeValueAndName)
}

func targetsPanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Targets",
		description: "Number of targets (accounts × Regions) in scope. A target of several exporters counts once.",
		empty:       noData,
	}, 4, now("count ("+targets(`region!="global"`)+")", "Targets"))
}

func failingTargetsPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "Failed targets",
		description: "Number of targets that the last sweep could not read in full. " +
			"Coverage may still be known from an organization analyzer or the last known state.",
		empty: noData,
	}, 4, steps(good, bound{1, unclear}), now("sum ("+targets(`region!="global"`)+" == bool 0)", "Failed"))
}

func sweepAgePanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Time since last sweep",
		description: "Time since the last sweep completed, by kind. With several exporters, the oldest sweep.",
		empty:       noData,
	}, 4, now("time () - min by (kind) ("+series("access_analyzer_exporter_sweep_last_completed_timestamp_seconds")+")", "{{kind}}")).
		Unit(units.Seconds).
		Decimals(0).
		TextMode(common.BigValueTextModeValueAndName)
}

// yesNo shows 1 and 0 as words.
var yesNo = texts(map[string]look{"1": {"✓ yes", good}, "0": {"✗ no", bad}})

func discoveryPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Discovery",
		description: "Whether the last discovery of accounts and Regions was successful on all exporters. If not, new ones are not monitored.",
		empty:       noData,
	}, 4, steps(bad, bound{1, good}), now("min ("+series("access_analyzer_exporter_discovery_success")+")", "Listed"), yesNo)
}

func reloadPanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Configuration reload",
		description: "Whether the last configuration reload was successful on all exporters. If not, the previous configuration stays in use.",
		empty:       notScraped,
	}, 4, steps(bad, bound{1, good}), now("min ("+series("access_analyzer_exporter_config_last_reload_successful")+")", "Loaded"), yesNo)
}

func failuresOverTimePanel() cog.Builder[dashboard.Panel] {
	failing := one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion)
	return painted(stacked(newSeries(about{
		title:       "Failures by reason",
		description: "Number of operations that failed in the last sweep, over all targets.",
		empty:       "No failure in this time range, or no data",
	}, 10, over("count by (reason) ("+failing+")", "{{reason}}")).
		Height(10)), reasons...)
}

func requestsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Request rate by operation",
		description: "Requests to AWS by operation, retries included, over all exporters. Each is a CloudTrail event in the target account.",
		empty:       notScraped,
	}, 12, over("sum by (operation) (rate("+series("access_analyzer_exporter_aws_requests_total")+"[$__rate_interval]))", "{{operation}}")).
		Unit(units.RequestsPerSecond)
}

func errorsPanel() cog.Builder[dashboard.Panel] {
	const (
		metric     = "access_analyzer_exporter_aws_requests_total"
		throttling = `".*Throttl.*|TooManyRequests.*|RequestLimitExceeded|SlowDown"`
	)
	return stacked(newSeries(about{
		title: "Error rate by code",
		description: "Failed requests by error code; throttling codes are one line. Occasional throttling is retried. " +
			"Sustained throttling makes sweeps slow, then targets unknown.",
		empty: notScraped,
	}, 12,
		over(orZero("sum (rate("+series(metric, "code=~"+throttling)+"[$__rate_interval]))", "group ("+series(metric)+")"), "throttled"),
		over("sum by (code) (rate("+series(metric, `code!="OK"`, "code!~"+throttling)+"[$__rate_interval]))", "{{code}}")).
		Unit(units.RequestsPerSecond)).
		OverrideByName("throttled", paint(unclearLine))
}

func latencyPanel() cog.Builder[dashboard.Panel] {
	const (
		duration = "access_analyzer_exporter_aws_request_duration_seconds"
		waited   = `operation!="ReceiveMessage"` // long polling
	)
	return fill(heatmap.NewPanelBuilder(), about{
		title: "Request latency",
		description: "Duration of requests to AWS, retries observed separately. " +
			"Uses native histograms if Prometheus scrapes them, classic buckets otherwise.",
		empty: "No request in this time range, or no data",
	}, 24, 9, over("sum (rate("+series(duration, waited)+"[$__rate_interval]))\nor on () sum by (le) (rate("+series(duration+"_bucket", waited)+"[$__rate_interval]))", "{{le}}").
		Format("heatmap")).
		Unit(units.RequestsPerSecond).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Blues").Steps(64)).
		CellValues(heatmap.NewCellValuesBuilder().Unit(units.RequestsPerSecond)).
		ExemplarsColor(bad).
		ShowLegend().
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle))
}

// noEvents is the text of panels without metrics about events.
const noEvents = "No data, or no event queue is configured"

func eventQueuePanel() cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Event queue",
		description: "Whether the last read of the event queue was successful on all exporters. If not, only sweeps detect changes.",
		empty:       noEvents,
	}, 4, steps(bad, bound{1, good}), now("min ("+series("access_analyzer_exporter_event_queue_success")+")", "Read"), yesNo)
}

func eventsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title: "Events and refreshes",
		description: "Number of events received by detail type, and of the refreshes that they caused by kind. " +
			"Several events for one analyzer cause one refresh.",
		empty: noEvents,
	}, 8,
		over("sum by (detail_type) (increase("+series("access_analyzer_exporter_events_received_total")+"[$__rate_interval]))", "{{detail_type}}"),
		over("sum by (kind) (increase("+series("access_analyzer_exporter_event_refreshes_total")+"[$__rate_interval]))", "refreshes: {{kind}}"),
		over("sum by (kind) (increase("+series("access_analyzer_exporter_event_refresh_failures_total")+"[$__rate_interval]))", "failed refreshes: {{kind}}"))
}

func droppedEventsPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Ignored and failed events",
		description: "Number of events that required no refresh or could not be processed, by reason.",
		empty:       noEvents,
	}, 6,
		over("sum by (reason) (increase("+series("access_analyzer_exporter_events_ignored_total")+"[$__rate_interval]))", "ignored: {{reason}}"),
		over("sum by (reason) (increase("+series("access_analyzer_exporter_events_failed_total")+"[$__rate_interval]))", "failed: {{reason}}"))
}

func eventLagPanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Event lag and time since last event",
		description: "90th percentile of the time between AWS sending an event and the exporter receiving it, and the time since the last event of each exporter.",
		empty:       noEvents,
	}, 6,
		over("histogram_quantile (0.9, sum by (le) (rate("+series("access_analyzer_exporter_event_lag_seconds_bucket")+"[$__rate_interval])))", "lag"),
		over("time () - max by (instance) ("+series("access_analyzer_exporter_event_last_received_timestamp_seconds")+")", "since last event {{instance}}")).
		Unit(units.Seconds)
}

func sweepTimePanel() cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Sweep duration",
		description: "Duration of the last completed sweep by kind and exporter. It must stay below the configured interval.",
		empty:       noData,
	}, 8, over(series("access_analyzer_exporter_sweep_duration_seconds"), "{{kind}} {{instance}}")).
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
		description: "Number of scraped series and of targets by exporter.",
		empty:       notScraped,
	}, 8,
		over(ours("scrape_samples_scraped"), "series {{instance}}"),
		over(series("access_analyzer_exporter_targets"), "targets {{instance}}"))
}

func staleTargetsTable() cog.Builder[dashboard.Panel] {
	at := one("account_id, region", "aws_access_analyzer_scrape_last_success_timestamp_seconds", inAccount, inRegion)
	return newTable(about{
		title:       "Least recently read targets",
		description: "The 50 targets with the oldest successful read. Targets that were never read are listed under Failures.",
		empty:       noData,
	}, 12, []column{
		accountColumn,
		regionColumn(analyzersPage),
		{"Value", "Last read", []dashboard.DynamicConfigValue{set("unit", units.DateTimeFromNow)}},
	}, rows(withAccount("aws_access_analyzer_scrape_last_success_timestamp_seconds", withConsole("1000 * bottomk (50, "+at+")")))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Last read")})
}

func staleFindingsTable() cog.Builder[dashboard.Panel] {
	at := one(analyzer, "aws_access_analyzer_findings_last_success_timestamp_seconds", inAccount, inRegion)
	return newTable(about{
		title:       "Least recently counted analyzers",
		description: "The 50 analyzers with the oldest successful count of findings.",
		empty:       noFindings,
	}, 12, []column{
		accountColumn,
		regionColumn(findingsPage),
		{"analyzer", "Analyzer", nil},
		{"Value", "Counted", fromNow},
	}, rows(withAccount("aws_access_analyzer_findings_last_success_timestamp_seconds", withConsole("1000 * bottomk (50, "+at+")")))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Counted")})
}
