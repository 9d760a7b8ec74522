package main

// annotation marks events on the graphs of a dashboard. The Foundation SDK has no type
// for those of Prometheus.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/annotations.ts
type annotation struct {
	name, color, expr, text string
	// timed is set if the value of expr is the time of the event in milliseconds.
	timed bool
}

// annotations are the events of all dashboards.
func (s spec) annotations() []any {
	var all []any
	for _, a := range []annotation{
		{"Alerts", bad, fired(), "{{alertname}} ({{severity}})", false},
		{"Restarts", unclearLine, started(), "{{instance}} started", true},
		{"Reloads", good, reloaded(), "{{instance}} loaded its configuration", true},
		{"Versions", muted, upgraded(), "Version {{version}}", false},
	} {
		all = append(all, map[string]any{
			"name": a.name, "enable": true, "hide": false, "iconColor": a.color,
			"datasource": map[string]any{"type": prometheusType, "uid": "${datasource}"},
			"expr":       a.expr, "step": "60s", "titleFormat": a.name, "textFormat": a.text, "tagKeys": "", "useValueForTime": a.timed,
		})
	}
	return all
}

// mark is how long the mark of an event is: Grafana asks every 12 minutes in a time range
// of 90 days. An alert that fires for a week is not marked all the week, because the mark
// would hide the graphs.
const mark = "15m"

// fired has a series for each alert of the rules that started to fire, without those of
// other accounts if accounts are chosen.
func fired() string {
	firing := series("ALERTS", `alertname=~"AccessAnalyzer.+"`, `alertstate="firing"`, `account_id=~"$account|"`, `account_id=~"${owned:pipe}|"`)
	return "max by (alertname, severity) (" + firing + "\nunless " + firing + " offset " + mark + ")"
}

// started is when each exporter started.
func started() string {
	return "1000 * max by (instance) (" + ours("process_start_time_seconds") + ")"
}

// reloaded is when each exporter last loaded its configuration, except at its start.
func reloaded() string {
	loaded := one("instance", "access_analyzer_exporter_config_last_reload_success_timestamp_seconds")
	return "1000 * (" + loaded + " > on (instance) 60 + max by (instance) (" + series("process_start_time_seconds") + "))"
}

// upgraded has a series for each version after its first sample, except the first of
// all.
func upgraded() string {
	before := "last_over_time(" + series("access_analyzer_exporter_build_info") + "[1h] offset " + mark + ")"
	return "group by (version) (" + series("access_analyzer_exporter_build_info") + ")\nunless on (version) " + before + "\nand on () group (" + before + ")"
}
