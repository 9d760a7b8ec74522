package main

import (
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// noPolicies is the text of panels without counts of policies.
const noPolicies = "policies.enabled is false, or not validated yet"

// onlyKnown explains what the counts of policies leave out.
const onlyKnown = "A type of policies of an account counts only once all of them have been validated."

// policyFindingTypes are the types of finding of ValidatePolicy, the worst first.
var policyFindingTypes = []string{"ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION"}

// heading is the type in the words of the panels: Security warnings.
func heading(findingType string) string {
	return findingType[:1] + strings.ToLower(strings.ReplaceAll(findingType[1:], "_", " ")) + "s"
}

// policiesDashboard shows the validation of policies of all accounts.
func policiesDashboard() spec {
	return spec{
		uid:         policiesUID,
		title:       "Access Analyzer / Policies",
		description: "Findings of ValidatePolicy in the policies of all accounts and of the organization, and their trend. " + onlyKnown,
		from:        "7d",
		variables:   accounts,
		parts: []part{
			{"Now", []cog.Builder[dashboard.Panel]{
				policyFindingsPanel("Errors", "ERROR", "A part of the policy is not functional.", 4, anyIsBad),
				policyFindingsPanel("Security warnings", "SECURITY_WARNING", "AWS considers the access that the policy allows overly permissive.", 5, anyIsBad),
				policyFindingsPanel("Warnings", "WARNING", "The policy does not follow best practices.", 4),
				policyFindingsPanel("Suggestions", "SUGGESTION", "The policy can be simplified without an effect on access.", 4),
				policyCountPanel(3),
				unvalidatedPanel(4),
				policyAccountsPanel(12),
				policyTypesPanel(6),
				policyCountsPanel(6),
			}},
			{"Over time", []cog.Builder[dashboard.Panel]{
				policyFindingsOverTime(12),
				policiesOverTime(12),
			}},
			{"Details", []cog.Builder[dashboard.Panel]{
				policyTable(24),
				unvalidatedTable(14),
				policyAgeTable(10),
			}},
			{"Checks (policies.checks)", []cog.Builder[dashboard.Panel]{
				checkResultsPanel(8),
				checkCallsPanel(8),
				checkPricePanel(8),
			}},
		},
	}
}

// policyFindings counts findings by account, type of policy and type of finding.
func policyFindings(matchers ...string) string {
	return one("account_id, policy_type, finding_type", "aws_access_analyzer_policy_findings", append([]string{inAccount}, matchers...)...)
}

// policies counts policies by account and type.
func policies() string {
	return one("account_id, policy_type", "aws_access_analyzer_policies", inAccount)
}

// unvalidated counts the policies that could not be validated, by reason.
func unvalidated() string {
	return one("account_id, policy_type, reason", "aws_access_analyzer_policies_unvalidated", inAccount)
}

func policyFindingsPanel(title, kind, meaning string, width uint32, bounds ...bound) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       title,
		description: "Number of findings of type " + kind + ". " + meaning + " " + onlyKnown,
		empty:       noPolicies,
	}, width, steps(good, bounds...), now("sum ("+policyFindings(`finding_type="`+kind+`"`)+")", title))
}

func policyCountPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newStat(about{
		title:       "Policies",
		description: "Number of policies: customer managed and inline policies, trust policies of roles, and those of the organization.",
		empty:       noPolicies,
	}, width, now("sum ("+policies()+")", "Policies"))
}

func unvalidatedPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newVerdict(about{
		title:       "Not validated",
		description: "Number of policies that could not be validated. Their findings are unknown.",
		empty:       noPolicies,
	}, width, steps(good, bound{1, unclear}), now(orZero("sum ("+unvalidated()+")", "group ("+policies()+")"), "Policies"))
}

func policyAccountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Top accounts",
		description: "The 15 accounts with the most errors and security warnings. Bars link to the account. " + onlyKnown,
		empty:       "No errors or security warnings, or no data",
	}, width, now(withAccount("aws_access_analyzer_policy_findings",
		"topk (15, sum by (account_id) ("+policyFindings(`finding_type=~"ERROR|SECURITY_WARNING"`)+") > 0)"), "{{account}}")).
		OverrideByFieldType("number", []dashboard.DynamicConfigValue{
			set("links", []any{accountLink("${__field.labels.account_id}")}),
		})
}

func policyTypesPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Errors and security warnings by type",
		description: "Number of errors and security warnings by type of policy. " + onlyKnown,
		empty:       "No errors or security warnings, or no data",
	}, width, now("sort_desc (sum by (policy_type) ("+policyFindings(`finding_type=~"ERROR|SECURITY_WARNING"`)+") > 0)", "{{policy_type}}"))
}

func policyCountsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newBars(about{
		title:       "Policies by type",
		description: "Number of policies by type. Policies of AWS and of service-linked roles are not validated.",
		empty:       noPolicies,
	}, width, now("sort_desc (sum by (policy_type) ("+policies()+"))", "{{policy_type}}"))
}

func policyFindingsOverTime(width uint32) cog.Builder[dashboard.Panel] {
	return painted(newSeries(about{
		title:       "Findings by type",
		description: "Number of findings of ValidatePolicy. Counts of accounts that become unknown are missing: compare with the number of policies.",
		empty:       noPolicies,
	}, width, over("sum by (finding_type) ("+policyFindings()+")", "{{finding_type}}")), policyFindingTypes...)
}

func policiesOverTime(width uint32) cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Number of policies by type",
		description: "Number of policies that were found, by type.",
		empty:       noPolicies,
	}, width, over("sum by (policy_type) ("+policies()+")", "{{policy_type}}"))
}

// policyTable has a row for each account and type of policy, with a column for each
// type of finding.
func policyTable(width uint32) cog.Builder[dashboard.Panel] {
	columns := []column{accountColumn, {"policy_type", "Type of policy", nil}, {"Value policies", "Policies", wide(120)}}
	for _, kind := range policyFindingTypes {
		columns = append(columns, column{"Value " + kind, heading(kind), wide(180)})
	}
	findings := `label_replace(` + policyFindings() + `, "property", "Value $1", "finding_type", "(.+)")`
	values := "max by (account_id, policy_type, property) (" + findings + ")\nor " + constant(policies(), "property", "Value policies")
	return newLimitedTable(about{
		title:       "Findings by account",
		description: "Number of findings by account, type of policy and type of finding. An empty value is unknown: see Not validated. `audit --policies` lists the policies by name.",
		empty:       noPolicies,
	}, width, columns, withAccount("aws_access_analyzer_policies", values), "SECURITY_WARNING", 500).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Security warnings")})
}

func unvalidatedTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Policies without a result",
		description: "Number of policies that could not be validated, with the reason: the 500 largest numbers.",
		empty:       "Every policy was validated, or no data",
	}, width, []column{
		accountColumn,
		{"policy_type", "Type of policy", nil},
		{"reason", "Reason", nil},
		{"Value", "Policies", wide(120)},
	}, rows(withAccount("aws_access_analyzer_policies_unvalidated", "topk (500, "+unvalidated()+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{descending("Policies")})
}

func policyAgeTable(width uint32) cog.Builder[dashboard.Panel] {
	return newTable(about{
		title:       "Last validation",
		description: "The 50 accounts whose policies were all read and validated the longest time ago.",
		empty:       noPolicies,
	}, width, []column{
		accountColumn,
		{"Value", "Validated", []dashboard.DynamicConfigValue{set("unit", units.DateTimeFromNow)}},
	}, rows(withAccount("aws_access_analyzer_policies_last_success_timestamp_seconds",
		"1000 * bottomk (50, "+one("account_id", "aws_access_analyzer_policies_last_success_timestamp_seconds", inAccount)+")"))).
		SortBy([]cog.Builder[common.TableSortByFieldState]{ascending("Validated")})
}

// noChecks is the text of panels about checks of one's own.
const noChecks = "policies.checks is empty, or no data"

func checkResultsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Results of checks",
		description: "Number of managed and inline policies by check and result. A policy is unchecked until it is its turn, or if policies.checks_per_day does not suffice.",
		empty:       noChecks,
	}, width, over("sum by (check, result) ("+one("account_id, check, result", "aws_access_analyzer_policy_check_policies", inAccount)+")", "{{check}}: {{result}}"))
}

// checkRate is the number of calls of each check per hour, over all exporters: each
// calls AWS.
func checkRate() string {
	return "3600 * sum by (check) (rate(" + series("aws_access_analyzer_policy_check_calls_total") + "[$__rate_interval]))"
}

func checkCallsPanel(width uint32) cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Calls of checks per hour",
		description: "Number of calls per hour by check, of all accounts. AWS bills each call.",
		empty:       noChecks,
	}, width, over(checkRate(), "{{check}}"))
}

func checkPricePanel(width uint32) cog.Builder[dashboard.Panel] {
	return newSeries(about{
		title:       "Price of checks per hour",
		description: "Price of the calls per hour by check, of all accounts, at the price that AWS published before this release.",
		empty:       noChecks,
	}, width, over(checkRate()+"\n* scalar (max ("+series("aws_access_analyzer_policy_check_call_price_usd")+"))", "{{check}}")).
		Unit(units.Dollars)
}
