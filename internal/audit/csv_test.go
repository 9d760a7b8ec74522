package audit

import "testing"

func TestCellsAreNoFormulas(t *testing.T) {
	for _, cell := range []string{"=1", " +1", "-1", "@x", "＝1", "＋1", "－1", "＠1", "﹢1", "﹣1", "﹦1", "﹫1", "−1"} {
		if got := cellText(cell); got != "'"+cell {
			t.Errorf("%q is written as %q", cell, got)
		}
	}
	if got := cellText("team=a"); got != "team=a" {
		t.Errorf("a sign within a cell is quoted: %q", got)
	}
}
