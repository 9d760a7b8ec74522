package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// accountDashboard shows everything about one account.
func accountDashboard() spec {
	return spec{
		uid:         accountUID,
		title:       "Access Analyzer / Account",
		description: "Everything about one account: where it is covered, by what, what was found in it, and what could not be read.",
		from:        "7d",
		variables:   []string{"datasource", "account", "region", "access", "finding_type", "analyzer"},
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
				byTypePanel(8),
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
		description: "management, delegated_admin, member, or standalone for an account that is in no organization.",
		empty:       "This account is not among those that the exporter watches.",
	}, 4, now(one("role", "aws_access_analyzer_account_info", inAccount), "{{role}}")).
		TextMode(common.BigValueTextModeName)
}

func timelinePanel() cog.Builder[dashboard.Panel] {
	return fill(statetimeline.NewPanelBuilder(), about{
		title: "Coverage over time",
		description: "✓ covered, ✗ uncovered, ? unknown, – exempt, one line for each Region and kind of access. " +
			"“global” is unused access, which is judged once for an account.",
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
		description: "By type, resource type, exposure and status. " + once,
		empty:       "No finding was counted in this account, or no analyzer looks at it: see its coverage.",
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
// each thing that is known of it.
func analyzersTable() cog.Builder[dashboard.Panel] {
	var facts []string
	fact := func(name, factor, metric string) {
		property := ofChosenAccess(one(whole, metric, inAccount, inRegion, ofAnalyzer))
		facts = append(facts, constant(factor+" * ("+property+")", "fact", name))
	}
	fact("Value created", "1000", "aws_access_analyzer_created_timestamp_seconds")
	fact("Value analyzed", "1000", "aws_access_analyzer_last_resource_analyzed_timestamp_seconds")
	fact("Value counted", "1000", "aws_access_analyzer_findings_last_success_timestamp_seconds")
	fact("Value rules", "1", "aws_access_analyzer_archive_rules")
	fact("Value period", "1", "aws_access_analyzer_unused_access_tracking_period_seconds")
	labels := "type, status, managed_by"
	expr := "(\n" + strings.Join(facts, "\nor ") + "\n) * on (" + whole + ") group_left (" + labels + ")\n(" + describedAnalyzers("type, managed_by") + ")"
	optional := func(unit string) []dashboard.DynamicConfigValue {
		return append(wide(160), set("unit", unit), set("noValue", "–"))
	}
	return newFactsTable(about{
		title: "Analyzers of this account",
		description: "Analyzers that belong to this account. Its coverage may rest on those of another account: an organization analyzer " +
			"belongs to the management account or a delegated administrator. “Last analyzed” is no heartbeat: it moves only when there is something to analyze.",
		empty: "This account has no analyzer of its own, or nothing is scraped.",
	}, 24, []column{
		{"region", "Region", wide(125)},
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

// failuresTable lists what failed at the last attempt, whether or not
// something is unknown because of it.
func failuresTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "What could not be read",
		description: "Operations that failed at the last attempt. What they would have told stays as it was last known for a while, " +
			"then it becomes unknown.",
		empty: "Everything could be read at the last attempt, or nothing is scraped.",
	}, width, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"operation", "Operation", nil},
		{"reason", "Reason", nil},
		{"Value", "Last read", ago("never")},
	}, rows(withAccount("aws_access_analyzer_scrape_error",
		lastRead(one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion)))))
}
