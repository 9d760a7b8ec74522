package main

import (
	"fmt"
	"slices"
	"strings"
)

// Matchers on the dashboard variables. All metrics about AWS have the first two
// labels. owned are the accounts with the chosen labels of accounts, as IDs that
// Grafana joins: Prometheus then reads no series of other accounts.
const (
	inOwned    = `account_id=~"${owned:pipe}"`
	inAccount  = `account_id=~"$account", ` + inOwned
	inRegion   = `region=~"$region"`
	ofAccess   = `access=~"$access"`
	ofType     = `finding_type=~"$finding_type"`
	ofAnalyzer = `analyzer=~"$analyzer"`
)

// ofExporter selects the exporters. Every selector has it.
const ofExporter = `organization=~"$organization", cluster=~"$cluster", job=~"$job"`

// fleetOnly selects a series only if no account is chosen, and accountsOnly only if
// accounts or their labels are. No series has the label: its value is empty, which
// matches “.*”, the value of a variable if nothing is chosen, and no account ID. Of two
// expressions with these matchers, Prometheus reads series of one alone. Findings can
// be chosen by analyzer, too. allRegions and chosenRegions are about Regions
// and analyzers.
const (
	fleetOnly      = `all_accounts=~"$account` + chosenLabels + `"`
	accountsOnly   = `all_accounts!~"$account` + chosenLabels + `"`
	allFindings    = `all_accounts=~"$account$analyzer` + chosenLabels + `"`
	chosenFindings = `all_accounts!~"$account$analyzer` + chosenLabels + `"`
	allRegions     = `all_regions=~"$region$analyzer"`
	chosenRegions  = `all_regions!~"$region$analyzer"`
)

// chosenLabels are the variables of labels of accounts.
const chosenLabels = "$ou$value$second_value"

// Values of coverageState. The lowest value is the worst.
const (
	uncovered = "0"
	unknown   = "1"
	covered   = "2"
	exempt    = "3"
)

// verdict are the labels of one coverage verdict.
const verdict = "account_id, region, access"

// analyzer are the labels that identify an analyzer.
const analyzer = "account_id, region, analyzer"

// series selects the series of a metric.
func series(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(append(matchers, ofExporter), ", ") + "}"
}

// one deduplicates the series of replicas, and of the old and the new exporter
// during a rolling update.
func one(labels, metric string, matchers ...string) string {
	return fmt.Sprintf("max by (%s) (%s)", labels, series(metric, matchers...))
}

// constant sets a label of all series of expr.
func constant(expr, label, value string) string {
	return fmt.Sprintf(`label_replace(%s, "%s", "%s", "", "")`, expr, label, value)
}

// orZero returns 0 instead of an empty result if present has series. Without them
// the value is unknown and the result stays empty.
func orZero(expr, present string) string {
	return fmt.Sprintf("(%s) or 0 * (%s)", expr, present)
}

// accountNames has a series with value 1 for each account. Its label account is
// “name · ID”, or the ID for accounts of metric without a name. topk selects one
// name if two exporters differ after a rename: two would fail the join.
func accountNames(metric string) string {
	named := one("account_id, account_name", "aws_access_analyzer_account_info", `account_name!=""`)
	return fmt.Sprintf(`(
  topk by (account_id) (1, label_join(%s, "account", " · ", "account_name", "account_id"))
  or on (account_id)
  label_replace(group by (account_id) (%s), "account", "$1", "account_id", "(.+)")
)`, named, series(metric, inOwned))
}

// withAccount joins the label account. metric is one that expr uses.
func withAccount(metric, expr string) string {
	return fmt.Sprintf("(%s)\n* on (account_id) group_left (account) %s", expr, accountNames(metric))
}

// coverage is 1 or 0 for each target and access type, without unknown ones.
func coverage(matchers ...string) string {
	return one(verdict, "aws_access_analyzer_coverage", append([]string{inAccount, inRegion, ofAccess}, matchers...)...)
}

// exporterLabels identify one exporter, and organizationLabels the exporters of one
// organization.
const (
	organizationLabels = "organization, cluster, namespace, job"
	exporterLabels     = organizationLabels + ", instance"
)

// total sums a metric of which each shard exports its part. It counts replicas
// once: of several exporters with the ordinal of one shard, the maximum is used.
// labels are those of the metric that the matchers and by need.
func total(by, metric, labels string, matchers ...string) string {
	ordinal := fmt.Sprintf(`count_values by (%s) ("ordinal", %s)`, exporterLabels, series("access_analyzer_exporter_shard_ordinal"))
	return fmt.Sprintf("sum by (%s) (max by (%s, ordinal, %s) (\n%s\n* on (%s) group_left (ordinal) %s))",
		by, organizationLabels, labels, series(metric, matchers...), exporterLabels, ordinal)
}

// targetCount is the number of targets in a state by access type, of all accounts
// as the exporter counts them, or else of the accounts that are chosen.
func targetCount(state string, inAccounts func() string) string {
	return fmt.Sprintf("%s\nor %s", total("access", "aws_access_analyzer_coverage_targets", "access, region, state", fleetOnly, inRegion, ofAccess, `state=~"`+state+`"`), inAccounts())
}

// exemptions has a series for each exempt target and access type.
func exemptions(matchers ...string) string {
	return one(verdict, "aws_access_analyzer_coverage_exempt", append([]string{inAccount, inRegion, ofAccess}, matchers...)...)
}

// targets is 1 for each target that could be read and 0 for the others. region
// is “global” for data of the account itself.
func targets(matchers ...string) string {
	return one("account_id, region", "aws_access_analyzer_scrape_success", append([]string{inAccount, inRegion}, matchers...)...)
}

// unknowns is 1 for each unknown target and access type.
func unknowns(matchers ...string) string {
	return one(verdict, "aws_access_analyzer_coverage_unknown", append([]string{inAccount, inRegion, ofAccess}, matchers...)...)
}

// coverageState is uncovered, unknown, covered or exempt for each target and
// access type.
func coverageState() string {
	return fmt.Sprintf("%s * %s\nor %s * %s\nor %s * %s", covered, coverage(), unknown, unknowns(), exempt, exemptions())
}

// share is the share of targets that are covered, without unknown and exempt ones.
func share() string {
	covered := targetCount("covered", func() string { return "sum by (access) (" + coverage(accountsOnly) + ")" })
	known := targetCount("covered|uncovered", func() string { return "count by (access) (" + coverage(accountsOnly) + ")" })
	return "(\n" + covered + "\n) / (\n" + known + "\n)"
}

// roundedDown is a share in tenths of a percent: only 100% is shown as 100%.
func roundedDown(share string) string { return "floor (1000 * (\n" + share + "\n) + 1e-9) / 1000" }

// countUncovered counts uncovered targets and access types.
func countUncovered() string {
	return "sum (\n" + targetCount("uncovered", func() string { return "sum by (access) (" + coverage(accountsOnly) + " == bool 0)" }) + "\n)"
}

// countUnknown counts unknown targets and access types.
func countUnknown() string {
	return countOf("unknown", unknowns(accountsOnly))
}

// countExempt counts exempt targets and access types.
func countExempt() string {
	return countOf("exempt", exemptions(accountsOnly))
}

// countOf counts the targets in a state. inAccounts has a series for each of them in
// the accounts that are chosen: without any, 0 if those accounts have targets.
func countOf(state, inAccounts string) string {
	return "sum (\n" + targetCount(state, func() string {
		return "count by (access) (\n" + inAccounts + "\n)\nor 0 * group (" + targets(accountsOnly) + ")"
	}) + "\n)"
}

// uncoveredSince is since when each target is uncovered, or since when that is known,
// in milliseconds as the recording rules have it: 0 without the rules.
func uncoveredSince() string {
	now := "(" + coverage() + " == 0)"
	since := one(verdict, "target:aws_access_analyzer_coverage:uncovered", inAccount, inRegion, ofAccess)
	return fmt.Sprintf("1000 * (%s > 1) and on (%s) %s\nor on (%s) %s", since, verdict, now, verdict, now)
}

// unknownReasons has a series for each failed operation of a target with unknown
// coverage, and one for such a target without a failed operation.
func unknownReasons() string {
	failures := one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion)
	otherAccount := constant(constant("group by (account_id, region) ("+unknowns()+")", "operation", "–"), "reason", "an account that may hold organization analyzers could not be read")
	return fmt.Sprintf("(%s\nand on (account_id, region) %s)\nor on (account_id, region) %s", failures, unknowns(), otherAccount)
}

// analyzerStatus is 1 for the status that each analyzer has and 0 for others.
func analyzerStatus(matchers ...string) string {
	selected := append([]string{inAccount, inRegion, ofAnalyzer}, matchers...)
	return ofSelectedAccess(one(analyzer+", status", "aws_access_analyzer_status", selected...))
}

// ofSelectedAccess selects analyzers by access type, a label of the info metric.
func ofSelectedAccess(expr string) string {
	return expr + "\nand on (" + analyzer + ") " + series("aws_access_analyzer_info", ofAccess)
}

// describedAnalyzers has a series for each analyzer with its status and labels of
// its info metric. topk selects one series if two exporters differ.
func describedAnalyzers(labels string, matchers ...string) string {
	info := one(analyzer+", "+labels, "aws_access_analyzer_info", inAccount, inRegion, ofAccess, ofAnalyzer)
	return fmt.Sprintf("((%s) == 1)\n* on (%s) group_left (%s) topk by (%s) (1, %s)",
		analyzerStatus(matchers...), analyzer, labels, analyzer, info)
}

// findings counts the findings that the variables select, by account_id,
// region, finding_type, status, resource_type and public. Summed over any of
// these, nothing is counted twice:
//   - Counts of several analyzers are not summed: the maximum is used.
//   - IAM is global. A role with external access has a finding in each Region with
//     an external access analyzer, and unused access is the same in every Region.
//     Both are counted once, in region “global”.
//     https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-resources.html
func findings(matchers ...string) string {
	return findingsOf("aws_access_analyzer_findings", asIs, matchers...)
}

// asIs reads the current value of a selector.
func asIs(selector string) string { return selector }

// findingsOf is findings of a metric, with from applied to each selector.
func findingsOf(metric string, from func(selector string) string, matchers ...string) string {
	k := findingKinds(metric, from, matchers...)
	return fmt.Sprintf("(\n  %s\n  or %s\n)", k.regional, constant(fmt.Sprintf("(%s or %s)", k.unused, k.iam), "region", "global"))
}

// kinds of findings have no series in common. Only regional has the label region.
type kinds struct{ regional, unused, iam string }

func findingKinds(metric string, from func(selector string) string, matchers ...string) kinds {
	const labels = "finding_type, status, resource_type, public"
	most := func(by string, more ...string) string {
		all := slices.Concat([]string{inAccount, inRegion, ofType, ofAnalyzer}, matchers, more)
		return fmt.Sprintf("max by (%s, %s) (%s)", by, labels, from(series(metric, all...)))
	}
	return kinds{
		regional: most("account_id, region", `finding_type!~"Unused.+"`, `resource_type!~"AWS::IAM::.+"`),
		unused:   most("account_id", `finding_type=~"Unused.+"`),
		iam:      most("account_id", `finding_type!~"Unused.+"`, `resource_type=~"AWS::IAM::.+"`),
	}
}

// activeBy sums active by labels other than region. Each kind is summed first: to unite
// sums costs less than to unite all findings.
func activeBy(by string, matchers ...string) string {
	k := findingKinds("aws_access_analyzer_findings", asIs, append([]string{`status="ACTIVE"`}, matchers...)...)
	sum := func(kind, name string) string {
		return constant(fmt.Sprintf("sum by (%s) (%s)", by, kind), "kind", name)
	}
	return fmt.Sprintf("sum by (%s) (\n  %s\n  or %s\n  or %s\n)", by, sum(k.regional, "regional"), sum(k.unused, "unused"), sum(k.iam, "iam"))
}

// findingCount counts findings by labels of the fleet's totals: those of all accounts
// as the exporter counts them, or else those of the accounts and analyzers that are
// chosen.
func findingCount(by string, matchers ...string) string {
	all := append([]string{allFindings, inRegion, ofType}, matchers...)
	return total(by, "aws_access_analyzer_resources_with_findings", "finding_type, status, public, region", all...) +
		fmt.Sprintf("\nor sum by (%s) %s", by, findings(append([]string{chosenFindings}, matchers...)...))
}

// activeCount is the number of ACTIVE findings: 0 if none is counted.
func activeCount(matchers ...string) string {
	return "sum (" + findingCount("finding_type", append([]string{`status="ACTIVE"`}, matchers...)...) + ")\nor 0 * (" + countedIn() + ")"
}

// uncountedAnalyzers is the number of analyzers whose findings are not known: of all
// accounts as the exporter counts them, or else those of the accounts that are chosen
// and of the organization, which report findings in these accounts, too.
func uncountedAnalyzers() string {
	info := func(which string) string {
		return one(analyzer, "aws_access_analyzer_info", chosenFindings, which, inRegion, ofAnalyzer)
	}
	chosen := "(" + info(inAccount) + " or " + info(`scope="organization"`) + ")"
	return "(sum (" + total("region", "aws_access_analyzer_uncounted_analyzers", "region", allFindings, inRegion) + ")\nor count (" + chosen +
		"\nunless on (" + analyzer + ") " + series("aws_access_analyzer_findings_last_success_timestamp_seconds", inRegion, ofAnalyzer) + ")" +
		"\nor 0 * group (" + chosen + "))"
}

// incomplete has a series while the findings of more analyzers are unknown than at some
// time of the day before: a total that falls then is not an improvement.
func incomplete() string {
	n := uncountedAnalyzers()
	return n + " > min_over_time (" + n + "[1d:5m])"
}

// unreadTargets is the number of targets whose analyzers are not known, if any.
func unreadTargets() string {
	return "count (" + one("account_id, region", "aws_access_analyzer_target_unread", inAccount, inRegion) + ")"
}

// counted has a series if findings are counted: anywhere, or in what is chosen.
func counted() string {
	return "group (" + series("aws_access_analyzer_resources_with_findings", allFindings, inRegion) + ") or " + countedIn()
}

// countedIn has a series if accounts, their labels or analyzers are chosen, and an
// analyzer covers the selected targets or has findings in them.
func countedIn() string {
	return fmt.Sprintf("group (%s) or group (%s == 1)",
		series("aws_access_analyzer_findings", chosenFindings, inAccount, inRegion),
		series("aws_access_analyzer_coverage", chosenFindings, inAccount, inRegion))
}

// changed counts the findings that appeared or went in a window by account and finding
// type: new1h or gone1h, which rules record once an hour.
func changed(record, window string, matchers ...string) string {
	return "max by (account_id, finding_type) (sum_over_time(" +
		series("account_type:aws_access_analyzer_findings:"+record, append(matchers, inAccount, ofType)...) + "[" + window + "]))"
}

// appeared is the number of findings that appeared in the time range by account and
// finding type. Its parts are recorded by analyzer, too, for Regions and analyzers that
// are chosen.
func appeared() string {
	inRange := func(selector string) string { return "sum_over_time(" + selector + "[$__range])" }
	return changed("new1h", "$__range", allRegions) + "\nor sum by (account_id, finding_type) " +
		findingsOf("analyzer_type:aws_access_analyzer_findings:new1h", inRange, chosenRegions)
}

// recordedThroughout has a series if findings were recorded in the time range, and for
// more than an hour: before, nothing can have appeared.
func recordedThroughout() string {
	return "group (last_over_time(" + series("account_type:aws_access_analyzer_findings:active", inAccount) + "[2h] offset 1h)) and on () " +
		"group (last_over_time(" + series("access_state:aws_access_analyzer_coverage_targets:avg1h") + "[$__range]))"
}

// ours selects a process metric of the exporters.
func ours(metric string) string {
	return series(metric) + " and on (job, instance) " + series("access_analyzer_exporter_build_info")
}
