package inventory

import (
	"iter"
	"time"
)

// Verdicts are the judgements of one moment, in the order in which they were
// added. There is one for each target and kind of access, so each is twelve
// bytes that refer to what it shares with others: an account, a Region and
// access, and what the judgement rests on. The zero value is empty.
type Verdicts struct {
	accounts runs
	places   table[place]
	grounds  []ground
	rows     []verdictRow
	// latest is the latest ground of each place: what covers one account in a
	// Region mostly covers the next.
	latest []uint32
}

type verdictRow struct{ account, place, ground uint32 }

type place struct {
	region string
	access Access
}

type ground struct {
	state     State
	analyzer  *Analyzer
	failure   *Failure
	exemption *Exemption
}

// VerdictsOf are these verdicts.
func VerdictsOf(list ...Verdict) Verdicts {
	var vs Verdicts
	vs.Grow(len(list))
	for _, v := range list {
		vs.Add(v)
	}
	return vs
}

// Grow makes room for n more: grown step by step, the list would for a moment
// take three times its size.
func (vs *Verdicts) Grow(n int) {
	vs.rows = append(make([]verdictRow, 0, len(vs.rows)+n), vs.rows...)
}

// Add adds one at the end.
func (vs *Verdicts) Add(v Verdict) {
	at, added := vs.places.add(place{v.Region, v.Access})
	if added {
		vs.latest = append(vs.latest, 0)
	}
	g := ground{v.State, v.Analyzer, v.Failure, v.Exemption}
	if len(vs.grounds) == 0 || vs.grounds[vs.latest[at]] != g {
		vs.latest[at] = uint32(len(vs.grounds))
		vs.grounds = append(vs.grounds, g)
	}
	vs.rows = append(vs.rows, verdictRow{vs.accounts.add(v.AccountID), at, vs.latest[at]})
}

// Len is how many there are.
func (vs *Verdicts) Len() int { return len(vs.rows) }

// At is the one at a position, from 0.
func (vs *Verdicts) At(i int) Verdict {
	row := vs.rows[i]
	p, g := vs.places.values[row.place], vs.grounds[row.ground]
	return Verdict{
		AccountID: vs.accounts[row.account], Region: p.region, Access: p.access,
		State: g.state, Analyzer: g.analyzer, Failure: g.failure, Exemption: g.exemption,
	}
}

// All goes through them in order.
func (vs *Verdicts) All() iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		for i := range vs.rows {
			if !yield(vs.At(i)) {
				return
			}
		}
	}
}

// Part are those from one position up to, and without, another. Nothing can be
// added to them.
func (vs *Verdicts) Part(from, to int) Verdicts {
	return Verdicts{accounts: vs.accounts, places: table[place]{values: vs.places.values}, grounds: vs.grounds, rows: vs.rows[from:to:to]}
}

// TargetStates are the states of targets at one moment, in the order in which
// they were added, and as small as Verdicts. The zero value is empty.
type TargetStates struct {
	accounts runs
	regions  table[string]
	rows     []targetRow
}

type targetRow struct {
	// lastSuccess is in nanoseconds since the Unix epoch; 0 for never.
	lastSuccess     int64
	account, region uint32
	success         bool
}

// TargetStatesOf are these states.
func TargetStatesOf(list ...TargetState) TargetStates {
	var ts TargetStates
	ts.Grow(len(list))
	for _, t := range list {
		ts.Add(t)
	}
	return ts
}

// Grow makes room for n more.
func (ts *TargetStates) Grow(n int) {
	ts.rows = append(make([]targetRow, 0, len(ts.rows)+n), ts.rows...)
}

// Add adds one at the end.
func (ts *TargetStates) Add(t TargetState) {
	region, _ := ts.regions.add(t.Region)
	row := targetRow{account: ts.accounts.add(t.AccountID), region: region, success: t.Success}
	if !t.LastSuccess.IsZero() {
		row.lastSuccess = t.LastSuccess.UnixNano()
	}
	ts.rows = append(ts.rows, row)
}

// Len is how many there are.
func (ts *TargetStates) Len() int { return len(ts.rows) }

// All goes through them in order.
func (ts *TargetStates) All() iter.Seq[TargetState] {
	return func(yield func(TargetState) bool) {
		for _, row := range ts.rows {
			t := TargetState{Target: Target{AccountID: ts.accounts[row.account], Region: ts.regions.values[row.region]}, Success: row.success}
			if row.lastSuccess != 0 {
				t.LastSuccess = time.Unix(0, row.lastSuccess)
			}
			if !yield(t) {
				return
			}
		}
	}
}

// runs are values of which equal ones mostly follow one another: each run is
// kept once.
type runs []string

func (r *runs) add(v string) (at uint32) {
	if last := len(*r) - 1; last < 0 || (*r)[last] != v {
		*r = append(*r, v)
	}
	return uint32(len(*r) - 1)
}

// table has few values, each once.
type table[T comparable] struct {
	values []T
	at     map[T]uint32
}

func (t *table[T]) add(v T) (at uint32, added bool) {
	if at, known := t.at[v]; known {
		return at, false
	}
	if t.at == nil {
		t.at = map[T]uint32{}
	}
	at = uint32(len(t.values))
	t.at[v], t.values = at, append(t.values, v)
	return at, true
}
