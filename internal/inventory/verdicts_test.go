package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// What was added comes out again, whatever it shares with its neighbours.
func TestVerdictsComeOutAsTheyWentIn(t *testing.T) {
	analyzers := []*Analyzer{nil, {Name: "one"}, {Name: "two"}}
	failures := []*Failure{nil, {Message: "one"}, {Message: "two"}}
	exemptions := []*Exemption{nil, {Reason: "one"}}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var want []Verdict
		for range r.IntN(200) {
			want = append(want, Verdict{
				AccountID: fmt.Sprint(r.IntN(5)), Region: []string{"", Global, "eu-west-1"}[r.IntN(3)], Access: Accesses[r.IntN(3)],
				State:    []State{Covered, Uncovered, Unknown, Exempt}[r.IntN(4)],
				Analyzer: analyzers[r.IntN(3)], Failure: failures[r.IntN(3)], Exemption: exemptions[r.IntN(2)],
			})
		}
		vs := VerdictsOf(want...)
		if got := slices.Collect(vs.All()); vs.Len() != len(want) || !slices.Equal(got, want) {
			t.Fatalf("seed %d: got\n%v\nwant\n%v", seed, got, want)
		}
		from := r.IntN(len(want) + 1)
		to := from + r.IntN(len(want)-from+1)
		part := vs.Part(from, to)
		if got := slices.Collect(part.All()); !slices.Equal(got, want[from:to]) {
			t.Fatalf("seed %d: from %d to %d\n%v\nwant\n%v", seed, from, to, got, want[from:to])
		}
	}
}

func TestTargetStatesComeOutAsTheyWentIn(t *testing.T) {
	moment := time.Date(2027, 3, 1, 12, 0, 0, 123456789, time.UTC)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var want []TargetState
		for range r.IntN(200) {
			s := TargetState{
				Target:  Target{AccountID: fmt.Sprint(r.IntN(5)), Region: []string{"", Global, "eu-west-1"}[r.IntN(3)]},
				Success: r.IntN(2) == 0,
			}
			if r.IntN(2) == 0 {
				s.LastSuccess = moment.Add(time.Duration(r.IntN(3)) * time.Hour)
			}
			want = append(want, s)
		}
		ts := TargetStatesOf(want...)
		got := slices.Collect(ts.All())
		same := slices.EqualFunc(got, want, func(a, b TargetState) bool {
			return a.Target == b.Target && a.Success == b.Success && a.LastSuccess.Equal(b.LastSuccess) && a.LastSuccess.IsZero() == b.LastSuccess.IsZero()
		})
		if ts.Len() != len(want) || !same {
			t.Fatalf("seed %d: got\n%v\nwant\n%v", seed, got, want)
		}
	}
}
