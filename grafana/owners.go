package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// accountLabels has the labels of each account.
const accountLabels = "aws_access_analyzer_account_labels"

// owner is a label of accounts that tables group by.
type owner struct{ label, title, heading, none string }

var (
	byOU = owner{"ou_name", "organizational unit", "OU", "none"}
	// byLabel is the label of the tag that is chosen in the variable label. Without any, it
	// is the label label_, which no account has.
	byLabel = owner{"label_$label", "$label", "Value of the label", "no $label"}
)

// ownerFilters are the variables that filter by labels of accounts: by the OU, and by the
// values of two labels of tags, which are chosen in variables of their own.
var ownerFilters = []ownerFilter{
	{nil, selection{"ou", "ou_name", "OU", "Organizational unit (accounts.labels.ou)", series(accountLabels)}},
	{
		&tagVariable{"label", "Label", "Tag of the accounts to group and filter by (accounts.labels.tags)", "team"},
		selection{"value", "label_$label", "Value", "Values of the label", series(accountLabels)},
	},
	{
		&tagVariable{"second_label", "Second label", "Another tag of the accounts to filter by", "environment"},
		selection{"second_value", "label_$second_label", "Second value", "Values of the second label", series(accountLabels)},
	},
}

// ownerFilter filters by a label; tag chooses which, nil if it is always the same.
type ownerFilter struct {
	tag *tagVariable
	selection
}

// tagVariable chooses a label by its tag.
type tagVariable struct{ name, title, description, first string }

// variable has the tags of which accounts have labels. It is not empty if there are
// any, and first is chosen if it is among them.
// https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/
func (v tagVariable) variable() *dashboard.QueryVariableBuilder {
	const query = "label_names(" + accountLabels + ")"
	return dashboard.NewQueryVariableBuilder(v.name).
		Label(v.title).
		Description(v.description).
		Datasource(promql).
		Query(variableQuery(labelNames, query)).
		Definition(query).
		Regex("/^label_(.+)$/").
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc).
		Current(dashboard.VariableOption{
			Selected: new(true),
			Text:     dashboard.StringOrArrayOfString{String: &v.first},
			Value:    dashboard.StringOrArrayOfString{String: &v.first},
		})
}

// without is the text of the tables if the exporter has no labels of accounts.
const without = "No labels of accounts (accounts.labels), or no data"

// ownerLimit is the number of rows of tables by owner.
const ownerLimit = 100

// by aggregates an expression with account_id by the owner, as the label owner. topk
// selects one value if two exporters differ after a change. Accounts without the label
// are one row; those whose labels are not known are in none.
func (o owner) by(aggregation, expr string) string {
	values := fmt.Sprintf(`label_replace(topk by (account_id) (1, %s), "owner", "$1", "%s", "(.+)")`,
		one("account_id, "+o.label, accountLabels, inAccount), o.label)
	if aggregation != "avg" {
		// Fewer series to join.
		expr = aggregation + " by (account_id) (" + expr + ")"
	}
	return fmt.Sprintf("label_replace(%s by (owner) (\n(%s)\n* on (account_id) group_left (owner) %s), \"owner\", \"%s\", \"owner\", \"\")",
		aggregation, expr, values, o.none)
}

// table has a row for each owner, at most ownerLimit, and a column for each value.
func (o owner) table(a about, width uint32, first string, values ...ownerValue) cog.Builder[dashboard.Panel] {
	a.empty = without
	columns := []column{{"owner", o.heading, nil}}
	var properties []string
	for _, v := range values {
		field := "Value " + v.title
		columns = append(columns, column{field, v.title, v.with})
		expr := o.by(v.aggregation, v.expr)
		if v.aggregation == "avg" {
			expr = "(" + roundedDown(expr) + ")"
		}
		properties = append(properties, constant(expr, "property", field))
	}
	return newLimitedTable(a, width, columns, strings.Join(properties, "\nor "), first, ownerLimit)
}

// noneIsZero is for numbers of what has series only if there is any.
var noneIsZero = []dashboard.DynamicConfigValue{set("noValue", "0")}

// ownerValue is a column of a table by owner.
type ownerValue struct {
	title, aggregation, expr string
	with                     []dashboard.DynamicConfigValue
}

// coverageTable has the coverage of each owner.
func (o owner) coverageTable(width uint32) cog.Builder[dashboard.Panel] {
	return o.table(about{
		title: "Coverage by " + o.title,
		description: "Targets of the accounts of each " + o.title + ", of the selected Regions and access types. " +
			"Covered is the share without unknown and exempt targets, rounded down.",
	}, width, "Uncovered",
		ownerValue{"Covered", "avg", coverage(), []dashboard.DynamicConfigValue{set("unit", units.PercentUnit), set("decimals", 1)}},
		ownerValue{"Uncovered", "sum", coverage() + " == bool 0", nil},
		ownerValue{"Unknown", "sum", unknowns(), noneIsZero})
}

// findingsTable has the active findings of each owner.
func (o owner) findingsTable(width uint32) cog.Builder[dashboard.Panel] {
	return o.table(about{
		title:       "Active findings by " + o.title,
		description: "ACTIVE findings in the accounts of each " + o.title + ".",
	}, width, "Active",
		ownerValue{"Active", "sum", activeBy("account_id"), nil},
		ownerValue{"Public", "sum", activeBy("account_id", `public="true"`), noneIsZero})
}
