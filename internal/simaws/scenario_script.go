package simaws

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// eventFile is an entry of a scenario's script: when, and exactly one change.
type eventFile struct {
	After          duration            `yaml:"after"`
	Every          duration            `yaml:"every"`
	Times          int                 `yaml:"times"`
	SetStatus      *setStatusFile      `yaml:"set_status"`
	AddAnalyzers   *analyzerFile       `yaml:"add_analyzers"`
	DeleteAnalyzer *selectorFile       `yaml:"delete_analyzers"`
	AddFindings    *addFindingsFile    `yaml:"add_findings"`
	ChangeFindings *changeFindingsFile `yaml:"change_findings"`
	AddArchiveRule *addArchiveRuleFile `yaml:"add_archive_rule"`
	AddFault       *addFaultFile       `yaml:"add_fault"`
	SetAccount     *setAccountFile     `yaml:"set_account"`
	SetRegion      *setRegionFile      `yaml:"set_region"`
}

type (
	// selectorFile names analyzers: account/name, both with globs.
	selectorFile struct {
		Analyzer text  `yaml:"analyzer"`
		Regions  texts `yaml:"regions"`
	}
	setStatusFile struct {
		selectorFile `yaml:",inline"`
		Status       text `yaml:"status"`
		StatusReason text `yaml:"status_reason"`
	}
	addFindingsFile struct {
		selectorFile `yaml:",inline"`
		Findings     []findingsFile `yaml:"findings"`
	}
	changeFindingsFile struct {
		selectorFile `yaml:",inline"`
		Where        map[string]Criterion `yaml:"where"`
		Limit        int                  `yaml:"limit"`
		To           text                 `yaml:"to"`
	}
	addArchiveRuleFile struct {
		selectorFile    `yaml:",inline"`
		archiveRuleFile `yaml:",inline"`
		Apply           bool `yaml:"apply"`
	}
	addFaultFile struct {
		faultFile `yaml:",inline"`
		For       duration `yaml:"for"`
	}
	setAccountFile struct {
		Account text `yaml:"account"`
		State   text `yaml:"state"`
	}
	setRegionFile struct {
		Account text `yaml:"account"`
		Region  text `yaml:"region"`
		Status  text `yaml:"status"`
	}
)

// removed is what change_findings also takes in place of a status.
const removed = "REMOVED"

func (b *builder) script(events []eventFile) {
	// What the script adds may be changed by it later.
	known := slices.Clone(b.world.Analyzers)
	for i := range events {
		if f := events[i].AddAnalyzers; f != nil {
			known = append(known, b.analyzers(f)...)
		}
	}
	for i := range events {
		e := &events[i]
		do := b.event(e, known)
		if len(do) != 1 {
			b.errorf(cmp.Or(e.After.line, e.Every.line), "an event of the script has exactly one change, number %d has %d", i+1, len(do))
			continue
		}
		if e.Every.line != 0 && e.Every.value < time.Second {
			b.errorf(e.Every.line, "an event cannot happen more often than every second")
		}
		b.world.Script = append(b.world.Script, &Event{After: e.After.value, Every: e.Every.value, Times: e.Times, Do: do[0]})
	}
}

// change is what an event does.
type change = func(w *World, now time.Time)

func (b *builder) event(e *eventFile, known []*Analyzer) []change {
	var do []change
	if e.SetStatus != nil {
		do = append(do, b.setStatus(e.SetStatus, known))
	}
	if e.AddAnalyzers != nil {
		do = append(do, b.addAnalyzers(e.AddAnalyzers))
	}
	if e.DeleteAnalyzer != nil {
		do = append(do, b.deleteAnalyzers(e.DeleteAnalyzer, known))
	}
	if e.AddFindings != nil {
		do = append(do, b.addFindings(e.AddFindings, known))
	}
	if e.ChangeFindings != nil {
		do = append(do, b.changeFindings(e.ChangeFindings, known))
	}
	if e.AddArchiveRule != nil {
		do = append(do, b.addArchiveRule(e.AddArchiveRule, known))
	}
	if e.AddFault != nil {
		do = append(do, b.addFault(e.AddFault))
	}
	if e.SetAccount != nil {
		do = append(do, b.setAccount(e.SetAccount))
	}
	if e.SetRegion != nil {
		do = append(do, b.setRegion(e.SetRegion))
	}
	return do
}

// selector makes a predicate, and complains when it selects nothing that the
// scenario ever has.
func (b *builder) selector(f *selectorFile, known []*Analyzer) (selects func(*Analyzer) bool) {
	account, name, _ := strings.Cut(f.Analyzer.value, "/")
	ids := b.accountIDs(texts{{account, f.Analyzer.line}})
	selects = func(a *Analyzer) bool {
		matches, err := path.Match(name, a.Name)
		return err == nil && matches && slices.Contains(ids, a.AccountID) &&
			(f.Regions == nil || slices.Contains(f.Regions.values(), a.Region))
	}
	if !slices.ContainsFunc(known, selects) {
		b.errorf(f.Analyzer.line, "there is no analyzer %q (account/name) in these Regions", f.Analyzer.value)
	}
	return selects
}

// each applies a change to all analyzers that are selected when it happens.
func each(selects func(*Analyzer) bool, do func(a *Analyzer, now time.Time)) change {
	return func(w *World, now time.Time) {
		for _, a := range w.Analyzers {
			if selects(a) {
				do(a, now)
			}
		}
	}
}

func (b *builder) setStatus(f *setStatusFile, known []*Analyzer) change {
	status := b.oneOf(f.Status, "ACTIVE", "analyzer status", analyzerStatuses)
	reason := b.oneOf(f.StatusReason, "", "status reason", statusReasons)
	return each(b.selector(&f.selectorFile, known), func(a *Analyzer, _ time.Time) {
		a.Status, a.StatusReason = status, reason
	})
}

func (b *builder) addAnalyzers(f *analyzerFile) change {
	return func(w *World, now time.Time) {
		later := &builder{now: now, world: w, names: b.names}
		for _, a := range later.analyzers(f) {
			if w.Analyzer(a.ARN()) == nil {
				w.Analyzers = append(w.Analyzers, a)
			}
		}
	}
}

func (b *builder) deleteAnalyzers(f *selectorFile, known []*Analyzer) change {
	selects := b.selector(f, known)
	return func(w *World, _ time.Time) {
		w.Analyzers = slices.DeleteFunc(slices.Clone(w.Analyzers), selects)
	}
}

func (b *builder) addFindings(f *addFindingsFile, known []*Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	if len(f.Findings) == 0 {
		b.errorf(f.Analyzer.line, "add_findings needs findings")
	}
	for _, a := range known {
		for i := range f.Findings {
			if selects(a) {
				b.group(&f.Findings[i], a, i, b.now) // for what it complains about
			}
		}
	}
	round := 0
	return func(w *World, now time.Time) {
		round++
		later := &builder{now: now, world: w, names: b.names}
		each(selects, func(a *Analyzer, now time.Time) {
			for i := range f.Findings {
				for _, finding := range later.group(&f.Findings[i], a, i, now) {
					finding.ID = uuid()
					finding.Resource = strings.ReplaceAll(finding.Resource, "{round}", strconv.Itoa(round))
					a.AddFinding(finding, now)
				}
			}
		})(w, now)
	}
}

func (b *builder) changeFindings(f *changeFindingsFile, known []*Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	to := b.oneOf(f.To, "", "finding status", append(slices.Clone(findingStatuses), removed))
	if to == "" {
		b.errorf(f.Analyzer.line, "change_findings needs to")
	}
	for _, a := range known {
		if !selects(a) {
			continue
		}
		if err := checkFilter(f.Where, a.access()); err != nil {
			b.errorf(f.Analyzer.line, "change_findings: %s", err.Message)
			break
		}
	}
	return each(selects, func(a *Analyzer, now time.Time) { a.changeFindings(f.Where, f.Limit, to, now) })
}

// changeFindings moves up to limit (0 is all) findings that match into another
// status, those first that have not changed for longest.
func (a *Analyzer) changeFindings(where map[string]Criterion, limit int, to string, now time.Time) {
	var chosen []*Finding
	for i := range a.Findings {
		if f := &a.Findings[i]; f.Status != to && matchesAll(f, where) {
			chosen = append(chosen, f)
		}
	}
	slices.SortStableFunc(chosen, func(x, y *Finding) int { return x.UpdatedAt.Compare(y.UpdatedAt) })
	if limit > 0 {
		chosen = chosen[:min(limit, len(chosen))]
	}
	for _, f := range chosen {
		f.Status, f.UpdatedAt, f.AnalyzedAt = to, now, now
	}
	if to == removed {
		a.Findings = slices.DeleteFunc(a.Findings, func(f Finding) bool { return f.Status == removed })
	}
}

func (b *builder) addArchiveRule(f *addArchiveRuleFile, known []*Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	for _, a := range known {
		if selects(a) {
			b.archiveRule(&f.archiveRuleFile, a.access(), b.now)
			break
		}
	}
	return each(selects, func(a *Analyzer, now time.Time) {
		rule := &ArchiveRule{Name: f.Name.value, Filter: f.Filter, CreatedAt: now, UpdatedAt: now}
		a.ArchiveRules = slices.DeleteFunc(slices.Clone(a.ArchiveRules), func(r *ArchiveRule) bool { return r.Name == rule.Name })
		a.ArchiveRules = append(a.ArchiveRules, rule)
		if f.Apply {
			active := map[string]Criterion{"status": {Eq: []string{"ACTIVE"}}}
			maps.Copy(active, f.Filter)
			a.changeFindings(active, 0, "ARCHIVED", now)
		}
	})
}

func (b *builder) addFault(f *addFaultFile) change {
	b.fault(&f.faultFile) // for what it complains about
	return func(w *World, now time.Time) {
		fault := (&builder{now: now, world: w, names: b.names}).fault(&f.faultFile)
		since := now.Sub(w.started)
		fault.From = since
		if f.For.value > 0 {
			fault.Until = since + f.For.value
		}
		// Repeated faults would pile up.
		lasting := slices.DeleteFunc(slices.Clone(w.Faults), func(x *Fault) bool { return x.Until != 0 && x.Until <= since })
		w.Faults = append([]*Fault{fault}, lasting...)
	}
}

func (b *builder) setAccount(f *setAccountFile) change {
	id := b.accountID(f.Account)
	state := b.oneOf(f.State, "ACTIVE", "account state", accountStates)
	return func(w *World, _ time.Time) {
		if a := w.Account(id); a != nil {
			a.State = state
		}
	}
}

func (b *builder) setRegion(f *setRegionFile) change {
	id := b.accountID(f.Account)
	if !slices.Contains(OptInRegions, f.Region.value) {
		b.errorf(f.Region.line, "%q is not a Region to opt in", f.Region.value)
	}
	status := b.oneOf(f.Status, "ENABLED", "Region opt status", regionOptStatuses)
	return func(w *World, _ time.Time) {
		a := w.Account(id)
		if a == nil {
			return
		}
		regions := slices.Clone(a.Regions)
		for i := range regions {
			if regions[i].Name == f.Region.value {
				regions[i].Status = status
			}
		}
		a.Regions = regions
	}
}
