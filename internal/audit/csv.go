package audit

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

var csvHeader = []string{
	"account_id", "account_name", "role", "region", "access", "state", "reason", "operation",
	"analyzer_account_id", "analyzer_region", "analyzer", "type", "status", "why",
}

// WriteCSV writes a header and a row for each verdict, in the order of the
// Snapshot: RFC 4180 with LF. The labels of accounts are the last columns; they are
// empty while they are not known.
func WriteCSV(w io.Writer, s *inventory.Snapshot) error {
	out := csv.NewWriter(w)
	header := slices.Clone(csvHeader)
	if s.Labels.OU {
		header = append(header, "ou_path", "ou_name")
	}
	header = append(header, s.Labels.Names...)
	if err := out.Write(header); err != nil {
		return err
	}
	summary := report.Of(s)
	for r := range summary.Rows {
		labels := make([]string, len(header)-len(csvHeader))
		for i, l := range s.Labels.Fields(r.Account) {
			labels[i] = l.Value
		}
		for _, v := range r.Verdicts {
			row := []string{v.AccountID, r.Account.Name, string(r.Account.Role), v.Region, string(v.Access), string(v.State), "", "", "", "", "", "", "", summary.Explain(v)}
			if f := v.Failure; f != nil {
				row[6], row[7] = string(f.Reason), f.Operation
			}
			if a := v.Analyzer; a != nil {
				copy(row[8:], []string{a.AccountID, a.Region, a.Name, a.Type, a.Status})
			}
			row = append(row, labels...)
			for i := range row {
				row[i] = cellText(row[i])
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// formulaSigns begin a formula in a spreadsheet. Some spreadsheets skip spaces before
// them, and accept the full-width and small signs of East Asian keyboards.
const formulaSigns = "=+-@＝＋－＠﹢﹣﹦﹫−"

// cellText keeps names from becoming formulas in a spreadsheet.
// https://owasp.org/www-community/attacks/CSV_Injection
func cellText(s string) string {
	s = report.Printable(s)
	if strings.IndexAny(strings.TrimSpace(s), formulaSigns) == 0 {
		return "'" + s
	}
	return s
}
