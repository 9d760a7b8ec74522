package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// noData is the text of panels whose value is missing rather than 0.
const noData = "No data"

// coverageDashboard shows coverage by account and Region.
func coverageDashboard() spec {
	return spec{
		uid:   coverageUID,
		title: "Access Analyzer / Coverage",
		description: "Covered, uncovered, unknown and exempt targets of IAM Access Analyzer. " +
			"Unknown targets count neither as covered nor as uncovered.",
		from:      "24h",
		variables: append(slices.Clone(accounts), "page", "region", "access", "analyzer"),
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				sharePanel(6),
				uncoveredPanel(5),
				unknownPanel(5),
				exemptPanel(4),
				inactiveAnalyzersPanel(4),
				matrixPanel(),
			}},
			{"Over time", []cog.Builder[dashboard.Panel]{
				shareOverTimePanel(),
				gapsOverTimePanel(12),
			}},
			{"Details", []cog.Builder[dashboard.Panel]{
				uncoveredTable(11),
				unknownTable(13),
				exemptionsTable(14),
				analyzersByStatusPanel(),
				inactiveAnalyzersTable(),
				byOU.coverageTable(12),
				byLabel.coverageTable(12),
			}},
		},
	}
}

func sharePanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "Covered",
		description: "Share of targets (accounts × Regions) that are covered, without unknown and exempt ones, by required access type, " +
			"rounded down. Unused access is evaluated once per account, because IAM is global.",
		empty: noData,
	}, width, steps(bad, bound{1, good}), now(roundedDown(share()), "{{access}}")).
		Unit(units.PercentUnit).
		Decimals(1).
		Min(0).Max(1)
}

func uncoveredPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Uncovered",
		description: "Number of targets × access types that no ACTIVE analyzer covers, without unknown ones.",
		empty:       noData,
	}, width, steps(good, anyIsBad), now(countUncovered(), "Uncovered"))
}

func unknownPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Unknown",
		description: "Number of targets × access types whose coverage is unknown because data could not be read.",
		empty:       noData,
	}, width, steps(good, bound{1, unclear}), now(countUnknown(), "Unknown"))
}

func exemptPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Exempt",
		description: "Number of targets × access types that the configuration exempts.",
		empty:       noData,
	}, width, steps(muted), now(countExempt(), "Exempt"))
}

func inactiveAnalyzersPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Inactive analyzers",
		description: "Number of analyzers in status CREATING, DISABLED or FAILED. Only ACTIVE analyzers cover.",
		empty:       noData,
	}, width, steps(good, anyIsBad), now("sum ("+analyzerStatus(`status!="ACTIVE"`)+")", "Not ACTIVE"))
}

// regionOrder is the order of the columns of the matrix, because an instant
// query has none. Other Regions come last.
var regionOrder = []string{
	"global",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1",
	"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
	"ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"af-south-1", "il-central-1", "me-central-1", "me-south-1",
	"cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "eusc-de-east-1",
}

// matrixRows is the number of accounts of the matrix.
const matrixRows = 500

// matrixPanel has a row for each account, sorted by uncovered targets, and a
// column for each Region. The query also returns the two columns of counts, as
// Regions named Uncovered and Unknown. It is sorted by both before the limit: the later
// transformation keeps the order of the earlier one.
func matrixPanel() cog.Builder[dashboard.Panel] {
	perAccount := func(expr, name string) string {
		return constant("("+orZero(expr, one("account_id", "aws_access_analyzer_account_info", inAccount))+")", "region", name)
	}
	expr := withAccount("aws_access_analyzer_account_info",
		"min by (account_id, region) (\n"+coverageState()+"\n)\n"+
			"or "+perAccount("sum by (account_id) ("+coverage()+" == bool 0)", "Uncovered")+"\n"+
			"or "+perAccount("count by (account_id) ("+unknowns()+")", "Unknown"))
	b := fill(table.NewPanelBuilder(), about{
		title: "Accounts × Regions",
		description: "✓ covered, ✗ uncovered, ? unknown, – exempt, · not enabled. " +
			"If several access types are selected, the worst is shown: ✗ before ? before ✓. " +
			"“global” is unused access, which is evaluated once per account. Cells link to the account. " +
			fmt.Sprintf("At most %d accounts, those with the most uncovered targets first.", matrixRows),
		empty: noData,
	}, 24, 18, now(expr, "")).
		Unit(units.Short).
		Align(common.FieldTextAlignmentCenter).
		MinWidth(68).
		CellHeight(common.TableCellHeightSm).
		Thresholds(steps("transparent")).
		Mappings([]dashboard.ValueMapping{texts(stateLooks), missing(look{"·", "transparent"})}).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Uncovered"), descending("Unknown")})
	pivot(b, "region").
		WithTransformation(sortedBy("Unknown")).
		WithTransformation(sortedBy("Uncovered")).
		WithTransformation(transform("limit", map[string]any{"limitField": fmt.Sprint(matrixRows)})).
		WithTransformation(organize(
			columnOrder(append([]string{"account", "Uncovered", "Unknown"}, regionOrder...)...),
			matrixHeaders()))
	cells := []dashboard.DynamicConfigValue{
		set("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"}),
		set("custom.wrapHeaderText", true),
		set("links", []any{accountLink("${__data.fields.account_id}")}),
	}
	count := func(color string) []dashboard.DynamicConfigValue {
		return []dashboard.DynamicConfigValue{
			set("mappings", []dashboard.ValueMapping{texts(map[string]look{"0": {"0", "transparent"}})}),
			set("color", map[string]any{"mode": "fixed", "fixedColor": color}),
			set("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"}),
			set("custom.width", 112),
		}
	}
	return b.OverrideByRegexp("/-\\d+$|^global$/", cells).
		OverrideByName("Account", verbatim).
		OverrideByName("Account", append([]dashboard.DynamicConfigValue{set("custom.align", "left")}, accountColumn.with...)).
		OverrideByName("Uncovered", count(bad)).
		OverrideByName("Unknown", count(unclear)).
		OverrideByName("account_id", hidden)
}

// matrixHeaders returns the headers of the columns. Grafana breaks a header only
// after a hyphen and truncates the rest: a zero-width space lets northeast break.
func matrixHeaders() map[string]any {
	headers := map[string]any{"account": "Account"}
	breakable := strings.NewReplacer("heast", "h\u200beast", "hwest", "h\u200bwest")
	for _, region := range regionOrder {
		headers[region] = breakable.Replace(region)
	}
	return headers
}

func shareOverTimePanel() cog.Builder[dashboard.Panel] {
	return painted(newSeries(about{
		title: "Covered over time",
		description: "Share of targets that are covered, without unknown and exempt ones. " +
			"A gap in the line means that all targets were unknown.",
		empty: noData,
	}, 12, over(share(), "{{access}}")).
		Unit(units.PercentUnit).
		Max(1), "external", "unused", "internal")
}

// gapsOverTimePanel counts uncovered and unknown targets.
func gapsOverTimePanel(width uint32) *timeseries.PanelBuilder {
	return newSeries(about{
		title: "Uncovered and unknown over time",
		description: "Number of targets × access types. Unknown targets are not included in Uncovered, " +
			"so that Uncovered is a lower bound.",
		empty: noData,
	}, width, over(countUncovered(), "Uncovered"), over(countUnknown(), "Unknown")).
		OverrideByName("Uncovered", paint(bad)).
		OverrideByName("Unknown", append(paint(unclearLine), dash))
}

func uncoveredTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Uncovered targets",
		description: "The 500 targets that most recently lost coverage, and when, or when they were first read if they were never covered. " +
			"The time is that of the recording rules in deploy/prometheus/rules.yaml. The matrix has all targets.",
		empty: "No uncovered targets, or no data",
	}, width, []column{
		accountColumn,
		regionColumn(analyzersPage),
		{"access", "Access", nil},
		{"Value", "Uncovered since", ago("needs the recording rules")},
	}, rows(withAccount("aws_access_analyzer_account_info", withConsole("topk (500, "+uncoveredSince()+")")))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Uncovered since")})
}

func unknownTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Unknown targets",
		description: "Targets with unknown coverage, and the failed operation: the 500 that were read the longest time ago. " +
			"docs/operating.md explains the reasons; the log of the exporter has the error messages of AWS.",
		empty: "No unknown targets, or no data",
	}, width, []column{
		accountColumn,
		regionColumn(analyzersPage),
		{"operation", "Operation", nil},
		{"reason", "Reason", nil},
		{"Value", "Last read", ago("never")},
	}, rows(withAccount("aws_access_analyzer_account_info", withConsole("bottomk (500, "+lastRead(unknownReasons())+")"))))
}

// lastRead replaces the value of each series of expr by the time of the last
// successful read of its target in milliseconds, or 0 for never.
func lastRead(expr string) string {
	const target = "account_id, region"
	of := "group by (" + target + ") (\n" + expr + "\n)"
	at := "max by (" + target + ") (" + series("aws_access_analyzer_scrape_last_success_timestamp_seconds", inAccount, inRegion) + " and on (" + target + ") " + of + ")"
	return "0 * (\n" + expr + "\n) + on (" + target + ") group_left () (1000 * " + at + " or 0 * " + of + ")"
}

func exemptionsTable(width uint32) cog.Builder[dashboard.Panel] {
	exempted := one(verdict+", reason", "aws_access_analyzer_coverage_exempt", inAccount, inRegion, ofAccess)
	until := one(verdict, "aws_access_analyzer_coverage_exemption_until_timestamp_seconds", inAccount, inRegion, ofAccess)
	ends := "1000 * min by (access, reason) (" + exempted + " * on (" + verdict + ") group_left () " + until + ")" +
		"\nor on (access, reason) 0 * count by (access, reason) (" + exempted + ")"
	return newPropertiesTable(about{
		title:       "Exemptions",
		description: "Exemptions from the coverage policy by access type and reason, with the first expiry.",
		empty:       "No exemptions, or no data",
	}, width, []column{
		{"access", "Access", wide(100)},
		{"reason", "Reason", []dashboard.DynamicConfigValue{set("custom.cellOptions", map[string]any{"type": "auto", "wrapText": true})}},
		{"Value targets", "Targets", wide(170)},
		{"Value ends", "First expiry", ago("none")},
	}, constant("count by (access, reason) ("+exempted+")", "property", "Value targets")+"\nor "+constant(ends, "property", "Value ends"))
}

func analyzersByStatusPanel() cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Analyzers by status",
		description: "Number of analyzers in the selected accounts and Regions by status. Only ACTIVE analyzers cover.",
		empty:       "No analyzers, or no data",
	}, 10, now("sum by (status) ("+analyzerStatus()+")", "{{status}}")).
		OverrideByRegexp("/^(DISABLED|FAILED)$/", paint(bad)).
		OverrideByName("CREATING", paint(unclear))
}

func inactiveAnalyzersTable() cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Inactive analyzers by account",
		description: "Status and reason of analyzers that are not ACTIVE, as AWS reports them; at most 500. A FAILED analyzer must be re-created.",
		empty:       "All analyzers are ACTIVE, or no data",
	}, 24, []column{
		accountColumn,
		regionColumn(analyzersPage),
		{"analyzer", "Analyzer", nil},
		{"type", "Type", nil},
		{"status", "Status", wide(110)},
		{"status_reason", "Reason", nil},
		{"Value", "Value", hidden},
	}, rows(withAccount("aws_access_analyzer_info", withConsole("topk (500, "+describedAnalyzers("type, status_reason", `status!="ACTIVE"`)+")"))))
}
