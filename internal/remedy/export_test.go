package remedy

import (
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Document is the table as the documents have it: the reasons alone, or also their
// details, in rows without a reason below that of their reason.
func Document(details bool) string {
	var b strings.Builder
	b.WriteString("| reason | meaning | fix |\n| --- | --- | --- |\n")
	for _, e := range table {
		if e.detail != "" && !details {
			continue
		}
		reason := ""
		if e.detail == "" {
			reason = "`" + string(e.reason) + "`"
		}
		fix := e.in(Setting{}).Fix
		if e.command != "" {
			fix += " `" + e.command + "`"
		}
		b.WriteString("| " + reason + " | " + e.meaning + " | " + fix + " |\n")
	}
	return b.String()
}

// Entry is a row of the table, as both commands report it.
type Entry struct {
	Reason       inventory.Reason
	Detail       inventory.Detail
	Serve, Audit Remedy
}

// Entries returns the rows of the table.
func Entries() (entries []Entry) {
	for _, e := range table {
		entries = append(entries, Entry{e.reason, e.detail, e.in(Setting{}), e.in(Setting{Audit: true})})
	}
	return entries
}
