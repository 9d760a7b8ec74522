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

// owner is a label of accounts that tables group by, and the variable that filters by it.
type owner struct{ label, variable, title, heading, description, none string }

// owners are the labels of accounts. Tables group by the first two. Another tag needs another label here, and its
// variable in chosenLabels.
var owners = []owner{
	{"ou_name", "ou", "organizational unit", "OU", "Organizational unit (accounts.labels.ou)", "none"},
	{"label_team", "team", "team", "Team", "Tag team of the accounts (accounts.labels.tags)", "no team"},
	{"label_environment", "environment", "environment", "Environment", "Tag environment of the accounts (accounts.labels.tags)", "no environment"},
}

// without is the text of the tables if the exporter has no labels of accounts.
const without = "No labels of accounts (accounts.labels), or no data"

// ownerLimit is the number of rows of tables by owner.
const ownerLimit = 100

// by aggregates an expression with account_id by the owner. topk selects one value if
// two exporters differ after a change. Accounts without the label are one row; those
// whose labels are not known are in none.
func (o owner) by(aggregation, expr string) string {
	values := "topk by (account_id) (1, " + one("account_id, "+o.label, accountLabels, inAccount) + ")"
	return fmt.Sprintf("label_replace(%s by (%s) (\n(%s)\n* on (account_id) group_left (%s) %s), \"%s\", \"%s\", \"%s\", \"\")",
		aggregation, o.label, expr, o.label, values, o.label, o.none, o.label)
}

// table has a row for each owner, at most ownerLimit, and a column for each value.
func (o owner) table(a about, width uint32, first string, values ...ownerValue) cog.Builder[dashboard.Panel] {
	a.empty = without
	columns := []column{{o.label, o.heading, nil}}
	var properties []string
	for _, v := range values {
		field := "Value " + v.title
		columns = append(columns, column{field, v.title, v.with})
		properties = append(properties, constant(o.by(v.aggregation, v.expr), "property", field))
	}
	return newLimitedTable(a, width, columns, strings.Join(properties, "\nor "), first, ownerLimit)
}

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
			"Covered is the share without unknown and exempt targets.",
	}, width, "Uncovered",
		ownerValue{"Covered", "avg", coverage(), []dashboard.DynamicConfigValue{set("unit", units.PercentUnit), set("decimals", 1)}},
		ownerValue{"Uncovered", "sum", coverage() + " == bool 0", nil},
		ownerValue{"Unknown", "sum", unknowns() + " * 0 + 1", nil})
}

// findingsTable has the active findings of each owner.
func (o owner) findingsTable(width uint32) cog.Builder[dashboard.Panel] {
	return o.table(about{
		title:       "Active findings by " + o.title,
		description: "ACTIVE findings in the accounts of each " + o.title + ".",
	}, width, "Active",
		ownerValue{"Active", "sum", "sum by (account_id) " + active(), nil},
		ownerValue{"Public", "sum", "sum by (account_id) " + active(`public="true"`), nil})
}
