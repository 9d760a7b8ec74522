package web

import (
	"encoding/json"
	"io"

	"access-analyzer-exporter/internal/inventory"
)

// WriteCoverage writes what /api/v1/coverage answers for a Snapshot, with every
// account on one page. version is that of the program.
func WriteCoverage(w io.Writer, s *inventory.Snapshot, version string) error {
	v := newView(s)
	f := filter{page: 1, size: max(1, len(s.Accounts))}
	c := v.coverage(s.PublishedAt, nil)
	c.ExporterVersion = version
	rows := v.rows(f)
	c.Page = apiPage{Number: f.page, Size: f.size, Pages: 1, Accounts: len(rows)}
	c.Accounts = make([]apiAccount, len(rows))
	for i, row := range rows {
		c.Accounts[i] = v.apiAccount(row, f, v.regions)
	}
	return json.NewEncoder(w).Encode(c)
}
