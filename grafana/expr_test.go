package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// everywhere replaces the variables as Grafana does when all values are chosen.
var everywhere = strings.NewReplacer(append(assignments(nil), "$__rate_interval", "1m", "$__range", "30m")...)

// assignments are pairs of a variable and its value: all values without one.
func assignments(chosen map[string]string) []string {
	var pairs []string
	for _, name := range append([]string{"owned"}, variableNames...) {
		value, ok := chosen[name]
		if !ok {
			value = ".*"
		}
		if single, has := map[string]string{"objective": "99", "label": "team", "second_label": "environment"}[name]; has && !ok {
			value = single
		}
		pairs = append(pairs, "${"+name+":pipe}", value, "$"+name, value)
	}
	return pairs
}

// sample is one series of an answer, as promtool reads it.
type sample struct {
	Labels string  `json:"labels"`
	Value  float64 `json:"value"`
}

// evaluate compares the value of expr after 1 hour with want, through promtool.
// facts are series with one value per minute, each exported by two exporters.
func evaluate(t *testing.T, facts []string, expr string, want []sample) {
	t.Helper()
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	var input []series
	for _, instance := range []string{"a", "b"} {
		for _, fact := range facts {
			name, values, found := strings.Cut(fact, "} ")
			if !found {
				t.Fatalf("no labels or no values in %q", fact)
			}
			input = append(input, series{fmt.Sprintf("%s, instance=%q}", name, instance), values})
		}
	}
	file := filepath.Join(t.TempDir(), "test.yaml")
	data, err := json.Marshal(map[string]any{
		"evaluation_interval": "1m",
		"tests": []any{map[string]any{
			"interval":     "1m",
			"input_series": input,
			"promql_expr_test": []any{map[string]any{
				"expr":        everywhere.Replace(expr),
				"eval_time":   "1h",
				"exp_samples": want,
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: install Prometheus, whose promtool this test runs", err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", out, everywhere.Replace(expr))
	}
}

// fleet has covered, uncovered, unknown and exempt targets.
var fleet = []string{
	`aws_access_analyzer_coverage_required{access="external"} 1x60`,
	`aws_access_analyzer_coverage_required{access="internal"} 0x60`,
	`aws_access_analyzer_account_info{account_id="1", account_name="prod", role="member"} 1x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="eu-west-1"} 1x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="us-east-1"} 1x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="us-west-1"} 0x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="us-west-2"} 0x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="sa-east-1"} 0x60`,
	`aws_access_analyzer_scrape_success{account_id="1", region="global"} 0x60`,
	`aws_access_analyzer_scrape_error{account_id="1", region="us-west-1", operation="ListAnalyzers", reason="throttled"} 1x60`,
	`aws_access_analyzer_scrape_error{account_id="1", region="us-west-2", operation="ListAnalyzers", reason="timeout"} 1x60`,
	`aws_access_analyzer_scrape_last_success_timestamp_seconds{account_id="1", region="us-west-1"} 1200x60`,
	`aws_access_analyzer_coverage{account_id="1", region="eu-west-1", access="external"} 1x60`,
	`aws_access_analyzer_coverage{account_id="1", region="us-east-1", access="external"} 1x20 0x39`,
	// Known in spite of the failure, from an organization analyzer.
	`aws_access_analyzer_coverage{account_id="1", region="us-west-2", access="external"} 1x60`,
	`aws_access_analyzer_coverage_exempt{account_id="1", region="sa-east-1", access="external", reason="closing down"} 1x60`,
	`aws_access_analyzer_coverage_unknown{account_id="1", region="us-west-1", access="external"} 1x60`,
	`aws_access_analyzer_target_unread{account_id="1", region="us-west-1"} 1x60`,
	`aws_access_analyzer_target_unread{account_id="1", region="us-west-2"} 1x60`,
}

// totals are those of a fleet by Region and state.
var totals = []string{
	`access_analyzer_exporter_shard_ordinal{job="a"} 0x60`,
	`aws_access_analyzer_coverage_targets{job="a", access="external", region="eu-west-1", state="covered"} 10x60`,
	`aws_access_analyzer_coverage_targets{job="a", access="external", region="us-east-1", state="covered"} 8x60`,
	`aws_access_analyzer_coverage_targets{job="a", access="external", region="us-east-1", state="uncovered"} 2x60`,
	`aws_access_analyzer_coverage_targets{job="a", access="external", region="us-east-1", state="unknown"} 5x60`,
}

// chosen is an expression with accounts chosen.
func chosen(expr string) string { return strings.ReplaceAll(expr, "$account", "[0-9]+") }

func TestCoverageExpressions(t *testing.T) {
	t.Parallel()
	unusedToo := append([]string{
		`aws_access_analyzer_coverage_unknown{account_id="1", region="global", access="unused"} 1x60`,
		`aws_access_analyzer_coverage{account_id="2", region="global", access="unused"} 1x60`,
	}, fleet...)
	nothingKnown := []string{
		`aws_access_analyzer_coverage_unknown{account_id="1", region="eu-west-1", access="external"} 1x60`,
		`aws_access_analyzer_coverage_unknown{account_id="1", region="us-east-1", access="external"} 1x60`,
		`aws_access_analyzer_coverage_unknown{account_id="1", region="us-east-1", access="external", job="replica"} 1x60`,
	}
	for name, c := range map[string]struct {
		facts []string
		expr  string
		want  []sample
	}{
		"covered by team": {append([]string{
			`aws_access_analyzer_account_labels{account_id="1", label_team="shop", job="old"} 1x60`,
			`aws_access_analyzer_account_labels{account_id="1", label_team="payments", job="new"} 1x10`,
			`aws_access_analyzer_account_labels{account_id="2", label_team=""} 1x60`,
			`aws_access_analyzer_coverage{account_id="2", region="eu-west-1", access="external"} 1x60`,
			`aws_access_analyzer_coverage{account_id="3", region="eu-west-1", access="external"} 1x60`, // labels not known
		}, fleet...), byLabel.by("sum", coverage()), []sample{{`{owner="shop"}`, 2}, {`{owner="no team"}`, 1}}},
		"covered by team without labels": {fleet, byLabel.by("sum", coverage()), nil},
		"covered by OU": {append([]string{
			`aws_access_analyzer_account_labels{account_id="1", ou_name="Prod"} 1x60`,
		}, fleet...), byOU.by("sum", coverage()), []sample{{`{owner="Prod"}`, 2}}},
		"no tag is a label": {append([]string{
			`aws_access_analyzer_account_labels{account_id="1", ou_name="Prod"} 1x60`,
		}, fleet...), strings.ReplaceAll(byLabel.by("sum", coverage()), "$label", ""), []sample{{`{owner="no "}`, 2}}},
		"share":                         {append([]string{`aws_access_analyzer_coverage{account_id="2", region="eu-west-1", access="external"} 1x60`}, fleet...), chosen(share()), []sample{{`{access="external"}`, 0.75}}},
		"share of all accounts":         {totals, share(), []sample{{`{access="external"}`, 0.9}}},
		"uncovered":                     {fleet, chosen(countUncovered()), []sample{{"{}", 1}}},
		"uncovered in all accounts":     {totals, countUncovered(), []sample{{"{}", 2}}},
		"nothing scraped is no 0":       {[]string{`up{job="x"} 0x60`}, countUncovered() + " or " + countUnknown(), nil},
		"nothing scraped in an account": {[]string{`up{job="x"} 0x60`}, chosen(countUncovered() + " or " + countUnknown()), nil},
		"unknown":                       {fleet, chosen(countUnknown()), []sample{{"{}", 1}}},
		"unknown in all accounts":       {totals, countUnknown(), []sample{{"{}", 5}}},
		"exempt":                        {fleet, chosen(countExempt()), []sample{{"{}", 1}}},
		"unknown is 0 when all could be judged": {
			[]string{`aws_access_analyzer_scrape_success{account_id="1", region="eu-west-1"} 1x60`}, chosen(countUnknown()), []sample{{"{}", 0}},
		},
		"unknown for two kinds of access":      {unusedToo, chosen(countUnknown()), []sample{{"{}", 2}}},
		"unknown when nothing could be judged": {nothingKnown, chosen(countUnknown()), []sample{{"{}", 2}}},
		"states": {unusedToo, coverageState(), []sample{
			{`{account_id="1", region="eu-west-1", access="external"}`, 2},
			{`{account_id="1", region="us-east-1", access="external"}`, 0},
			{`{account_id="1", region="us-west-1", access="external"}`, 1},
			{`{account_id="1", region="us-west-2", access="external"}`, 2},
			{`{account_id="1", region="sa-east-1", access="external"}`, 3},
			{`{account_id="1", region="global", access="unused"}`, 1},
			{`{account_id="2", region="global", access="unused"}`, 2},
		}},
		"uncovered since": {
			append([]string{
				`aws_access_analyzer_coverage{account_id="3", region="us-east-1", access="external"} 1x45 0x20`,
				`target:aws_access_analyzer_coverage:uncovered{account_id="3", region="us-east-1", access="external", page="target"} _x45 2700x20`,
			}, fleet...),
			uncoveredSince(),
			[]sample{
				{`{account_id="1", region="us-east-1", access="external"}`, 0},
				{`{account_id="3", region="us-east-1", access="external"}`, 2700 * 1000},
			},
		},
		"why unknown": {fleet, unknownReasons(), []sample{
			{`{account_id="1", region="us-west-1", operation="ListAnalyzers", reason="throttled"}`, 1},
		}},
		"why unknown, the reason being elsewhere": {
			[]string{
				`aws_access_analyzer_coverage_unknown{account_id="2", region="us-east-1", access="external"} 1x60`,
				`aws_access_analyzer_scrape_error{account_id="1", region="us-east-1", operation="ListAnalyzers", reason="throttled"} 1x60`,
			},
			unknownReasons(),
			[]sample{{`{account_id="2", region="us-east-1", operation="–", reason="an account that may hold organization analyzers could not be read"}`, 1}},
		},
		"last read": {fleet, lastRead("max by (account_id, region, reason) (aws_access_analyzer_scrape_error)"), []sample{
			{`{account_id="1", region="us-west-1", reason="throttled"}`, 1200 * 1000},
			{`{account_id="1", region="us-west-2", reason="timeout"}`, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evaluate(t, c.facts, c.expr, c.want)
		})
	}
}

func TestAccountNames(t *testing.T) {
	t.Parallel()
	success := func(ids ...string) []string {
		var facts []string
		for _, id := range ids {
			facts = append(facts, fmt.Sprintf(`aws_access_analyzer_scrape_success{account_id=%q, region="eu-west-1"} 1x60`, id))
		}
		return facts
	}
	named := withAccount("aws_access_analyzer_scrape_success", targets())
	for name, c := range map[string]struct {
		facts []string
		expr  string
		want  []sample
	}{
		"name and ID": {
			append(success("1"), `aws_access_analyzer_account_info{account_id="1", account_name="prod", role="member"} 1x60`),
			named,
			[]sample{{`{account_id="1", region="eu-west-1", account="prod · 1"}`, 1}},
		},
		"the ID without a name": {
			append(success("1", "2"), `aws_access_analyzer_account_info{account_id="1", account_name="", role="standalone"} 1x60`),
			named,
			[]sample{
				{`{account_id="1", region="eu-west-1", account="1"}`, 1},
				{`{account_id="2", region="eu-west-1", account="2"}`, 1},
			},
		},
		"two names while it is being renamed": {
			append(success("1"),
				`aws_access_analyzer_account_info{account_id="1", account_name="prod", role="member"} 1x60`,
				`aws_access_analyzer_account_info{account_id="1", account_name="production", role="member"} 1x60`),
			"count (" + named + ")",
			[]sample{{"{}", 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evaluate(t, c.facts, c.expr, c.want)
		})
	}
}

// finding is a series of counted findings.
func finding(account, region, analyzer, findingType, status, resource, public, values string) string {
	return fmt.Sprintf(`aws_access_analyzer_findings{account_id=%q, region=%q, analyzer_account_id="9", analyzer=%q, finding_type=%q, status=%q, resource_type=%q, public=%q} %s`,
		account, region, analyzer, findingType, status, resource, public, values)
}

func TestFindingsExpressions(t *testing.T) {
	t.Parallel()
	// One analyzer has long not been counted, and another has been lost.
	uncounted := []string{
		`access_analyzer_exporter_shard_ordinal{job="a"} 0x60`,
		`aws_access_analyzer_uncounted_analyzers{job="a", region="eu-west-1"} 0x60`,
		`aws_access_analyzer_uncounted_analyzers{job="a", region="us-east-1"} 1x29 2x30`,
	}
	facts := []string{
		// The baseline of an analyzer.
		finding("9", "eu-west-1", "org", "ExternalAccess", "ACTIVE", "", "", "0x60"),
		finding("9", "eu-west-1", "org", "ExternalAccess", "ARCHIVED", "", "", "0x60"),
		// Three buckets, two of them in the organization analyzer; a bucket in another Region.
		finding("1", "eu-west-1", "account", "ExternalAccess", "ACTIVE", "AWS::S3::Bucket", "false", "3x60"),
		finding("1", "eu-west-1", "org", "ExternalAccess", "ACTIVE", "AWS::S3::Bucket", "false", "2x60"),
		finding("1", "us-east-1", "org", "ExternalAccess", "ACTIVE", "AWS::S3::Bucket", "true", "1x60"),
		// Two shared roles, reported in each Region by both analyzers.
		finding("1", "eu-west-1", "account", "ExternalAccess", "ACTIVE", "AWS::IAM::Role", "false", "2x60"),
		finding("1", "eu-west-1", "org", "ExternalAccess", "ACTIVE", "AWS::IAM::Role", "false", "2x60"),
		finding("1", "us-east-1", "org", "ExternalAccess", "ACTIVE", "AWS::IAM::Role", "false", "2x60"),
		// Unused access, reported by two analyzers in two Regions.
		finding("1", "us-east-1", "security-hub", "UnusedPermission", "ACTIVE", "AWS::IAM::Role", "", "4x60"),
		finding("1", "eu-west-1", "unused", "UnusedPermission", "ACTIVE", "AWS::IAM::Role", "", "5x60"),
		finding("1", "eu-west-1", "unused", "UnusedIAMUserPassword", "ACTIVE", "AWS::IAM::User", "", "1x60"),
		finding("2", "eu-west-1", "org", "ExternalAccess", "ACTIVE", "AWS::KMS::Key", "false", "7x60"),
	}
	for name, c := range map[string]struct {
		facts []string
		expr  string
		want  []sample
	}{
		"by type": {facts, "sum by (finding_type) " + findings(`status="ACTIVE"`), []sample{
			{`{finding_type="ExternalAccess"}`, 3 + 1 + 2 + 7},
			{`{finding_type="UnusedPermission"}`, 5},
			{`{finding_type="UnusedIAMUserPassword"}`, 1},
		}},
		"by account, each kind summed first": {facts, activeBy("account_id"), []sample{
			{`{account_id="1"}`, 12}, {`{account_id="2"}`, 7}, {`{account_id="9"}`, 0},
		}},
		"by resource type": {facts, activeBy("resource_type", `resource_type!=""`), []sample{
			{`{resource_type="AWS::S3::Bucket"}`, 4}, {`{resource_type="AWS::IAM::Role"}`, 7}, {`{resource_type="AWS::IAM::User"}`, 1}, {`{resource_type="AWS::KMS::Key"}`, 7},
		}},
		"public by account":         {facts, activeBy("account_id", `public="true"`), []sample{{`{account_id="1"}`, 1}}},
		"targets that are not read": {fleet, unreadTargets(), []sample{{"{}", 2}}},
		"by account": {facts, "sum by (account_id) " + findings(`status="ACTIVE"`) + " > 0", []sample{
			{`{account_id="1"}`, 12}, {`{account_id="2"}`, 7},
		}},
		"by Region": {facts, "sum by (region) " + findings(`status="ACTIVE"`), []sample{
			{`{region="eu-west-1"}`, 10}, {`{region="us-east-1"}`, 1}, {`{region="global"}`, 8},
		}},
		"by status": {facts, "sum by (status) " + findings(), []sample{
			{`{status="ACTIVE"}`, 19}, {`{status="ARCHIVED"}`, 0},
		}},
		"public":                             {facts, chosen(exposed("true")), []sample{{"{}", 1}}},
		"cross-account":                      {facts, chosen(exposed("false")), []sample{{"{}", 12}}},
		"no public one is 0":                 {facts[:4], chosen(exposed("true")), []sample{{"{}", 0}}},
		"none in an account that is covered": {fleet, chosen(exposed("true")), []sample{{"{}", 0}}},
		"empty if nothing is covered":        {[]string{`aws_access_analyzer_coverage{account_id="1", region="eu-west-1", access="external"} 0x60`}, chosen(exposed("true")), nil},
		"public in all accounts": {[]string{
			`access_analyzer_exporter_shard_ordinal{job="a"} 0x60`,
			`aws_access_analyzer_resources_with_findings{job="a", finding_type="ExternalAccess", status="ACTIVE", public="true", region="eu-west-1"} 3x60`,
			`aws_access_analyzer_resources_with_findings{job="a", finding_type="ExternalAccess", status="ACTIVE", public="true", region="global"} 1x60`,
			`aws_access_analyzer_resources_with_findings{job="a", finding_type="ExternalAccess", status="ACTIVE", public="false", region="global"} 7x60`,
		}, exposed("true"), []sample{{"{}", 4}}},
		"of accounts with a label":       {facts, strings.NewReplacer(assignments(map[string]string{"value": "shop", "owned": "2|3"})...).Replace(exposed("false")), []sample{{"{}", 7}}},
		"of no account":                  {facts, strings.NewReplacer(assignments(map[string]string{"value": "shop", "owned": ""})...).Replace(exposed("false")), nil},
		"of an analyzer in all accounts": {facts, strings.ReplaceAll(exposed("false"), "$analyzer", "account"), []sample{{"{}", 5}}},
		"analyzers that are not counted": {[]string{
			`aws_access_analyzer_info{account_id="1", region="eu-west-1", analyzer="new"} 1x60`,
			`aws_access_analyzer_info{account_id="9", region="eu-west-1", analyzer="org"} 1x60`,
			`aws_access_analyzer_findings_last_success_timestamp_seconds{account_id="9", region="eu-west-1", analyzer="org"} 1x60`,
			`aws_access_analyzer_info{account_id="8", region="eu-west-2", analyzer="org", scope="organization"} 1x60`,
			`aws_access_analyzer_info{account_id="2", region="eu-west-2", analyzer="of others", scope="account"} 1x60`,
		}, strings.ReplaceAll(uncountedAnalyzers(), "$account", "1|9"), []sample{{"{}", 2}}},
		"analyzers that are not counted, in all accounts": {uncounted, uncountedAnalyzers(), []sample{{"{}", 2}}},
		"incomplete after a loss":                         {uncounted, incomplete(), []sample{{"{}", 2}}},
		"complete again":                                  {append(uncounted[:2:2], strings.Replace(uncounted[2], "1x29 2x30", "2x29 1x30", 1)), incomplete(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evaluate(t, c.facts, c.expr, c.want)
		})
	}
}

// newOf has how many findings of an analyzer appeared in an hour.
func newOf(region, analyzer, resource, values string) string {
	return fmt.Sprintf(`analyzer_type:aws_access_analyzer_findings:new1h{job="e", account_id="1", region=%q, analyzer_account_id="9", analyzer=%q, finding_type="ExternalAccess", status="ACTIVE", resource_type=%q, public="false"} %s`,
		region, analyzer, resource, values)
}

// A report from series that were recorded an hour apart.
func TestReportExpressions(t *testing.T) {
	t.Parallel()
	const (
		targets  = `access_state:aws_access_analyzer_coverage_targets:avg1h{job="e", access="external", state=%q} %s`
		active   = `account_type:aws_access_analyzer_findings:active{job="e", account_id=%q, finding_type="ExternalAccess", public=%q} %s`
		newOnes  = `account_type:aws_access_analyzer_findings:new1h{job="e", account_id="1", finding_type="ExternalAccess"} _x30 3 _x10 4 _x10`
		goneOnes = `account_type:aws_access_analyzer_findings:gone1h{job="e", account_id="1", finding_type="UnusedPermission"} _x30 2 _x10`
	)
	facts := []string{
		fmt.Sprintf(targets, "covered", "_x10 90 _x20 98 _x10"), fmt.Sprintf(targets, "uncovered", "_x10 10 _x20 2 _x10"),
		fmt.Sprintf(targets, "unknown", "_x10 50 _x20 50 _x10"),
		fmt.Sprintf(active, "1", "true", "3 _x9 3 _x20 4 _x30"), fmt.Sprintf(active, "1", "false", "5 _x9 5 _x20 6 _x30"), fmt.Sprintf(active, "2", "false", "1 _x9 1 _x50"),
		newOnes, goneOnes,
	}
	// A bucket that two analyzers report, and a role that is reported in two Regions.
	parts := []string{
		newOf("eu-west-1", "org", "AWS::S3::Bucket", "_x40 3 _x10 4 _x8"), newOf("eu-west-1", "account", "AWS::S3::Bucket", "_x40 3 _x19"),
		newOf("eu-west-1", "org", "AWS::IAM::Role", "_x40 1 _x19"), newOf("us-east-1", "org", "AWS::IAM::Role", "_x40 1 _x19"),
	}
	count := orZero("sum ("+appeared()+")", recordedThroughout())
	for name, c := range map[string]struct {
		facts []string
		expr  string
		want  []sample
	}{
		"appeared":                     {append(parts, facts...), appeared(), []sample{{`{account_id="1", finding_type="ExternalAccess"}`, 7}}},
		"appeared in a Region":         {append(parts, facts...), strings.ReplaceAll(appeared(), "$region", "eu-west-1"), []sample{{`{account_id="1", finding_type="ExternalAccess"}`, 8}}},
		"appeared in another":          {append(parts, facts...), strings.ReplaceAll(count, "$region", "us-east-1"), []sample{{"{}", 1}}},
		"none appeared":                {facts[:6], count, []sample{{"{}", 0}}},
		"none, in the first hour":      {append([]string{fmt.Sprintf(active, "1", "true", "_x30 3 _x30")}, facts[:3]...), count, nil},
		"none, before it was recorded": {facts[3:6], count, nil},
		"none, without findings":       {facts[:3], count, nil},
		"covered":                      {facts, coveredSince("30d"), []sample{{`{access="external"}`, 0.94}}},
		"budget left":                  {facts, "round (100 * " + budgetLeft("30d") + ")", []sample{{`{access="external"}`, -500}}},
		"measured":                     {facts, measured(4, quarter), []sample{{`{access="external"}`, 0.5}}},
		"active":                       {facts, activeAt(""), []sample{{`{account_id="1", finding_type="ExternalAccess"}`, 10}, {`{account_id="2", finding_type="ExternalAccess"}`, 1}}},
		"active then":                  {facts, activeAt("30m"), []sample{{`{account_id="1", finding_type="ExternalAccess"}`, 8}, {`{account_id="2", finding_type="ExternalAccess"}`, 1}}},
		"new":                          {facts, changeOf("new1h"), []sample{{`{account_id="1", finding_type="ExternalAccess"}`, 7}, {`{account_id="2", finding_type="ExternalAccess"}`, 0}}},
		"gone": {facts, changeOf("gone1h"), []sample{
			{`{account_id="1", finding_type="UnusedPermission"}`, 2}, {`{account_id="1", finding_type="ExternalAccess"}`, 0}, {`{account_id="2", finding_type="ExternalAccess"}`, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evaluate(t, c.facts, c.expr, c.want)
		})
	}
}
