package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// unrecorded is the text of panels without the recorded series that they read.
const unrecorded = "Needs the recording rules of deploy/prometheus/rules.yaml, for more than an hour"

// The times that the report compares with.
const (
	week    = "7d"
	quarter = "90d"
)

// reportDashboard is for a weekly look, on a screen or on paper. What it compares with
// the past is recorded once an hour.
func reportDashboard() spec {
	return spec{
		uid:   reportUID,
		title: "Access Analyzer / Report",
		description: "Coverage against an objective, and findings against last week and last quarter. The numbers are recorded once an hour. " +
			"To print it, add &kiosk&theme=light to its address and print in landscape.",
		from:      "90d",
		variables: slices.Concat(accounts, []string{"page", "region", "access", "finding_type", "analyzer", "objective"}),
		parts: []part{
			{"Coverage", []cog.Builder[dashboard.Panel]{
				sharePanel(6),
				uncoveredPanel(4),
				unknownPanel(4),
				exemptPanel(4),
				activePanel(6),
				objectiveTable(12),
				coverageByDayPanel(12),
			}},
			{"Findings", []cog.Builder[dashboard.Panel]{
				findingTypesTable(14),
				findingsByDayPanel(10),
				byOU.reportTable(12),
				byLabel.reportTable(12),
			}},
			{"Exemptions and open targets", []cog.Builder[dashboard.Panel]{
				exemptionsTable(12),
				uncoveredTable(12),
			}},
		},
	}
}

// targetTime is targets × hours in states since a time.
func targetTime(states, since string) string {
	return fmt.Sprintf("sum by (access) (sum_over_time(%s[%s]))",
		series("access_state:aws_access_analyzer_coverage_targets:avg1h", ofAccess, `state=~"`+states+`"`), since)
}

// coveredSince is the share of targets × time that was covered since a time, without
// unknown and exempt targets.
func coveredSince(since string) string {
	return "(" + targetTime("covered", since) + "\n/ (" + targetTime("covered|uncovered", since) + " > 0))"
}

// budgetLeft is the part of the error budget since a time that is left: negative if
// the objective is missed.
func budgetLeft(since string) string {
	return "(1 - (1 - " + coveredSince(since) + ")\n/ (1 - $objective / 100))"
}

// measured is the share of a time for which a number is recorded.
func measured(hours int, since string) string {
	recorded := series("access_state:aws_access_analyzer_coverage_targets:avg1h", ofAccess, `state="covered"`)
	return fmt.Sprintf("max by (access) (count_over_time(%s[%s])) / %d", recorded, since, hours)
}

func objectiveTable(width uint32) cog.Builder[dashboard.Panel] {
	percent := func(decimals int) []dashboard.DynamicConfigValue {
		return []dashboard.DynamicConfigValue{set("unit", units.PercentUnit), set("decimals", decimals)}
	}
	budget := append(percent(0), set("custom.cellOptions", map[string]any{"type": "color-text"}),
		set("thresholds", map[string]any{"mode": "absolute", "steps": []any{
			map[string]any{"color": bad, "value": nil}, map[string]any{"color": good, "value": 0},
		}}))
	var properties []string
	for _, v := range []struct{ title, expr string }{
		{"Covered, 30 d", coveredSince("30d")},
		{"Budget left, 30 d", budgetLeft("30d")},
		{"Covered, 90 d", coveredSince(quarter)},
		{"Budget left, 90 d", budgetLeft(quarter)},
		{"Measured, 90 d", measured(90*24, quarter)},
	} {
		properties = append(properties, constant("("+v.expr+")", "property", "Value "+v.title))
	}
	return newPropertiesTable(about{
		title: "Coverage objective and error budget",
		description: "Share of targets × time that was covered in the last 30 and 90 days, in all accounts and Regions, without unknown and exempt targets. " +
			"The error budget is the share that the objective allows to be uncovered; below 0% the objective is missed. " +
			"Measured is the share of the 90 days that was recorded.",
		empty: unrecorded,
	}, width, []column{
		{"access", "Access", nil},
		{"Value Covered, 30 d", "Covered, 30 d", percent(2)},
		{"Value Budget left, 30 d", "Budget left, 30 d", budget},
		{"Value Covered, 90 d", "Covered, 90 d", percent(2)},
		{"Value Budget left, 90 d", "Budget left, 90 d", budget},
		{"Value Measured, 90 d", "Measured, 90 d", percent(0)},
	}, strings.Join(properties, "\nor "))
}

func coverageByDayPanel(width uint32) cog.Builder[dashboard.Panel] {
	return painted(newSeries(about{
		title:       "Covered by day",
		description: "Share of targets × time that was covered in the 24 hours before, in all accounts and Regions, without unknown and exempt targets.",
		empty:       unrecorded,
	}, width, over(coveredSince("1d"), "{{access}}")).
		Unit(units.PercentUnit).
		Height(10).
		Max(1), "external", "unused", "internal")
}

// activeAt has the ACTIVE findings of each account and finding type at a time before
// now, with public ones alone if only is given.
func activeAt(before string, only ...string) string {
	offset := ""
	if before != "" {
		offset = " offset " + before
	}
	matchers := append([]string{inAccount, ofType}, only...)
	return "sum by (account_id, finding_type) (max by (account_id, finding_type, public) (last_over_time(" +
		series("account_type:aws_access_analyzer_findings:active", matchers...) + "[2h]" + offset + ")))"
}

// changeOf is changed in a week, and 0 where a number was recorded an hour ago and did not
// change since.
func changeOf(record string) string {
	return changed(record, week) + "\nor 0 * (" + activeAt("1h") + ")"
}

func findingTypesTable(width uint32) cog.Builder[dashboard.Panel] {
	var properties []string
	columns := []column{{"finding_type", "Finding type", wide(220)}}
	for _, v := range reportValues() {
		byType := v.aggregation + " by (finding_type) (" + v.expr + ")"
		properties = append(properties, constant("("+byType+")", "property", "Value "+v.title))
		columns = append(columns, column{"Value " + v.title, v.title, v.with})
	}
	return newPropertiesTable(about{
		title: "Findings by type",
		description: "ACTIVE findings as recorded each hour: the latest record, and those of 7 and 90 days ago. The panels above have current numbers. New and gone are the increases and decreases of the last 7 days by hour, " +
			"where analyzers were counted; gone ones are resolved, archived or deleted with their resource. Each resource counts once.",
		empty: unrecorded,
	}, width, columns, strings.Join(properties, "\nor "))
}

// reportValues are the columns of the tables of findings.
func reportValues() []ownerValue {
	return []ownerValue{
		{"Latest", "sum", activeAt(""), nil},
		{"Public", "sum", activeAt("", `public="true"`), nil},
		{"A week ago", "sum", activeAt(week), nil},
		{"A quarter ago", "sum", activeAt(quarter), nil},
		{"New, 7 d", "sum", changeOf("new1h"), nil},
		{"Gone, 7 d", "sum", changeOf("gone1h"), nil},
		{"Oldest", "min", "1000 * " + oldest(), []dashboard.DynamicConfigValue{set("unit", units.DateTimeFromNow)}},
	}
}

// reportTable has the findings of each owner.
func (o owner) reportTable(width uint32) cog.Builder[dashboard.Panel] {
	return o.table(about{
		title:       "Findings by " + o.title,
		description: "The numbers of “Findings by type” in the accounts of each " + o.title + ".",
	}, width, "Latest", reportValues()...)
}

func findingsByDayPanel(width uint32) cog.Builder[dashboard.Panel] {
	return byTypePanel("Active findings by day", width).Height(10)
}
