package main

import (
	"fmt"
	"strings"
)

// What the dashboard variables filter. A metric about a fact always has the
// first two of these labels.
const (
	inAccount  = `account_id=~"$account"`
	inRegion   = `region=~"$region"`
	ofAccess   = `access=~"$access"`
	ofType     = `finding_type=~"$finding_type"`
	ofAnalyzer = `analyzer=~"$analyzer"`
)

// What coverageState yields. The order is the order of concern: the lowest
// value of several is what has to be shown.
const (
	uncovered = "0"
	unknown   = "1"
	covered   = "2"
	exempt    = "3"
)

// place is one thing that is either covered or not.
const place = "account_id, region, access"

// whole identifies an analyzer, and one series of each of its properties.
const whole = "account_id, region, analyzer"

// series selects the series of a metric.
func series(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(matchers, ", ") + "}"
}

// one keeps a single series for each fact, however many exporters export it: a
// pair for high availability, or the old and the new one during an update.
func one(labels, metric string, matchers ...string) string {
	return fmt.Sprintf("max by (%s) (%s)", labels, series(metric, matchers...))
}

// constant gives every series of expr the same value for a label.
func constant(expr, label, value string) string {
	return fmt.Sprintf(`label_replace(%s, "%s", "%s", "", "")`, expr, label, value)
}

// orZero turns “nothing counted” into 0 where witness has series, which prove
// that somebody looked. Without them the answer stays absent: it is not known.
func orZero(expr, witness string) string {
	return fmt.Sprintf("(%s) or 0 * (%s)", expr, witness)
}

// accountNames has one series with the value 1 for each account: its label
// account is “name · ID”, or the ID alone for accounts of metric that have no
// name. While an account is being renamed two exporters may disagree: topk
// settles for one, since two would fail the join.
func accountNames(metric string) string {
	named := `max by (account_id, account_name) (aws_access_analyzer_account_info{account_name!=""})`
	return fmt.Sprintf(`(
  topk by (account_id) (1, label_join(%s, "account", " · ", "account_name", "account_id"))
  or on (account_id)
  label_replace(group by (account_id) (%s), "account", "$1", "account_id", "(.+)")
)`, named, metric)
}

// withAccount joins the label account in. metric is what expr was made from.
func withAccount(metric, expr string) string {
	return fmt.Sprintf("(%s)\n* on (account_id) group_left (account) %s", expr, accountNames(metric))
}

// coverage is 1 or 0 for each place that could be judged.
func coverage() string {
	return one(place, "aws_access_analyzer_coverage", inAccount, inRegion, ofAccess)
}

// exemptions has a series for each place of which nothing is expected.
func exemptions() string {
	return one(place, "aws_access_analyzer_coverage_exempt", inAccount, inRegion, ofAccess)
}

// targets is 1 for each target that could be read and 0 for the others; region
// “global” stands for an account as a whole.
func targets(matchers ...string) string {
	return one("account_id, region", "aws_access_analyzer_scrape_success", append([]string{inAccount, inRegion}, matchers...)...)
}

// scraped has a series when there are targets at all.
func scraped() string {
	return "group (" + series("aws_access_analyzer_scrape_success", inAccount, inRegion) + ")"
}

// unknowns has a series for each place that could not be judged: its target
// failed, and it is neither covered, uncovered nor exempt. Which kinds of
// access are expected shows in the places that could be judged; when there is
// none at all, external access is taken to be.
func unknowns() string {
	failed := func(access, region string) string {
		return constant("("+targets(region)+" == 0)", "access", access)
	}
	judged := func(matchers ...string) string {
		all := append([]string{`__name__=~"aws_access_analyzer_coverage(_exempt)?"`}, matchers...)
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprintf(`(
  %s
  or %s
  or %s
)
and on (access) (group by (access) (%s) or %s)
unless on (%s) %s`,
		failed("external", `region!="global"`), failed("internal", `region!="global"`), failed("unused", `region="global"`),
		judged(ofAccess), constant("(vector(1) unless on () group ("+judged()+"))", "access", "external"),
		place, judged(inAccount, inRegion, ofAccess))
}

// coverageState is uncovered, unknown, covered or exempt for each place.
func coverageState() string {
	return fmt.Sprintf("2 * %s\nor 0 * (\n%s\n) + %s\nor 0 * %s + %s", coverage(), unknowns(), unknown, exemptions(), exempt)
}

// countUncovered counts the places that are known to be uncovered.
func countUncovered() string {
	return fmt.Sprintf("sum (%s == bool 0)", coverage())
}

// countUnknown counts the places that could not be judged.
func countUnknown() string {
	return orZero("count (\n"+unknowns()+"\n)", scraped())
}

// uncoveredSince is when each uncovered place was last seen covered, in
// milliseconds, and 0 when it was not within the last 7 days. It looks at every
// minute of the last half hour, and before that at every half hour: that keeps
// it cheap for 10 000 places.
func uncoveredSince() string {
	last := func(window string) string {
		return "max_over_time(timestamp(" + series("aws_access_analyzer_coverage", inAccount, inRegion, ofAccess) + " == 1)[" + window + "])"
	}
	now := "(" + coverage() + " == 0)"
	return fmt.Sprintf("1000 * (max by (%s) (%s or %s) and on (%s) %s)\nor on (%s) %s",
		place, last("30m:1m"), last("7d:30m"), place, now, place, now)
}

// unknownWhy has a series for each operation that failed in a target with
// places that could not be judged, and one for a target that was itself read.
func unknownWhy() string {
	unknownTargets := "group by (account_id, region) (\n" + unknowns() + "\n)"
	failures := one("account_id, region, operation, reason", "aws_access_analyzer_scrape_error", inAccount, inRegion)
	elsewhere := constant(constant(unknownTargets, "operation", "–"), "reason", "an account that may hold organization analyzers could not be read")
	return fmt.Sprintf("%s\nand on (account_id, region) %s\nor on (account_id, region) %s", failures, unknownTargets, elsewhere)
}

// analyzerStatus is 1 for the status that each analyzer has and 0 for others.
func analyzerStatus(matchers ...string) string {
	chosen := append([]string{inAccount, inRegion, ofAnalyzer}, matchers...)
	return ofChosenAccess(one(whole+", status", "aws_access_analyzer_status", chosen...))
}

// ofChosenAccess keeps the analyzers that look for the chosen kinds of access,
// which only their info metric tells.
func ofChosenAccess(expr string) string {
	return expr + "\nand on (" + whole + ") " + series("aws_access_analyzer_info", ofAccess)
}

// describedAnalyzers has a series for each analyzer, with its status and the
// labels of its info metric that are asked for. topk settles for one
// description where two exporters, one behind the other, disagree.
func describedAnalyzers(labels string, matchers ...string) string {
	info := one(whole+", "+labels, "aws_access_analyzer_info", inAccount, inRegion, ofAccess, ofAnalyzer)
	return fmt.Sprintf("((%s) == 1)\n* on (%s) group_left (%s) topk by (%s) (1, %s)",
		analyzerStatus(matchers...), whole, labels, whole, info)
}

// findings counts the findings that the variables select, by account_id,
// region, finding_type, status, resource_type and public. Summed over any of
// these, nothing is counted twice:
//   - Findings of several analyzers on one resource are not added up: the
//     largest count stands.
//   - IAM is global. One role that is shared is a finding in each Region with an
//     external analyzer, and unused access is the same from every Region: those
//     are counted once, in region “global”.
//     https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-resources.html
func findings(matchers ...string) string {
	return findingsOf(func(selector string) string { return selector }, matchers...)
}

// findingsOf counts what from makes of each selector of findings.
func findingsOf(from func(selector string) string, matchers ...string) string {
	of := func(more ...string) string {
		all := append([]string{inAccount, inRegion, ofType, ofAnalyzer}, matchers...)
		return from(series("aws_access_analyzer_findings", append(all, more...)...))
	}
	const labels = "finding_type, status, resource_type, public"
	regional := fmt.Sprintf("max by (account_id, region, %s) (%s)", labels,
		of(`finding_type!~"Unused.+"`, `resource_type!~"AWS::IAM::.+"`))
	once := func(selector string) string { return fmt.Sprintf("max by (account_id, %s) (%s)", labels, selector) }
	global := fmt.Sprintf("(%s or %s)", once(of(`finding_type=~"Unused.+"`)),
		once(of(`finding_type!~"Unused.+"`, `resource_type=~"AWS::IAM::.+"`)))
	return fmt.Sprintf("(\n  %s\n  or %s\n)", regional, constant(global, "region", "global"))
}

// active are the findings that nobody has archived or resolved.
func active(matchers ...string) string {
	return findings(append([]string{`status="ACTIVE"`}, matchers...)...)
}

// looked has a series when an analyzer looks at what the variables select: it
// covers it, or has findings in it.
func looked() string {
	return fmt.Sprintf("group (%s) or group (%s == 1)",
		series("aws_access_analyzer_findings", inAccount, inRegion),
		series("aws_access_analyzer_coverage", inAccount, inRegion))
}

// countedThen is the baseline of each analyzer whose findings were counted at
// the start of the time range. It belongs to the account of the analyzer.
const countedThen = `aws_access_analyzer_findings{resource_type="", public=""} offset $__range`

// appeared is by how much the ACTIVE findings of each account, finding type and
// resource type exceed those at the start of the time range. Analyzers that
// were not counted then are left out: what they find now is not new. Of the
// others, counts that did not exist then were 0.
func appeared() string {
	count := func(from func(string) string) string {
		return "sum by (account_id, finding_type, resource_type) " + findingsOf(from, `status="ACTIVE"`)
	}
	now := count(func(selector string) string {
		return selector + " and on (region, analyzer_account_id, analyzer, finding_type, status) " + countedThen
	})
	then := count(func(selector string) string { return selector + " offset $__range" })
	return fmt.Sprintf("%s - (\n%s\nor 0 * %s\n) > 0", now, then, now)
}

// ours keeps, of the metrics that every process exposes, those of this
// exporter.
func ours(metric string) string {
	return metric + " and on (job, instance) access_analyzer_exporter_build_info"
}
