package inventory

import (
	"maps"
	"testing"
)

func TestCoverageTargetsHasZeros(t *testing.T) {
	s := &Snapshot{Verdicts: []Verdict{
		{AccountID: "111111111111", Region: "eu-west-1", Access: External, State: Covered},
		{AccountID: "222222222222", Region: "eu-west-1", Access: External, State: Covered},
		{AccountID: "222222222222", Region: Global, Access: Unused, State: Exempt},
	}}
	want := map[CoverageKey]int{
		{External, "eu-west-1", Covered}: 2, {External, "eu-west-1", Uncovered}: 0, {External, "eu-west-1", Unknown}: 0, {External, "eu-west-1", Exempt}: 0,
		{Unused, Global, Covered}: 0, {Unused, Global, Uncovered}: 0, {Unused, Global, Unknown}: 0, {Unused, Global, Exempt}: 1,
	}
	if got := s.CoverageTargets(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if got := new(Snapshot).CoverageTargets(); len(got) != 0 {
		t.Errorf("before the first sweep: %v", got)
	}
}
