package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

const (
	// individually is the number of accounts up to which each has a row. Of more
	// accounts, those with the same states share a row.
	individually = 40
	// maxRows is how many rows are shown.
	maxRows = 60
	// Names of accounts get at least minName, and at most maxName, of the
	// terminal's columns.
	minName, maxName = 14, 40
)

// row is an account, or accounts that look alike, and its states by column.
type row struct {
	report.Row
	accounts []*inventory.Account
	states   map[report.Column]inventory.State
}

// matrix is accounts × columns.
type matrix struct {
	columns []report.Column
	rows    []row
}

// matrices has a matrix for each access that is judged by Region. The first one
// also has the column of unused access, which is judged by account.
func matrices(s *report.Summary) []matrix {
	var all []matrix
	unused := report.Column{Region: inventory.Global, Access: inventory.Unused}
	columns := s.Columns()
	for _, access := range inventory.Accesses {
		var m matrix
		for _, c := range columns {
			if c.Access == access && c != unused {
				m.columns = append(m.columns, c)
			}
		}
		if len(m.columns) > 0 {
			all = append(all, m)
		}
	}
	if slices.Contains(columns, unused) {
		if len(all) == 0 {
			all = append(all, matrix{})
		}
		all[0].columns = append(all[0].columns, unused)
	}
	var rows []row
	for r := range s.Rows {
		states := map[report.Column]inventory.State{}
		for _, v := range r.Verdicts {
			states[report.Column{Region: v.Region, Access: v.Access}] = v.State
		}
		rows = append(rows, row{r, []*inventory.Account{r.Account}, states})
	}
	for i := range all {
		all[i].rows = arrange(rows, all[i].columns)
	}
	return all
}

// in is the state of a row in a column.
func (r row) in(c report.Column) inventory.State {
	state, ok := r.states[c]
	switch {
	case ok:
		return state
	case c.Access == inventory.Unused:
		return report.NotEnabled
	}
	return r.Missing()
}

func (r row) tally(columns []report.Column) report.Tally {
	t := report.Tally{}
	for _, c := range columns {
		t[r.in(c)]++
	}
	return t
}

// arrange sorts the rows, the worst first, after merging those that look alike
// if there are many.
func arrange(rows []row, columns []report.Column) []row {
	rows = slices.Clone(rows)
	if len(rows) > individually {
		rows = alike(rows, columns)
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(
			a.tally(columns).Worse(b.tally(columns)),
			cmp.Compare(len(b.accounts), len(a.accounts)),
		)
	})
	return rows
}

func alike(rows []row, columns []report.Column) []row {
	var groups []row
	index := map[string]int{}
	for _, r := range rows {
		var pattern strings.Builder
		for _, c := range columns {
			pattern.WriteString(looks[r.in(c)].symbol)
		}
		i, ok := index[pattern.String()]
		if !ok {
			i = len(groups)
			index[pattern.String()] = i
			groups = append(groups, row{r.Row, nil, r.states})
		}
		groups[i].accounts = append(groups[i].accounts, r.accounts...)
	}
	return groups
}

// name is the name of the first account, with or without its ID, and the number
// of other accounts.
func (r row) name(id bool) string {
	a := r.accounts[0]
	name := report.Printable(a.Name)
	switch {
	case name == "":
		name = a.ID
	case id:
		name += " (" + a.ID + ")"
	}
	if more := len(r.accounts) - 1; more > 0 {
		name += fmt.Sprintf(" and %d more", more)
	}
	return name
}

// title lists the accesses: by Region, and by account for unused access.
func (m matrix) title() string {
	var parts []string
	if regional := m.columns[0].Access; regional != inventory.Unused {
		parts = append(parts, string(regional)+" access by Region")
	}
	if m.columns[len(m.columns)-1].Access == inventory.Unused {
		parts = append(parts, "unused access by account")
	}
	return report.Capital(strings.Join(parts, ", "))
}

// write prints the matrix in as many blocks of columns as the width takes.
func (m matrix) write(total int, color ink) string {
	labels := m.labels(total)
	names, name := m.names(labels, total)
	var b strings.Builder
	for from := 0; from < len(m.columns); {
		to, used := from, name+2
		for to < len(m.columns) && (to == from || used+columnWidth(labels[to]) <= total) {
			used += columnWidth(labels[to]) + 1
			to++
		}
		b.WriteString(m.block(names, from, to, labels, name, color) + "\n")
		if from = to; from < len(m.columns) {
			b.WriteString("\n")
		}
	}
	if hidden := len(m.rows) - len(names); hidden > 0 {
		fmt.Fprintf(&b, "… and %d more rows; --output=csv has every target\n", hidden)
	}
	return b.String()
}

// names are what the rows that are shown are called, and the width they have:
// what the columns leave, within bounds. IDs are left out where they do not fit.
func (m matrix) names(labels [][]string, total int) (names []string, room int) {
	used := 1 // the space behind the name; behind the last column there is none
	for _, l := range labels {
		used += columnWidth(l) + 1
	}
	room = min(max(minName, total-used), maxName)
	for _, id := range []bool{true, false} {
		names = nil
		longest := 0
		for _, r := range m.rows[:min(len(m.rows), maxRows)] {
			names = append(names, r.name(id))
			longest = max(longest, width(names[len(names)-1]))
		}
		if longest <= room {
			return names, longest
		}
	}
	for i := range names {
		names[i] = fit(names[i], room)
	}
	return names, room
}

func (m matrix) block(names []string, from, to int, labels [][]string, name int, color ink) string {
	t := grid()
	configs := []table.ColumnConfig{{Number: 1, WidthMin: name}}
	t.Style().Box.PaddingRight = " "
	for i := range labels[from] {
		header := table.Row{strings.Repeat(" ", name)}
		for n, l := range labels[from:to] {
			text := l[i]
			if i == 0 && len(l) > 1 && n > 0 && labels[from+n-1][0] == text {
				text = "" // the same as in the column before
			}
			header = append(header, text)
		}
		t.AppendHeader(header)
	}
	for n := range to - from {
		configs = append(configs, table.ColumnConfig{Number: n + 2, WidthMin: columnWidth(labels[from+n])})
	}
	t.SetColumnConfigs(configs)
	for n := range names {
		cells := table.Row{names[n] + " "}
		for _, c := range m.columns[from:to] {
			state := m.rows[n].in(c)
			cells = append(cells, color.state(state, looks[state].symbol))
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

// labels are the headers of the columns, all of the same number of lines: the
// names of the Regions where they fit, else their parts one below the other.
func (m matrix) labels(total int) [][]string {
	whole, parts := make([][]string, len(m.columns)), make([][]string, len(m.columns))
	used := 2 + min(maxName, 24)
	for i, c := range m.columns {
		whole[i], parts[i] = []string{c.Region}, partsOf(c.Region)
		if c.Access == inventory.Unused {
			whole[i], parts[i] = []string{"unused"}, []string{"", "", "unused"}
		}
		used += columnWidth(whole[i]) + 1
	}
	if used <= total {
		return whole
	}
	return parts
}

func columnWidth(label []string) int {
	longest := 0
	for _, l := range label {
		longest = max(longest, len(l))
	}
	return longest
}

var directions = map[string]string{
	"north": "n", "south": "s", "east": "e", "west": "w", "central": "c",
	"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}

// partsOf takes eu-west-1 apart: eu, w, 1.
func partsOf(region string) []string {
	parts := strings.Split(report.Printable(region), "-")
	if len(parts) < 3 || directions[parts[len(parts)-2]] == "" {
		return []string{"", "", report.Printable(region)}
	}
	last := len(parts) - 1
	return []string{strings.Join(parts[:last-1], "-"), directions[parts[last-1]], parts[last]}
}
