package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// once is what every panel that counts findings has to say.
const once = "Nothing is counted twice: of several analyzers that report the same kind of resource the largest count stands, " +
	"and what belongs to IAM (a shared role, unused access) counts once and not for each Region. Choose one analyzer to see its view."

// noFindings is why there is no count of findings.
const noFindings = "Not counted: no analyzer, or no count yet"

// findingTypes are the finding types, in the order of their colours.
var findingTypes = []string{
	"ExternalAccess", "UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission", "InternalAccess",
}

// findingsDashboard shows what the analyzers found.
func findingsDashboard() spec {
	return spec{
		uid:         findingsUID,
		title:       "Access Analyzer / Findings",
		description: "What IAM Access Analyzer found, in all accounts and Regions at once, and how it changes. " + once,
		from:        "7d",
		variables:   []string{"datasource", "account", "region", "finding_type", "analyzer"},
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				activePanel(4),
				publicPanel(4),
				crossAccountPanel(4),
				oldestPanel(4),
				appearedPanel(4),
				erroneousPanel(4),
				topAccountsPanel(10),
				resourceTypesPanel(8),
				byRegionPanel(6),
			}},
			{"Over time", []cog.Builder[dashboard.Panel]{
				byTypePanel(8),
				exposureOverTimePanel(8),
				driftPanel(8),
			}},
			{"Which ones", []cog.Builder[dashboard.Panel]{
				appearedTable(12),
				oldestTable(12),
				erroneousTable(24),
			}},
		},
	}
}

func activePanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Active findings",
		description: "Findings that nobody has archived or resolved. " + once,
		empty:       noFindings,
	}, width, now(orZero("sum ("+active()+")", looked()), "Active"))
}

// exposed counts ACTIVE external access findings: public ones ("true"), or
// those of known principals ("false").
func exposed(public string) string {
	return orZero("sum ("+active(`finding_type="ExternalAccess"`, `public="`+public+`"`)+")", looked())
}

func publicPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Public",
		description: "ACTIVE external access findings of resources that anybody can use. " + once,
		empty:       noFindings,
	}, width, steps(good, anyIsBad), now(exposed("true"), "Public"))
}

func crossAccountPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title: "Cross-account",
		description: "ACTIVE external access findings of resources that somebody outside the analyzer's zone of trust can use: " +
			"outside its account or its organization. " + once,
		empty: noFindings,
	}, width, now(exposed("false"), "Cross-account"))
}

func oldestPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Oldest active finding",
		description: "When the oldest ACTIVE finding was created: how long one has been waiting for a decision.",
		empty:       "There is no active finding, or nothing is scraped.",
	}, width, now("1000 * min ("+oldest()+")", "Oldest")).
		Unit(units.DateTimeFromNow)
}

// oldest is when the oldest ACTIVE finding of each account and finding type was
// created, whichever analyzer says so.
func oldest() string {
	return "min by (account_id, finding_type) (" +
		series("aws_access_analyzer_oldest_active_finding_timestamp_seconds", inAccount, inRegion, ofType, ofAnalyzer) + ")"
}

func appearedPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title: "Newly appeared",
		description: "By how much the ACTIVE findings exceed those at the start of the time range, in each account, finding type and " +
			"resource type that has more of them. One that appeared while another of its kind went does not show, nor do those of an " +
			"analyzer that was not counted then. Missing where nothing was counted at the start of the time range: choose a shorter one. " + once,
		empty: "Not counted back then",
	}, width, steps(good, bound{1, unclear}), now(orZero("sum ("+appeared()+")", "group ("+countedThen+")"), "New"))
}

// erroneous counts the findings whose resource AWS could not analyse, for each
// account and Region. It is not to be summed over Regions: the metric does not
// say which of them belong to one and the same role.
func erroneous() string {
	return one("account_id, region, finding_type, error", "aws_access_analyzer_findings_with_errors", inAccount, inRegion, ofType, ofAnalyzer)
}

func erroneousPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Accounts with errors",
		description: "Accounts with resources that AWS could not analyse: who has access to them is not known.",
		empty:       noFindings,
	}, width, steps(good, bound{1, unclear}), now(orZero("count (group by (account_id) ("+erroneous()+" > 0))", looked()), "Accounts"))
}

func topAccountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Accounts with most findings",
		description: "The 15 accounts with most ACTIVE findings; a click leads to the account. " + once,
		empty:       "There is no active finding, or nothing is scraped.",
	}, width, now(withAccount("aws_access_analyzer_findings", "topk (15, sum by (account_id) "+active()+" > 0)"), "{{account}}")).
		OverrideByFieldType("number", []dashboard.DynamicConfigValue{
			set("links", []any{accountLink("${__field.labels.account_id}")}),
		})
}

func resourceTypesPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title: "Resource types",
		description: "ACTIVE findings by type of resource. " + once + " Without the exporter's label resource_type a shared role " +
			"cannot be told from other resources and counts once for each Region.",
		empty: "There is no active finding with a resource type, or nothing is scraped.",
	}, width, now("sort_desc (sum by (resource_type) ("+active(`resource_type!=""`)+") > 0)", "{{resource_type}}"))
}

func byRegionPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Regions",
		description: "ACTIVE findings by Region. What belongs to IAM has none: it stands under “global”. " + once,
		empty:       "There is no active finding, or nothing is scraped.",
	}, width, now("sort_desc (sum by (region) ("+active()+") > 0)", "{{region}}"))
}

// byTypePanel is how the number of ACTIVE findings develops.
func byTypePanel(width uint32) cog.Builder[dashboard.Panel] {
	return painted(newSeries(about{
		title:       "Active findings by type",
		description: "Findings that nobody has archived or resolved. " + once,
		empty:       noFindings,
	}, width, over("sum by (finding_type) "+active(), "{{finding_type}}")), findingTypes...)
}

// exposureOverTimePanel sets public against cross-account access.
func exposureOverTimePanel(width uint32) cog.Builder[dashboard.Panel] {
	return dashed(newSeries(about{
		title:       "Public against cross-account",
		description: "ACTIVE external access findings: open to anybody, or to somebody outside the analyzer's zone of trust. " + once,
		empty:       noFindings,
	}, width, over(exposed("true"), "Public"), over(exposed("false"), "Cross-account")).
		OverrideByName("Public", paint(bad)).
		OverrideByName("Cross-account", paint(good)), "Cross-account")
}

// driftPanel shows whether findings are dealt with or put away.
func driftPanel(width uint32) cog.Builder[dashboard.Panel] {
	return dashed(newSeries(about{
		title: "Archived against active",
		description: "Archived findings are put away, by hand or by a rule, and the access remains. Many more of them without fewer " +
			"active ones is worth a look at the archive rules. Statuses that the exporter is not configured to count are not there. " + once,
		empty: noFindings,
	}, width, over("sum by (status) "+findings(), "{{status}}")).
		OverrideByName("ACTIVE", paint(bad)).
		OverrideByName("ARCHIVED", paint(good)).
		OverrideByName("RESOLVED", paint(muted)), "ARCHIVED")
}

func appearedTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Where they newly appeared",
		description: "Where there are more ACTIVE findings than at the start of the time range, and how many more: the 50 largest. " + once,
		empty:       "Nothing has appeared within the time range, or there is no count from its start: the number above tells which.",
	}, width, []column{
		accountColumn,
		{"finding_type", "Finding type", nil},
		{"resource_type", "Resource type", nil},
		{"Value", "More than before", wide(150)},
	}, rows(withAccount("aws_access_analyzer_findings", "topk (50, "+appeared()+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("More than before")})
}

func oldestTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Oldest active findings",
		description: "The oldest ACTIVE finding of each account and finding type, whichever analyzer reports it: the 50 oldest.",
		empty:       "There is no active finding, or nothing is scraped.",
	}, width, []column{
		accountColumn,
		{"finding_type", "Finding type", nil},
		{"Value", "Created", fromNow},
	}, rows(withAccount("aws_access_analyzer_oldest_active_finding_timestamp_seconds", "1000 * bottomk (50, "+oldest()+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Created")})
}

func erroneousTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title: "What AWS could not analyse",
		description: "ACTIVE findings that say so, with the error that AWS gives: the 50 largest counts. Do not add them up over Regions: " +
			"an IAM role that cannot be analysed is one in each.",
		empty: "AWS could analyse every resource that has a finding, or nothing is scraped.",
	}, width, []column{
		accountColumn,
		{"region", "Region", wide(125)},
		{"finding_type", "Finding type", nil},
		{"error", "Error", nil},
		{"Value", "Findings", wide(120)},
	}, rows(withAccount("aws_access_analyzer_findings_with_errors", "topk (50, "+erroneous()+" > 0)"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Findings")})
}
