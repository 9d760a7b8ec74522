package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The UIDs of the dashboards must not change: links, bookmarks and alerts use
// them.
const (
	coverageUID = "access-analyzer-coverage"
	findingsUID = "access-analyzer-findings"
	policiesUID = "access-analyzer-policies"
	accountUID  = "access-analyzer-account"
	exporterUID = "access-analyzer-exporter"
	reportUID   = "access-analyzer-report"
)

// schemaVersion is that of Grafana 11.0, the oldest supported version. Later
// versions migrate a dashboard when they load it.
const schemaVersion = 39

// prometheusType is the type of Grafana's own data source for Prometheus.
const prometheusType = "prometheus"

// spec is one dashboard.
type spec struct {
	uid, title, description string
	// from is the default time range, up to now.
	from string
	// variables are those that the panels use. The others are hidden and only
	// passed on by links.
	variables []string
	// parts are the rows of the dashboard.
	parts []part
}

// part is a row with its panels.
type part struct {
	heading string
	panels  []cog.Builder[dashboard.Panel]
}

// all are the dashboards, in the order of their links.
func all() []spec {
	return []spec{coverageDashboard(), findingsDashboard(), policiesDashboard(), accountDashboard(), exporterDashboard(), reportDashboard()}
}

// build assembles the dashboard. Grafana before version 12 reads only the first
// schema, whose types are deprecated.
//
//nolint:staticcheck // see above
func (s spec) build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(s.title).
		Uid(s.uid).
		Description(s.description).
		Tags([]string{"access-analyzer", "aws", "iam"}).
		Time("now-"+s.from, "now").
		Refresh("5m").
		Readonly().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Variables(variables(s)).
		Links(links())
	for _, p := range s.parts {
		b.WithRow(dashboard.NewRowBuilder(p.heading))
		for _, panel := range p.panels {
			b.WithPanel(panel)
		}
	}
	d, err := b.Build()
	d.SchemaVersion = schemaVersion
	number(d.Panels)
	for i := range d.Links {
		d.Links[i].Placement = nil // The default of the builder hides links in a menu.
	}
	return d, err
}

// number sets the IDs of the panels, which URLs of single panels contain.
func number(panels []dashboard.PanelOrRowPanel) {
	for i := range panels {
		id := uint32(i + 1)
		if p := panels[i].Panel; p != nil {
			p.Id = &id
		} else {
			panels[i].RowPanel.Id = id
		}
	}
}

// render returns the JSON for the import by Grafana, with sorted keys and
// unescaped PromQL for readable diffs. datasource is the type of its data source.
func (s spec) render(datasource string) ([]byte, error) {
	d, err := s.build()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	plain.(map[string]any)["annotations"] = map[string]any{"list": s.annotations()}
	readFrom(plain, datasource)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(plain)
	return out.Bytes(), err
}

// readFrom sets the type of every data source below node: those of panels, queries and
// variables, and that of the variable that selects one.
func readFrom(node any, datasource string) {
	switch node := node.(type) {
	case map[string]any:
		if node["type"] == prometheusType {
			node["type"] = datasource
		}
		if node["type"] == "datasource" && node["query"] == prometheusType {
			node["query"] = datasource
		}
		for _, v := range node {
			readFrom(v, datasource)
		}
	case []any:
		for _, v := range node {
			readFrom(v, datasource)
		}
	}
}

// links returns links to all dashboards that keep time range and variables.
func links() []cog.Builder[dashboard.DashboardLink] {
	link := func(title, uid, tooltip string) cog.Builder[dashboard.DashboardLink] {
		return dashboard.NewDashboardLinkBuilder(title).
			Type(dashboard.DashboardLinkTypeLink).
			Icon("dashboard").
			Tooltip(tooltip).
			Url("/d/" + uid).
			KeepTime(true).
			IncludeVars(true)
	}
	return []cog.Builder[dashboard.DashboardLink]{
		link("Coverage", coverageUID, "Coverage by account and Region"),
		link("Findings", findingsUID, "Findings of all accounts and Regions"),
		link("Policies", policiesUID, "Validation of the policies of all accounts"),
		link("Account", accountUID, "Coverage and findings of one account"),
		link("Exporter", exporterUID, "Exporter health and data freshness"),
		link("Report", reportUID, "Objective, trend and exemptions for a weekly look"),
	}
}

// carriedOver returns all variables except the account as URL parameters.
func carriedOver() string {
	var parts []string
	for _, name := range variableNames {
		if name != "account" {
			parts = append(parts, "${"+name+":queryparam}")
		}
	}
	return strings.Join(parts, "&")
}
