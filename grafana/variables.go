package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variableNames are the variables of every dashboard.
var variableNames = []string{"datasource", "account", "region", "access", "finding_type", "analyzer"}

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
	return []cog.Builder[dashboard.VariableModel]{
		datasource,
		accountVariable(s).Hide(hide("account")),
		labelVariable("region", "Region", "“global” is data of the account itself, such as IAM",
			"aws_access_analyzer_scrape_success").Hide(hide("region")),
		access,
		labelVariable("finding_type", "Finding type", "Finding type in AWS spelling", "aws_access_analyzer_findings").Hide(hide("finding_type")),
		labelVariable("analyzer", "Analyzer", "Analyzer name; several accounts may have the same",
			"aws_access_analyzer_info").Hide(hide("analyzer")),
	}
}

// everything selects all values.
var everything = dashboard.VariableOption{
	Selected: new(true),
	Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
	Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
}

// Query types of the variable editor.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/types.ts
const (
	labelValues = 1
	queryResult = 3
)

// accountVariable selects accounts by name and filters by ID. The account
// dashboard allows one.
func accountVariable(s spec) *dashboard.QueryVariableBuilder {
	// Grafana requires the closing bracket of query_result on the same line.
	names := "query_result(" + strings.ReplaceAll(accountNames("aws_access_analyzer_scrape_success"), "\n", " ") + ")"
	b := dashboard.NewQueryVariableBuilder("account").
		Label("Account").
		Description("Account name, if known, and ID").
		Datasource(promql).
		Query(variableQuery(queryResult, names)).
		Definition(names).
		Regex(`/account="(?<text>.*)",account_id="(?<value>[^"]*)"/`).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc)
	if s.uid == accountUID {
		return b
	}
	return b.Multi(true).IncludeAll(true).AllValue(".*").Current(everything)
}

// labelVariable selects values of a label of a metric.
func labelVariable(label, title, description, metric string) *dashboard.QueryVariableBuilder {
	values := "label_values(" + metric + ", " + label + ")"
	return dashboard.NewQueryVariableBuilder(label).
		Label(title).
		Description(description).
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
