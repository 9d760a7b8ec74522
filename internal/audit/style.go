package audit

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// look is the symbol of a state, so that color is not required, and its SGR
// parameters.
// https://ecma-international.org/publications-and-standards/standards/ecma-48/
type look struct{ symbol, sgr string }

var looks = map[inventory.State]look{
	inventory.Covered:   {"✓", "32"},
	inventory.Uncovered: {"✗", "1;31"},
	inventory.Unknown:   {"?", "1;33"},
	inventory.Exempt:    {"-", "36"},
	report.NotEnabled:   {".", "2"},
	report.NotListed:    {"!", "1;33"},
}

const (
	bold = "1"
	dim  = "2"
)

// ink colors text unless it is false.
type ink bool

func (color ink) paint(sgr, s string) string {
	if !color || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (color ink) state(s inventory.State, text string) string {
	return color.paint(looks[s].sgr, text)
}

// grid is an empty table without lines.
func grid() table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header, style.Format.HeaderAlign = text.FormatDefault, text.AlignDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	return t
}

// fit cuts a text to a width on the terminal.
func fit(s string, width int) string { return text.Snip(s, width, "…") }

func width(s string) int { return text.StringWidthWithoutEscSequences(s) }

// wrapped breaks text into lines of a width, each behind an indent.
func wrapped(s, indent string, total int) string {
	lines := strings.Split(text.WrapSoft(s, max(total-len(indent), 20)), "\n")
	for i := range lines {
		lines[i] = indent + strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
