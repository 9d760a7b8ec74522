package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The uids of the dashboards. Links, bookmarks and alerts hold them: they
// never change.
const (
	coverageUID = "access-analyzer-coverage"
	findingsUID = "access-analyzer-findings"
	accountUID  = "access-analyzer-account"
	exporterUID = "access-analyzer-exporter"
)

// schemaVersion is that of Grafana 11.0, the oldest supported. Its successors
// migrate when they load a dashboard; it could not migrate back.
const schemaVersion = 39

// spec is one dashboard.
type spec struct {
	uid, title, description string
	// from is how far back it looks.
	from string
	// variables are those that its panels use. The others are there, hidden, to
	// be carried over to the next dashboard.
	variables []string
	// parts are its panels, in reading order, under headings.
	parts []part
}

// part is a heading and what stands under it.
type part struct {
	heading string
	panels  []cog.Builder[dashboard.Panel]
}

// all are the dashboards, in the order of their links.
func all() []spec {
	return []spec{coverageDashboard(), findingsDashboard(), accountDashboard(), exporterDashboard()}
}

// build assembles the dashboard.
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
		d.Links[i].Placement = nil // The builder's default hides links in a menu.
	}
	return d, err
}

// number gives the panels their IDs, which addresses of single panels hold.
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

// render is the dashboard as the JSON that Grafana imports: keys sorted and
// PromQL unescaped, so that a change can be reviewed.
func (s spec) render() ([]byte, error) {
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
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(plain)
	return out.Bytes(), err
}

// links lead from each dashboard to all four, with time range and variables.
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
		link("Coverage", coverageUID, "Where nobody is looking"),
		link("Findings", findingsUID, "What the analyzers found"),
		link("Account", accountUID, "Everything about one account"),
		link("Exporter", exporterUID, "Whether the numbers can be believed"),
	}
}

// carriedOver are all variables but the account, as part of an address.
func carriedOver() string {
	var parts []string
	for _, name := range variableNames {
		if name != "account" {
			parts = append(parts, "${"+name+":queryparam}")
		}
	}
	return strings.Join(parts, "&")
}
