package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// owner is a label of accounts that tables group by.
type owner struct{ label, title, none string }

// owners are the labels of the tables. Another tag needs another label here.
var owners = []owner{
	{"label_team", "team", "no team"},
	{"ou_name", "organizational unit", "none"},
}

// without is the text of the tables if the exporter has no labels of accounts.
const without = "No labels of accounts (accounts.labels), or no data"

// by sums an expression with account_id by the owner. topk selects one value if two
// exporters differ after a change. Accounts without the label are one row; those
// whose labels are not known are in none.
func (o owner) by(aggregation, expr string) string {
	values := fmt.Sprintf(`topk by (account_id) (1, max by (account_id, %s) (aws_access_analyzer_account_labels{%s}))`, o.label, inAccount)
	return fmt.Sprintf("label_replace(%s by (%s) (\n(%s)\n* on (account_id) group_left (%s) %s), \"%s\", \"%s\", \"%s\", \"\")",
		aggregation, o.label, expr, o.label, values, o.label, o.none, o.label)
}

// coverageTable has the coverage of each owner.
func (o owner) coverageTable(width uint32) cog.Builder[dashboard.Panel] {
	return newPropertiesTable(about{
		title: "Coverage by " + o.title,
		description: "Targets of the accounts of each " + o.title + ", of the selected Regions and access types. " +
			"Covered is the share without unknown and exempt targets.",
		empty: without,
	}, width, []column{
		{o.label, o.title, nil},
		{"Value covered", "Covered", []dashboard.DynamicConfigValue{set("unit", units.PercentUnit), set("decimals", 1)}},
		{"Value uncovered", "Uncovered", nil},
		{"Value unknown", "Unknown", nil},
	}, constant(o.by("avg", coverage()), "property", "Value covered")+
		"\nor "+constant(o.by("sum", coverage()+" == bool 0"), "property", "Value uncovered")+
		"\nor "+constant(o.by("sum", unknowns()+" * 0 + 1"), "property", "Value unknown"))
}

// findingsTable has the active findings of each owner.
func (o owner) findingsTable(width uint32) cog.Builder[dashboard.Panel] {
	return newPropertiesTable(about{
		title:       "Active findings by " + o.title,
		description: "ACTIVE findings in the accounts of each " + o.title + ". " + once,
		empty:       without,
	}, width, []column{
		{o.label, o.title, nil},
		{"Value active", "Active", nil},
		{"Value public", "Public", nil},
	}, constant(o.by("sum", "sum by (account_id) "+active()), "property", "Value active")+
		"\nor "+constant(o.by("sum", "sum by (account_id) "+active(`public="true"`)), "property", "Value public"))
}
