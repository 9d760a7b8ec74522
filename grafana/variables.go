package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variableNames are the variables of every dashboard that links pass on, in order.
// Those of exporters and of labels of accounts come first: the others offer only what
// is left.
var variableNames = []string{
	"datasource", "organization", "cluster", "job",
	"ou", "label", "value", "second_label", "second_value",
	"account", "region", "access", "finding_type", "analyzer", "objective", "page",
}

// exporters and accounts are variables of the same dashboards.
var (
	exporters = []string{"datasource", "organization", "cluster", "job"}
	accounts  = slices.Concat(exporters, []string{"ou", "label", "value", "second_label", "second_value", "account"})
)

// variables returns all variables for each dashboard. Those that its panels do
// not use are hidden, and links pass their values on.
func variables(s spec) []cog.Builder[dashboard.VariableModel] {
	hide := func(name string) dashboard.VariableHide {
		if slices.Contains(s.variables, name) {
			return dashboard.VariableHideDontHide
		}
		return dashboard.VariableHideHideVariable
	}
	datasource := dashboard.NewDatasourceVariableBuilder("datasource").
		Label("Data source").
		Description("Prometheus that scrapes the exporter").
		Type(prometheusType)
	access := dashboard.NewCustomVariableBuilder("access").
		Label("Access").
		Description("Access type of the analyzers").
		Hide(hide("access")).
		Values(dashboard.StringOrMap{String: new("external,unused,internal")}).
		Multi(true).IncludeAll(true).AllValue(".*").
		Current(everything)
	all := []cog.Builder[dashboard.VariableModel]{datasource}
	for _, v := range []selection{
		{"organization", "organization", "Organization", "Label organization of the scrape configuration", buildInfo},
		{"cluster", "cluster", "Cluster", "Label cluster of the scrape configuration", buildInfo},
		{"job", "job", "Job", "Scrape job of the exporters", buildInfo},
	} {
		all = append(all, v.variable().Hide(hide(v.name)))
	}
	for _, v := range ownerFilters {
		if v.tag != nil {
			all = append(all, v.tag.variable().Hide(hide(v.tag.name)))
		}
		all = append(all, v.variable().Hide(hide(v.name)))
	}
	all = append(all, ownedVariable(), accountVariable(s).Hide(hide("account")))
	region := selection{"region", "region", "Region", "“global” is data of the account itself, such as IAM", series("aws_access_analyzer_scrape_success", inOwned)}
	findingType := selection{"finding_type", "finding_type", "Finding type", "Finding type in AWS spelling", series("aws_access_analyzer_findings")}
	analyzer := selection{"analyzer", "analyzer", "Analyzer", "Analyzer name; several accounts may have the same", series("aws_access_analyzer_info")}
	return append(all,
		region.variable().Hide(hide("region")),
		access,
		findingType.variable().Hide(hide("finding_type")),
		analyzer.variable().Hide(hide("analyzer")),
		dashboard.NewCustomVariableBuilder("objective").
			Label("Objective").
			Description("Percentage of targets × time that should be covered").
			Hide(hide("objective")).
			Values(dashboard.StringOrMap{String: new("99,99.5,99.9,99.95,99.99")}).
			Current(dashboard.VariableOption{
				Selected: new(true),
				Text:     dashboard.StringOrArrayOfString{String: new("99.5")},
				Value:    dashboard.StringOrArrayOfString{String: new("99.5")},
			}),
		pageVariable().Hide(hide("page")),
	)
}

// buildInfo has a series for each exporter.
const buildInfo = "access_analyzer_exporter_build_info{}"

// everything selects all values.
var everything = dashboard.VariableOption{
	Selected: new(true),
	Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
	Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
}

// Query types of the variable editor.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/types.ts
const (
	labelNames  = 0
	labelValues = 1
	queryResult = 3
)

// accountVariable selects accounts by name and filters by ID. The account
// dashboard allows one.
func accountVariable(s spec) *dashboard.QueryVariableBuilder {
	b := resultVariable("account", accountNames("aws_access_analyzer_account_info"), `/account="(?<text>.*)",account_id="(?<value>[^"]*)"/`).
		Label("Account").
		Description("Account name, if known, and ID")
	if s.uid == accountUID {
		return b
	}
	return b.Multi(true).IncludeAll(true).AllValue(".*").Current(everything)
}

// ownedVariable has the accounts with the chosen labels. It is hidden, all its values
// are always selected, and without chosen labels its one value matches all accounts.
func ownedVariable() *dashboard.QueryVariableBuilder {
	matchers := []string{`all_accounts!~"` + chosenLabels + `"`}
	for _, v := range ownerFilters {
		matchers = append(matchers, v.label+`=~"$`+v.name+`"`)
	}
	chosen := "group by (account_id) (" + series(accountLabels, matchers...) + ")"
	all := constant("group ("+series("aws_access_analyzer_coverage_required", `all_accounts=~"`+chosenLabels+`"`)+")", "account_id", ".*")
	return resultVariable("owned", all+" or "+chosen, `/account_id="([^"]*)"/`).
		Label("Accounts with the chosen labels").
		Description("Accounts with the chosen labels of accounts").
		Hide(dashboard.VariableHideHideVariable).
		Multi(true).IncludeAll(true).
		Current(everything)
}

// pageVariable is the address of the exporter's page, for links. Another one can be
// typed, such as that of an ingress.
func pageVariable() *dashboard.QueryVariableBuilder {
	return resultVariable("page", `label_replace(group by (instance) (`+series("access_analyzer_exporter_build_info")+`), "address", "http://$1", "instance", "(.+)")`,
		`/address="([^"]*)"/`).
		Label("Exporter page").
		Description("Address of the exporter's page for links in tables. Type another one if yours differs").
		AllowCustomValue(true)
}

// resultVariable has one value for each series of a query, found by a regular
// expression.
func resultVariable(name, expr, regex string) *dashboard.QueryVariableBuilder {
	// Grafana requires the closing bracket of query_result on the same line.
	query := "query_result(" + strings.ReplaceAll(expr, "\n", " ") + ")"
	return dashboard.NewQueryVariableBuilder(name).
		Datasource(promql).
		Query(variableQuery(queryResult, query)).
		Definition(query).
		Regex(regex).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc)
}

// selection is a variable that selects values of a label.
type selection struct{ name, label, title, description, series string }

func (s selection) variable() *dashboard.QueryVariableBuilder {
	values := "label_values(" + s.series + ", " + s.label + ")"
	return dashboard.NewQueryVariableBuilder(s.name).
		Label(s.title).
		Description(s.description).
		Datasource(promql).
		Query(variableQuery(labelValues, values)).
		Definition(values).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc).
		Multi(true).IncludeAll(true).AllValue(".*").
		Current(everything)
}

// variableQuery returns a query in the format of the variable editor.
func variableQuery(kind int, query string) dashboard.StringOrMap {
	return dashboard.StringOrMap{Map: map[string]any{
		"qryType": kind,
		"query":   query,
		"refId":   "PrometheusVariableQueryEditor-VariableQuery",
	}}
}
