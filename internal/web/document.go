package web

import (
	"bufio"
	"errors"
	"html/template"
	"io"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// WriteCoverage writes the response of /api/v1/coverage for a Snapshot, with all
// accounts on one page and their findings. version is that of the program, setting
// the command.
func WriteCoverage(w io.Writer, s *inventory.Snapshot, setting remedy.Setting, links console.Links, version string) error {
	v := newView(s, setting, links)
	v.owned = map[string][]apiFindingTotal{}
	for _, l := range v.Findings().Accounts {
		v.owned[l.AccountID] = append(v.owned[l.AccountID], v.apiFindingTotal(l))
	}
	f := filter{page: 1, size: max(1, len(s.Accounts))}
	rows := v.rows(f)
	c := v.coverage(s.PublishedAt, nil)
	c.ExporterVersion = version
	c.Page = apiPage{Number: f.page, Size: f.size, Pages: 1, Accounts: len(rows)}
	return v.writeAccounts(bufio.NewWriter(w), c, rows, f)
}

// WritePage writes the page of a snapshot as one file, without links to a server. It
// has at most maxPageSize accounts, the worst first.
func WritePage(w io.Writer, s *inventory.Snapshot, setting remedy.Setting, links console.Links, version string) error {
	v := newView(s, setting, links)
	p := &page{Style: template.CSS(pageStyle), Title: pageTitle, Version: version, Simulated: setting.Simulated} //nolint:gosec // embedded file
	p.fill(v, s.PublishedAt)
	f := filter{page: 1, size: maxPageSize}
	m, err := v.newMap(f)
	if err != nil {
		return err
	}
	p.Map = m
	p.detach()
	out := bufio.NewWriterSize(w, 32<<10)
	err = pageTemplate.Execute(out, p)
	return errors.Join(err, out.Flush())
}

// detach removes the links that need a server. Those to the map stay.
func (p *page) detach() {
	p.Detached, p.Age = true, ""
	for i := range p.Totals {
		for j := range p.Totals[i].Counts {
			p.Totals[i].Counts[j].Link = "#map"
		}
	}
	for _, lines := range [][]attentionLine{p.Attention, p.Further} {
		for i := range lines {
			if lines[i].OnMap != "" {
				lines[i].OnMap = "#map"
			}
		}
	}
	for i := range p.Owners {
		p.Owners[i].Link = ""
	}
	for i := range p.Public {
		p.Public[i].Link = ""
	}
	if p.Policies != nil {
		for i := range p.Policies.Worst {
			p.Policies.Worst[i].Link = ""
		}
	}
	for _, t := range p.Groups {
		for i := range t.Lines {
			t.Lines[i].Link = ""
		}
	}
	if m := p.Map; m != nil {
		m.First, m.Previous, m.Next, m.Last = "", "", "", ""
		rows := m.Rows
		m.Rows = func(yield func(mapRow) bool) {
			for r := range rows {
				if r.Link = ""; !yield(r) {
					return
				}
			}
		}
	}
}
