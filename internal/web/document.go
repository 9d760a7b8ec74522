package web

import (
	"bufio"
	"io"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// WriteCoverage writes the response of /api/v1/coverage for a Snapshot, with all
// accounts on one page and their findings. version is that of the program, setting
// the command.
func WriteCoverage(w io.Writer, s *inventory.Snapshot, setting remedy.Setting, version string) error {
	v := newView(s, setting)
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
