package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// noData is why a number is missing that would be 0 if somebody had looked.
const noData = "No data yet, or not scraped"

// coverageDashboard shows where nobody is looking.
func coverageDashboard() spec {
	return spec{
		uid:   coverageUID,
		title: "Access Analyzer / Coverage",
		description: "Where an ACTIVE IAM Access Analyzer looks, where none does, and where it is not known. " +
			"Unknown is never counted as covered or uncovered.",
		from:      "24h",
		variables: []string{"datasource", "account", "region", "access", "analyzer"},
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				sharePanel(6),
				uncoveredPanel(5),
				unknownPanel(5),
				exemptPanel(4),
				idleAnalyzersPanel(4),
				matrixPanel(),
			}},
			{"Over time", []cog.Builder[dashboard.Panel]{
				shareOverTimePanel(),
				gapsOverTimePanel(12),
			}},
			{"What is missing, and why", []cog.Builder[dashboard.Panel]{
				uncoveredTable(11),
				unknownTable(13),
				exemptionsTable(14),
				analyzersByStatusPanel(),
				idleAnalyzersTable(),
			}},
		},
	}
}

func sharePanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "Covered",
		description: "Share of the accounts × Regions that are covered, of those that could be judged, for each kind of access " +
			"that the policy requires, rounded down. Unused access is judged once for an account: IAM is global.",
		empty: noData,
	}, width, steps(bad, bound{1, good}), now("floor (10000 * avg by (access) ("+coverage()+")) / 10000", "{{access}}")).
		Unit(units.PercentUnit).
		Decimals(2).
		Min(0).Max(1)
}

func uncoveredPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Uncovered",
		description: "Accounts × Regions × access that no ACTIVE analyzer covers, known for certain.",
		empty:       noData,
	}, width, steps(good, anyIsBad), now(countUncovered(), "Uncovered"))
}

func unknownPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Unknown",
		description: "Accounts × Regions × access that could not be judged, because something could not be read.",
		empty:       noData,
	}, width, steps(good, bound{1, unclear}), now(countUnknown(), "Unknown"))
}

func exemptPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Exempt",
		description: "Accounts × Regions × access of which the configuration expects nothing.",
		empty:       noData,
	}, width, steps(muted), now(orZero("count ("+exemptions()+")", scraped()), "Exempt"))
}

func idleAnalyzersPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Analyzers not ACTIVE",
		description: "Analyzers that exist and do not look: CREATING, DISABLED or FAILED. Only ACTIVE covers.",
		empty:       noData,
	}, width, steps(good, anyIsBad), now("sum ("+analyzerStatus(`status!="ACTIVE"`)+")", "Not ACTIVE"))
}

// regionOrder is the order of the columns of the matrix: an instant query has
// none. A Region that is not listed comes last.
var regionOrder = []string{
	"global",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1",
	"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3",
	"ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"af-south-1", "il-central-1", "me-central-1", "me-south-1",
	"cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "eusc-de-east-1",
}

// matrixPanel has a row for each account, those with the most gaps first, and a
// column for each Region. Two more columns count the gaps: they are in the
// query under names that no Region has.
func matrixPanel() cog.Builder[dashboard.Panel] {
	perAccount := func(expr, name string) string {
		return constant("("+orZero(expr, "group by (account_id) ("+targets()+")")+")", "region", name)
	}
	expr := withAccount("aws_access_analyzer_scrape_success",
		"min by (account_id, region) (\n"+coverageState()+"\n)\n"+
			"or "+perAccount("sum by (account_id) ("+coverage()+" == bool 0)", "Uncovered")+"\n"+
			"or "+perAccount("count by (account_id) ("+unknowns()+")", "Unknown"))
	b := fill(table.NewPanelBuilder(), about{
		title: "Accounts × Regions",
		description: "✓ covered, ✗ uncovered, ? unknown, – exempt, · not expected (the Region is not enabled). " +
			"Where several kinds of access are chosen, the worst is shown: ✗ before ? before ✓. " +
			"“global” is unused access, which is judged once for an account. A click on a cell leads to the account.",
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
		WithTransformation(organize(
			columnOrder(append([]string{"account", "Uncovered", "Unknown"}, regionOrder...)...),
			matrixHeaders()))
	cells := []dashboard.DynamicConfigValue{
		set("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"}),
		set("custom.wrapHeaderText", true),
		set("links", []any{accountLink("${__data.fields.account_id}")}),
	}
	count := func(colour string) []dashboard.DynamicConfigValue {
		return []dashboard.DynamicConfigValue{
			set("mappings", []dashboard.ValueMapping{texts(map[string]look{"0": {"0", "transparent"}})}),
			set("color", map[string]any{"mode": "fixed", "fixedColor": colour}),
			set("custom.cellOptions", map[string]any{"type": "color-background", "mode": "basic"}),
			set("custom.width", 112),
		}
	}
	return b.OverrideByRegexp("/-\\d+$|^global$/", cells).
		OverrideByName("Account", verbatim).
		OverrideByName("Account", append([]dashboard.DynamicConfigValue{set("custom.align", "left")}, accountColumn.with...)).
		OverrideByName("Uncovered", count(bad)).
		OverrideByName("Unknown", count(unclear)).
		OverrideByName("account_id", unseen)
}

// matrixHeaders names the columns. Grafana breaks a header after a hyphen, and
// cuts off what is longer than the column: northeast may break in the middle.
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
		description: "Share of the accounts × Regions that are covered, of those that could be judged. " +
			"A gap in the line is a time in which nothing could be.",
		empty: noData,
	}, 12, over("avg by (access) ("+coverage()+")", "{{access}}")).
		Unit(units.PercentUnit).
		Max(1), "external", "unused", "internal")
}

// gapsOverTimePanel counts what is not covered.
func gapsOverTimePanel(width uint32) *timeseries.PanelBuilder {
	return dashed(newSeries(about{
		title: "Uncovered and unknown over time",
		description: "Accounts × Regions × access. Unknown says how far the other number can be trusted: " +
			"what is unknown is missing from it.",
		empty: noData,
	}, width, over(countUncovered(), "Uncovered"), over(countUnknown(), "Unknown")).
		OverrideByName("Uncovered", paint(bad)).
		OverrideByName("Unknown", paint(unclearLine)), "Unknown")
}

func uncoveredTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Uncovered, and since when",
		description: "What no ACTIVE analyzer covers, and when it was last seen covered: to the minute within the last half hour, " +
			"to half an hour before that. The 500 that lost their coverage last; the matrix has all.",
		empty: "Nothing is known to be uncovered. Where the number above is missing too, there is no data.",
	}, width, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"access", "Access", nil},
		{"Value", "Last covered", ago("not in the last 7 days")},
	}, rows(withAccount("aws_access_analyzer_coverage", "topk (500, "+uncoveredSince()+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Last covered")})
}

func unknownTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Unknown, and why",
		description: "Targets of which something could not be judged, and what failed there. The reasons are explained in the " +
			"documentation of the exporter; its log has AWS' own words.",
		empty: "Nothing is unknown. Where the number above is missing too, there is no data.",
	}, width, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"operation", "Operation", nil},
		{"reason", "Reason", nil},
		{"Value", "Last read", ago("never")},
	}, rows(withAccount("aws_access_analyzer_scrape_success", lastRead(unknownWhy()))))
}

// lastRead replaces the value of each series of expr by when its target was
// last read, in milliseconds, or 0 for never.
func lastRead(expr string) string {
	at := one("account_id, region", "aws_access_analyzer_scrape_last_success_timestamp_seconds", inAccount, inRegion)
	return "0 * (\n" + expr + "\n) + on (account_id, region) group_left () (1000 * " + at + " or 0 * " + targets() + ")"
}

func exemptionsTable(width uint32) cog.Builder[dashboard.Panel] {
	places := one(place+", reason", "aws_access_analyzer_coverage_exempt", inAccount, inRegion, ofAccess)
	until := one(place, "aws_access_analyzer_coverage_exemption_until_timestamp_seconds", inAccount, inRegion, ofAccess)
	ends := "1000 * min by (access, reason) (" + places + " * on (" + place + ") group_left () " + until + ")" +
		"\nor on (access, reason) 0 * count by (access, reason) (" + places + ")"
	return newFactsTable(about{
		title:       "Exemptions",
		description: "What the configuration expects no coverage of, for which reason, and when the first of these exemptions ends.",
		empty:       "Nothing is exempt. Where the number above is missing too, there is no data.",
	}, width, []column{
		{"access", "Access", wide(100)},
		{"reason", "Reason", []dashboard.DynamicConfigValue{set("custom.cellOptions", map[string]any{"type": "auto", "wrapText": true})}},
		{"Value places", "Accounts × Regions", wide(170)},
		{"Value ends", "First ends", ago("no end")},
	}, constant("count by (access, reason) ("+places+")", "fact", "Value places")+"\nor "+constant(ends, "fact", "Value ends"))
}

func analyzersByStatusPanel() cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Analyzers by status",
		description: "All analyzers that were seen in the chosen accounts and Regions. Only ACTIVE covers.",
		empty:       "No analyzer was seen, or there is no data.",
	}, 10, now("sum by (status) ("+analyzerStatus()+")", "{{status}}")).
		OverrideByRegexp("/^(DISABLED|FAILED)$/", paint(bad)).
		OverrideByName("CREATING", paint(unclear))
}

func idleAnalyzersTable() cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Analyzers that are not ACTIVE",
		description: "Status, and the reason where AWS gives one. A FAILED analyzer has to be deleted and created anew.",
		empty:       "Every analyzer is ACTIVE. Where the number above is missing too, there is no data.",
	}, 24, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"analyzer", "Analyzer", nil},
		{"type", "Type", nil},
		{"status", "Status", wide(110)},
		{"status_reason", "Reason", nil},
		{"Value", "Value", unseen},
	}, rows(withAccount("aws_access_analyzer_info", describedAnalyzers("type, status_reason", `status!="ACTIVE"`))))
}
