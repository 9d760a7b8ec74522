package main

import (
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// variableNames are the variables of every dashboard.
var variableNames = []string{"datasource", "account", "region", "access", "finding_type", "analyzer"}

// variables are all of them on every dashboard: one that a dashboard has no
// use for is hidden there and keeps its value for the next.
func variables(s spec) []cog.Builder[dashboard.VariableModel] {
	hide := func(name string) dashboard.VariableHide {
		if slices.Contains(s.variables, name) {
			return dashboard.VariableHideDontHide
		}
		return dashboard.VariableHideHideVariable
	}
	datasource := dashboard.NewDatasourceVariableBuilder("datasource").
		Label("Data source").
		Description("The Prometheus that scrapes the exporter").
		Type("prometheus")
	access := dashboard.NewCustomVariableBuilder("access").
		Label("Access").
		Description("What an analyzer looks for").
		Hide(hide("access")).
		Values(dashboard.StringOrMap{String: new("external,unused,internal")}).
		Multi(true).IncludeAll(true).AllValue(".*").
		Current(everything)
	return []cog.Builder[dashboard.VariableModel]{
		datasource,
		accountVariable(s).Hide(hide("account")),
		labelVariable("region", "Region", "“global” stands for an account as a whole: IAM is global",
			"aws_access_analyzer_scrape_success").Hide(hide("region")),
		access,
		labelVariable("finding_type", "Finding type", "In AWS' spelling", "aws_access_analyzer_findings").Hide(hide("finding_type")),
		labelVariable("analyzer", "Analyzer", "By name; analyzers of several accounts may share one",
			"aws_access_analyzer_info").Hide(hide("analyzer")),
	}
}

// everything is the choice of all values.
var everything = dashboard.VariableOption{
	Selected: new(true),
	Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
	Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
}

// The kinds of query that the editor of a variable knows.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/types.ts
const (
	labelValues = 1
	queryResult = 3
)

// accountVariable chooses accounts by name and filters by ID. The dashboard of
// one account takes one.
func accountVariable(s spec) *dashboard.QueryVariableBuilder {
	// Grafana knows a query_result by its closing bracket on the same line.
	names := "query_result(" + strings.ReplaceAll(accountNames("aws_access_analyzer_scrape_success"), "\n", " ") + ")"
	b := dashboard.NewQueryVariableBuilder("account").
		Label("Account").
		Description("By name, where the organization tells it, and ID").
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

// labelVariable chooses among the values that a label has in a metric.
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

// variableQuery is a query in the form that the editor of variables writes.
func variableQuery(kind int, query string) dashboard.StringOrMap {
	return dashboard.StringOrMap{Map: map[string]any{
		"qryType": kind,
		"query":   query,
		"refId":   "PrometheusVariableQueryEditor-VariableQuery",
	}}
}
