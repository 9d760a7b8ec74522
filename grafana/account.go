package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// accountDashboard shows coverage and findings of one account.
func accountDashboard() spec {
	return spec{
		uid:         accountUID,
		title:       "Access Analyzer / Account",
		description: "Coverage, analyzers, findings and failures of one account.",
		from:        "7d",
		variables:   append(slices.Clone(accounts), "page", "region", "access", "finding_type", "analyzer"),
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				identityPanel(),
				sharePanel(4),
				uncoveredPanel(3),
				unknownPanel(3),
				activePanel(3),
				publicPanel(3),
				oldestPanel(4),
				timelinePanel(),
				findingsTable(),
			}},
			{"Findings over time", []cog.Builder[dashboard.Panel]{
				byTypePanel("Active findings by type", 8),
				exposureOverTimePanel(8),
				driftPanel(8),
			}},
			{"Details", []cog.Builder[dashboard.Panel]{
				analyzersTable(),
				failuresTable(12),
				exemptionsTable(12),
				erroneousTable(24),
			}},
		},
	}
}

func identityPanel() cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Role in the organization",
		description: "management, delegated_admin, member, or standalone for an account outside of any organization.",
		empty:       "Account not in scope, or no data",
	}, 4, now(one("role", "aws_access_analyzer_account_info", inAccount), "{{role}}")).
		TextMode(common.BigValueTextModeName)
}

func timelinePanel() cog.Builder[dashboard.Panel] {
	return fill(statetimeline.NewPanelBuilder(), about{
		title: "Coverage over time",
		description: "✓ covered, ✗ uncovered, ? unknown, – exempt, by Region and access type. " +
			"“global” is unused access, which is evaluated once per account.",
		empty: noData,
	}, 12, 14, over("sum by (region, access) (\n"+coverageState()+"\n)", "{{region}} {{access}}")).
		MaxDataPoints(points).
		Unit(units.Short).
		Mappings([]dashboard.ValueMapping{texts(stateLooks)}).
		Thresholds(steps(muted)).
		ShowValue(common.VisibilityModeAuto).
		MergeValues(true).
		FillOpacity(90).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeList).
			Placement(common.LegendPlacementBottom).
			ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle))
}

func findingsTable() cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Findings",
		description: "Number of findings by type, resource type, exposure and status.",
		empty:       "No findings, or the account is not covered",
	}, 12, []column{
		{"finding_type", "Finding type", nil},
		{"resource_type", "Resource type", nil},
		{"public", "Exposure", []dashboard.DynamicConfigValue{set("mappings", []dashboard.ValueMapping{texts(map[string]look{
			"true":  {"public", bad},
			"false": {"cross-account", good},
		})}), set("custom.width", 120)}},
		{"status", "Status", wide(110)},
		{"Value", "Findings", wide(120)},
	}, rows("sum by (finding_type, resource_type, public, status) ("+findings()+" > 0)")).
		Height(14).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Findings")})
}

// analyzersTable has a row for each analyzer of the account and a column for
// each of its properties.
func analyzersTable() cog.Builder[dashboard.Panel] {
	var properties []string
	property := func(name, factor, metric string) {
		value := ofSelectedAccess(one(analyzer, metric, inAccount, inRegion, ofAnalyzer))
		properties = append(properties, constant(factor+" * ("+value+")", "property", name))
	}
	property("Value created", "1000", "aws_access_analyzer_created_timestamp_seconds")
	property("Value analyzed", "1000", "aws_access_analyzer_last_resource_analyzed_timestamp_seconds")
	property("Value counted", "1000", "aws_access_analyzer_findings_last_success_timestamp_seconds")
	property("Value rules", "1", "aws_access_analyzer_archive_rules")
	property("Value period", "1", "aws_access_analyzer_unused_access_tracking_period_seconds")
	labels := "type, status, managed_by"
	expr := withConsole("((\n" + strings.Join(properties, "\nor ") + "\n) * on (" + analyzer + ") group_left (" + labels + ")\n(" + describedAnalyzers("type, managed_by") + "))")
	optional := func(unit string) []dashboard.DynamicConfigValue {
		return append(wide(160), set("unit", unit))
	}
	return newPropertiesTable(about{
		title: "Analyzers",
		description: "Analyzers in this account. An organization analyzer in the management account or in a delegated administrator may also cover it. " +
			"“Last analyzed” is not a heartbeat: it only advances when there is a resource to analyze.",
		empty: "No analyzers in this account, or no data",
	}, 24, []column{
		regionColumn(findingsPage),
		{"analyzer", "Analyzer", nil},
		{"type", "Type", nil},
		{"status", "Status", wide(110)},
		{"managed_by", "Managed by", nil},
		{"Value created", "Created", optional(units.DateTimeFromNow)},
		{"Value analyzed", "Last analyzed", optional(units.DateTimeFromNow)},
		{"Value counted", "Findings counted", optional(units.DateTimeFromNow)},
		{"Value rules", "Archive rules", optional(units.Short)},
		{"Value period", "Tracking period", optional(units.Seconds)},
	}, expr)
}

// failuresTable lists operations that failed in the last sweep, whether or not
// coverage is unknown because of them.
func failuresTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Failed operations",
		description: "Operations that failed in the last sweep: the 500 of the targets that were read the longest time ago. The last known state is exported for stale_after; " +
			"after that, coverage is unknown.",
		empty: "No failures, or no data",
	}, width, []column{
		accountColumn,
		regionColumn(analyzersPage),
		{"operation", "Operation", nil},
		{"reason", "Reason", nil},
		{"Value", "Last read", ago("never")},
	}, rows(withAccount("aws_access_analyzer_scrape_error", withConsole("bottomk (500, "+
		lastRead(one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion))+")"))))
}
