package report

import (
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

func TestPercentIsRoundedDown(t *testing.T) {
	for _, test := range []struct {
		tally Tally
		want  string
	}{
		{Tally{inventory.Covered: 99_999, inventory.Unknown: 1}, "100.0%"},
		{Tally{inventory.Covered: 1, inventory.Uncovered: 1, inventory.Unknown: 2}, "50.0%"},
		{Tally{inventory.Unknown: 7}, ""},
		{Tally{inventory.Covered: 99_999, inventory.Uncovered: 1, inventory.Exempt: 7}, "99.9%"},
		{Tally{inventory.Covered: 3, inventory.Exempt: 7}, "100.0%"},
		{Tally{inventory.Exempt: 7}, ""},
	} {
		if got := test.tally.Percent(); got != test.want {
			t.Errorf("%v is %q, want %q", test.tally, got, test.want)
		}
	}
}
