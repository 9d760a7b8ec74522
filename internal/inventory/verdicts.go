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
	accounts []string
	places   []place
	grounds  []ground
	rows     []verdictRow
	// placed has the places by what they are, and latest the latest ground of
	// each: what covers one account in a Region mostly covers the next.
	placed map[place]uint32
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
	if last := len(vs.accounts) - 1; last < 0 || vs.accounts[last] != v.AccountID {
		vs.accounts = append(vs.accounts, v.AccountID)
	}
	at, known := vs.placed[place{v.Region, v.Access}]
	if !known {
		if vs.placed == nil {
			vs.placed = map[place]uint32{}
		}
		at = uint32(len(vs.places))
		vs.placed[place{v.Region, v.Access}] = at
		vs.places = append(vs.places, place{v.Region, v.Access})
		vs.latest = append(vs.latest, 0)
	}
	g := ground{v.State, v.Analyzer, v.Failure, v.Exemption}
	if len(vs.grounds) == 0 || vs.grounds[vs.latest[at]] != g {
		vs.latest[at] = uint32(len(vs.grounds))
		vs.grounds = append(vs.grounds, g)
	}
	vs.rows = append(vs.rows, verdictRow{uint32(len(vs.accounts) - 1), at, vs.latest[at]})
}

// Len is how many there are.
func (vs *Verdicts) Len() int { return len(vs.rows) }

// At is the one at a position, from 0.
func (vs *Verdicts) At(i int) Verdict {
	row := vs.rows[i]
	p, g := vs.places[row.place], vs.grounds[row.ground]
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
	return Verdicts{accounts: vs.accounts, places: vs.places, grounds: vs.grounds, rows: vs.rows[from:to:to]}
}

// TargetStates are the states of targets at one moment, in the order in which
// they were added, and as small as Verdicts. The zero value is empty.
type TargetStates struct {
	accounts, regions []string
	rows              []targetRow
	placed            map[string]uint32 // the Regions, by name
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
	if last := len(ts.accounts) - 1; last < 0 || ts.accounts[last] != t.AccountID {
		ts.accounts = append(ts.accounts, t.AccountID)
	}
	at, known := ts.placed[t.Region]
	if !known {
		if ts.placed == nil {
			ts.placed = map[string]uint32{}
		}
		at = uint32(len(ts.regions))
		ts.placed[t.Region] = at
		ts.regions = append(ts.regions, t.Region)
	}
	row := targetRow{account: uint32(len(ts.accounts) - 1), region: at, success: t.Success}
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
			t := TargetState{Target: Target{AccountID: ts.accounts[row.account], Region: ts.regions[row.region]}, Success: row.success}
			if row.lastSuccess != 0 {
				t.LastSuccess = time.Unix(0, row.lastSuccess)
			}
			if !yield(t) {
				return
			}
		}
	}
}
