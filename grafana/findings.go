package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// once explains how all panels count findings. It stands in one panel of a dashboard.
const once = "Findings are deduplicated: the maximum over analyzers that report the same resources, " +
	"and IAM resources once instead of once per Region. Select one analyzer to see its own counts."

// noFindings is the text of panels without counts of findings.
const noFindings = "No analyzer, or not counted yet"

// findingTypes are the finding types in the order of their colors.
var findingTypes = []string{
	"ExternalAccess", "UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission", "InternalAccess",
}

// findingsDashboard shows the findings of all accounts and Regions.
func findingsDashboard() spec {
	return spec{
		uid:         findingsUID,
		title:       "Access Analyzer / Findings",
		description: "Findings of IAM Access Analyzer in all accounts and Regions, and their trend.",
		from:        "7d",
		variables:   append(slices.Clone(accounts), "page", "region", "finding_type", "analyzer"),
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				activePanel(6),
				publicPanel(4),
				crossAccountPanel(4),
				oldestPanel(4),
				newFindingsPanel(3),
				erroneousPanel(3),
				topAccountsPanel(10),
				resourceTypesPanel(8),
				byRegionPanel(6),
			}},
			{"Over time", []cog.Builder[dashboard.Panel]{
				byTypePanel("Active findings by type", 8),
				exposureOverTimePanel(8),
				driftPanel(8),
			}},
			{"Details", []cog.Builder[dashboard.Panel]{
				publicTable(24),
				newFindingsTable(12),
				oldestTable(12),
				erroneousTable(24),
				byOU.findingsTable(12),
				byLabel.findingsTable(12),
			}},
		},
	}
}

func activePanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Active findings",
		description: "Number of ACTIVE findings, and if any are missing, the number of analyzers that are not counted and of targets that are not read. " + once,
		empty:       noFindings,
	}, width, now(activeCount(), "Active"), now(uncountedAnalyzers()+" > 0", notCounted), now(unreadTargets()+" > 0", "Targets not read"))
}

// exposed counts ACTIVE external access findings: public ("true") or
// cross-account ("false").
func exposed(public string) string {
	return activeCount(`finding_type="ExternalAccess"`, `public="`+public+`"`)
}

func publicPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Public",
		description: "Number of ACTIVE external access findings of publicly accessible resources.",
		empty:       noFindings,
	}, width, steps(good, anyIsBad), now(exposed("true"), "Public"))
}

func crossAccountPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title: "Cross-account",
		description: "Number of ACTIVE external access findings of resources that specific principals outside the zone of trust can access: " +
			"outside the account or the organization of the analyzer.",
		empty: noFindings,
	}, width, now(exposed("false"), "Cross-account"))
}

func oldestPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Oldest active finding",
		description: "Age of the oldest ACTIVE finding.",
		empty:       "No active findings, or no data",
	}, width, now("1000 * min ("+oldest()+")", "Oldest")).
		Unit(units.DateTimeFromNow)
}

// oldestActive has a series for each account with ACTIVE findings, and fewer than their
// counts: it is the one to take account IDs from.
const oldestActive = "aws_access_analyzer_oldest_active_finding_timestamp_seconds"

// oldest is the creation time of the oldest ACTIVE finding of each account and
// finding type, over all analyzers.
func oldest() string {
	return "min by (account_id, finding_type) (" +
		series(oldestActive, inAccount, inRegion, ofType, ofAnalyzer) + ")"
}

func newFindingsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "New findings",
		description: "Number of ACTIVE findings that appeared in the time range: the increases of each hour. A finding that " +
			"replaces a resolved one within an hour is not included, nor are findings of an analyzer in its first day.",
		empty: unrecorded,
	}, width, steps(good, bound{1, unclear}), now(orZero("sum ("+appeared()+")", recordedThroughout()), "New"))
}

// erroneousBy are the labels of errors.
const erroneousBy = "account_id, region, finding_type, error"

// erroneous counts the findings whose resource AWS could not analyze, by account
// and Region. A sum over Regions would count a global role several times.
func erroneous(more ...string) string {
	return one(strings.Join(append([]string{erroneousBy}, more...), ", "), "aws_access_analyzer_findings_with_errors", inAccount, inRegion, ofType, ofAnalyzer)
}

func erroneousPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Accounts with errors",
		description: "Number of accounts with resources that AWS could not analyze. Access to these resources is unknown.",
		empty:       noFindings,
	}, width, steps(good, bound{1, unclear}), now(orZero("count (group by (account_id) ("+erroneous()+" > 0))", counted()), "Accounts"))
}

func topAccountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Top accounts",
		description: "The 15 accounts with the most ACTIVE findings. Bars link to the account.",
		empty:       "No active findings, or no data",
	}, width, now(withAccount(oldestActive, "topk (15, "+activeBy("account_id")+" > 0)"), "{{account}}")).
		OverrideByFieldType("number", []dashboard.DynamicConfigValue{
			set("links", []any{accountLink("${__field.labels.account_id}")}),
		})
}

func resourceTypesPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title: "Resource types",
		description: "Number of ACTIVE findings by resource type. If findings.resource_type is off, a role " +
			"counts once per Region.",
		empty: "No active findings with a resource type, or no data",
	}, width, now("sort_desc ("+activeBy("resource_type", `resource_type!=""`)+" > 0)", "{{resource_type}}"))
}

func byRegionPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Regions",
		description: "Number of ACTIVE findings by Region. IAM resources are “global”.",
		empty:       "No active findings, or no data",
	}, width, now("sort_desc (("+findingCount("region", `status="ACTIVE"`)+") > 0)", "{{region}}"))
}

// notCounted is the legend of the analyzers whose findings are missing in a panel.
const notCounted = "Analyzers not counted"

// ifIncomplete ends the legend of a line while findings are missing.
const ifIncomplete = ", incomplete"

// completeOrNot matches the legend of a line, whether or not findings are missing.
func completeOrNot(legend string) string { return "/^" + legend + "(" + ifIncomplete + ")?$/" }

// line is a query with its legend.
type line struct{ expr, legend string }

// findingsOverTime is a panel of counts with the number of analyzers whose findings
// are missing. While more are missing than before, lines are dashed and have another
// name: a total that falls because of them is not an improvement.
func findingsOverTime(a about, width uint32, lines ...line) *timeseries.PanelBuilder {
	a.description += " Findings of analyzers that are not counted are missing: for a day after one was last counted, lines are dashed."
	var queries []*prometheus.DataqueryBuilder
	for _, l := range lines {
		queries = append(queries, over("(\n"+l.expr+"\n)\nunless on () ("+incomplete()+")", l.legend))
	}
	for _, l := range lines {
		queries = append(queries, over("(\n"+l.expr+"\n)\nand on () ("+incomplete()+")", l.legend+ifIncomplete))
	}
	queries = append(queries, over(uncountedAnalyzers()+" > 0", notCounted))
	return newSeries(a, width, queries...).
		OverrideByName(notCounted, append(paint(unclearLine), dash)).
		OverrideByRegexp("/"+ifIncomplete+"$/", []dashboard.DynamicConfigValue{dash, set("custom.fillOpacity", 0)})
}

// byTypePanel shows the trend of ACTIVE findings by type.
func byTypePanel(title string, width uint32) *timeseries.PanelBuilder {
	return painted(findingsOverTime(about{
		title:       title,
		description: "Number of ACTIVE findings.",
		empty:       noFindings,
	}, width, line{findingCount("finding_type", `status="ACTIVE"`), "{{finding_type}}"}), findingTypes...)
}

// exposureOverTimePanel compares public and cross-account access.
func exposureOverTimePanel(width uint32) cog.Builder[dashboard.Panel] {
	return findingsOverTime(about{
		title:       "Public and cross-account",
		description: "Number of ACTIVE external access findings: public, or of specific principals outside the zone of trust.",
		empty:       noFindings,
	}, width, line{exposed("true"), "Public"}, line{exposed("false"), "Cross-account"}).
		OverrideByRegexp(completeOrNot("Public"), paint(bad)).
		OverrideByRegexp(completeOrNot("Cross-account"), paint(good)).
		OverrideByName("Cross-account", []dashboard.DynamicConfigValue{dots})
}

// driftPanel shows whether findings are resolved or archived.
func driftPanel(width uint32) cog.Builder[dashboard.Panel] {
	return findingsOverTime(about{
		title: "Findings by status",
		description: "Number of findings by status. The access of an archived finding remains: if archived findings increase and " +
			"active ones do not decrease, check the archive rules. Only statuses in findings.statuses are counted.",
		empty: noFindings,
	}, width, line{findingCount("status"), "{{status}}"}).
		OverrideByRegexp(completeOrNot("ACTIVE"), paint(bad)).
		OverrideByRegexp(completeOrNot("ARCHIVED"), paint(good)).
		OverrideByRegexp(completeOrNot("RESOLVED"), paint(muted)).
		OverrideByName("ARCHIVED", []dashboard.DynamicConfigValue{dots})
}

// public is the creation time of the oldest ACTIVE public finding of each resource, with
// the account of its analyzer.
func public() string {
	const resource = "account_id, region, resource_type, resource"
	return "bottomk by (" + resource + ") (1, min by (" + resource + ", analyzer_account_id) (" +
		series("aws_access_analyzer_public_finding_created_timestamp_seconds", inAccount, `region=~"$region|global"`, ofAnalyzer) + "))"
}

func publicTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "Public resources",
		description: "The 100 newest of the public resources that are listed: the oldest of each account, up to findings.public_resources. " +
			"Anyone on the internet may be able to access them. An IAM role is listed once, in Region “global”. A resource that several " +
			"analyzers report is shown with its oldest finding.",
		empty: "No public resources, none listed (findings.public_resources: 0), or no data",
	}, width, []column{
		accountColumn,
		regionColumn(ownerPage),
		{"resource_type", "Resource type", nil},
		{"resource", "Resource", nil},
		{"Value", "Created", fromNow},
	}, rows(withAccount("aws_access_analyzer_public_finding_created_timestamp_seconds", withConsole("1000 * topk (100, "+public()+")")))).
		OverrideByName("analyzer_account_id", hidden).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Created")})
}

func newFindingsTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "New findings by account",
		description: "The 50 largest numbers of ACTIVE findings that appeared in the time range, one per account and finding type.",
		empty:       "No new findings, or recording rules loaded for less than an hour",
	}, width, []column{
		accountColumn,
		{"finding_type", "Finding type", nil},
		{"Value", "New", wide(150)},
	}, rows(withAccount(oldestActive, "topk (50, ("+appeared()+") > 0)"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("New")})
}

func oldestTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Oldest active findings",
		description: "The 50 oldest ACTIVE findings, one per account and finding type.",
		empty:       "No active findings, or no data",
	}, width, []column{
		accountColumn,
		{"finding_type", "Finding type", nil},
		{"Value", "Created", fromNow},
	}, rows(withAccount(oldestActive, "1000 * bottomk (50, "+oldest()+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Created")})
}

func erroneousTable(width uint32) cog.Builder[dashboard.Panel] {
	errors := "topk by (" + erroneousBy + ") (1, " + erroneous("analyzer_account_id") + ")"
	return newTable(about{
		title: "Resources that AWS could not analyze",
		description: "The 50 largest counts of ACTIVE findings with an error, by error code. Do not sum over Regions: " +
			"an IAM role is counted in each of them.",
		empty: "No findings with errors, or no data",
	}, width, []column{
		accountColumn,
		regionColumn(ownerPage),
		{"finding_type", "Finding type", nil},
		{"error", "Error", nil},
		{"Value", "Findings", wide(120)},
	}, rows(withAccount("aws_access_analyzer_findings_with_errors", withConsole("topk (50, "+errors+" > 0)")))).
		OverrideByName("analyzer_account_id", hidden).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Findings")})
}
