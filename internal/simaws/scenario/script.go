package scenario

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// eventFile is an event of the script, with exactly one change.
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
	SetPolicy      *policyFile         `yaml:"set_policy"`
}

type (
	// selectorFile selects analyzers by globs: account/name.
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
		Where        world.Filter `yaml:"where"`
		Limit        int          `yaml:"limit"`
		To           text         `yaml:"to"`
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
		Account text              `yaml:"account"`
		State   text              `yaml:"state"`
		OUs     []string          `yaml:"ous"`
		Tags    map[string]string `yaml:"tags"`
	}
	setRegionFile struct {
		Account text `yaml:"account"`
		Region  text `yaml:"region"`
		Status  text `yaml:"status"`
	}
)

// removed deletes findings, in change_findings.
const removed = "REMOVED"

func (b *builder) script(events []eventFile) {
	// Events may change analyzers that earlier events add.
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
			b.errorf(cmp.Or(e.After.line, e.Every.line), "an event of the script must have exactly one change, number %d has %d", i+1, len(do))
			continue
		}
		if e.Every.line != 0 && e.Every.value < time.Second {
			b.errorf(e.Every.line, "every must be at least 1s")
		}
		b.world.Script = append(b.world.Script, &world.Event{After: e.After.value, Every: e.Every.value, Times: e.Times, Do: do[0]})
	}
}

// change is the effect of an event.
type change = func(w *world.World, now time.Time)

func (b *builder) event(e *eventFile, known []*world.Analyzer) []change {
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
	if e.SetPolicy != nil {
		do = append(do, b.policy(e.SetPolicy))
	}
	return do
}

// selector returns a predicate. It is an error if it selects none of the analyzers
// that the scenario has at any time.
func (b *builder) selector(f *selectorFile, known []*world.Analyzer) (selects func(*world.Analyzer) bool) {
	account, name, _ := strings.Cut(f.Analyzer.value, "/")
	ids := b.accountIDs(texts{{value: account, line: f.Analyzer.line}})
	selects = func(a *world.Analyzer) bool {
		matches, err := path.Match(name, a.Name)
		return err == nil && matches && slices.Contains(ids, a.AccountID) &&
			(f.Regions == nil || slices.Contains(f.Regions.values(), a.Region))
	}
	if !slices.ContainsFunc(known, selects) {
		b.errorf(f.Analyzer.line, "there is no analyzer %q (account/name) in these Regions", f.Analyzer.value)
	}
	return selects
}

// each applies a change to all analyzers that are selected at that time.
func each(selects func(*world.Analyzer) bool, do func(a *world.Analyzer, now time.Time)) change {
	return func(w *world.World, now time.Time) {
		for _, a := range w.Analyzers {
			if selects(a) {
				do(a, now)
			}
		}
	}
}

func (b *builder) setStatus(f *setStatusFile, known []*world.Analyzer) change {
	status := b.oneOf(f.Status, "ACTIVE", "analyzer status", world.AnalyzerStatuses)
	reason := b.oneOf(f.StatusReason, "", "status reason", world.StatusReasons)
	return each(b.selector(&f.selectorFile, known), func(a *world.Analyzer, _ time.Time) {
		a.Status, a.StatusReason = status, reason
	})
}

func (b *builder) addAnalyzers(f *analyzerFile) change {
	return func(w *world.World, now time.Time) {
		later := &builder{now: now, world: w, names: b.names}
		for _, a := range later.analyzers(f) {
			if w.Analyzer(a.ARN()) == nil {
				w.Analyzers = append(w.Analyzers, a)
			}
		}
	}
}

func (b *builder) deleteAnalyzers(f *selectorFile, known []*world.Analyzer) change {
	selects := b.selector(f, known)
	return func(w *world.World, _ time.Time) {
		w.Analyzers = slices.DeleteFunc(slices.Clone(w.Analyzers), selects)
	}
}

func (b *builder) addFindings(f *addFindingsFile, known []*world.Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	if len(f.Findings) == 0 {
		b.errorf(f.Analyzer.line, "add_findings requires findings")
	}
	for _, a := range known {
		for i := range f.Findings {
			if selects(a) {
				b.findingGroup(&f.Findings[i], a, i, b.now) // for its errors
			}
		}
	}
	round := 0
	return func(w *world.World, now time.Time) {
		round++
		later := &builder{now: now, world: w, names: b.names}
		each(selects, func(a *world.Analyzer, now time.Time) {
			for i := range f.Findings {
				for _, finding := range later.findingGroup(&f.Findings[i], a, i, now) {
					finding.ID = world.NewUUID()
					finding.Resource = strings.ReplaceAll(finding.Resource, "{round}", strconv.Itoa(round))
					a.AddFinding(finding, now)
				}
			}
		})(w, now)
	}
}

func (b *builder) changeFindings(f *changeFindingsFile, known []*world.Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	to := b.oneOf(f.To, "", "finding status", append(slices.Clone(world.FindingStatuses), removed))
	if to == "" {
		b.errorf(f.Analyzer.line, "change_findings requires to")
	}
	for _, a := range known {
		if !selects(a) {
			continue
		}
		if err := f.Where.Validate(a.AccessType()); err != nil {
			b.errorf(f.Analyzer.line, "change_findings: %v", err)
			break
		}
	}
	return each(selects, func(a *world.Analyzer, now time.Time) {
		if to == removed {
			a.RemoveFindings(f.Where, f.Limit)
		} else {
			a.SetFindingStatus(f.Where, f.Limit, to, now)
		}
	})
}

func (b *builder) addArchiveRule(f *addArchiveRuleFile, known []*world.Analyzer) change {
	selects := b.selector(&f.selectorFile, known)
	for _, a := range known {
		if selects(a) {
			b.archiveRule(&f.archiveRuleFile, a.AccessType(), b.now)
			break
		}
	}
	return each(selects, func(a *world.Analyzer, now time.Time) {
		rule := &world.ArchiveRule{Name: f.Name.value, Filter: f.Filter, CreatedAt: now, UpdatedAt: now}
		a.ArchiveRules = slices.DeleteFunc(slices.Clone(a.ArchiveRules), func(r *world.ArchiveRule) bool { return r.Name == rule.Name })
		a.ArchiveRules = append(a.ArchiveRules, rule)
		if f.Apply {
			active := world.Filter{"status": {Eq: []string{"ACTIVE"}}}
			maps.Copy(active, f.Filter)
			a.SetFindingStatus(active, 0, "ARCHIVED", now)
		}
	})
}

func (b *builder) addFault(f *addFaultFile) change {
	b.fault(&f.faultFile) // for its errors
	return func(w *world.World, now time.Time) {
		fault := (&builder{now: now, world: w, names: b.names}).fault(&f.faultFile)
		since := w.Elapsed(now)
		fault.From = since
		if f.For.value > 0 {
			fault.Until = since + f.For.value
		}
		// Expired faults are removed, so that a repeated event does not add up.
		lasting := slices.DeleteFunc(slices.Clone(w.Faults), func(x *world.Fault) bool { return x.Until != 0 && x.Until <= since })
		w.Faults = append([]*world.Fault{fault}, lasting...)
	}
}

func (b *builder) setAccount(f *setAccountFile) change {
	id := b.accountID(f.Account)
	state := b.oneOf(f.State, "ACTIVE", "account state", world.AccountStates)
	if err := world.CheckOUs(f.OUs); err != nil {
		b.errorf(f.Account.line, "set_account: %v", err)
	}
	return func(w *world.World, _ time.Time) {
		a := w.Account(id)
		if a == nil {
			return
		}
		a.State = state
		if f.OUs != nil {
			a.OUs = f.OUs
		}
		if f.Tags != nil {
			a.Tags = f.Tags
		}
	}
}

func (b *builder) setRegion(f *setRegionFile) change {
	id := b.accountID(f.Account)
	if !slices.Contains(world.OptInRegions, f.Region.value) {
		b.errorf(f.Region.line, "%q is not an opt-in Region", f.Region.value)
	}
	status := b.oneOf(f.Status, "ENABLED", "Region opt status", world.RegionStatuses)
	return func(w *world.World, _ time.Time) {
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
