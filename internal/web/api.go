package web

import (
	"bufio"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// schemaVersion is incremented when a field changes its meaning or is removed,
// not when one is added. docs/api.md and docs/coverage.schema.json describe the
// fields.
const schemaVersion = 1

type apiError struct {
	Version int    `json:"version"`
	Error   string `json:"error"`
}

// apiCoverage is the response without the accounts, which are written one by one.
type apiCoverage struct {
	Version          int            `json:"version"`
	ExporterVersion  string         `json:"exporter_version"`
	Ready            bool           `json:"ready"`
	DiscoverySuccess bool           `json:"discovery_success"`
	PublishedAt      time.Time      `json:"published_at"`
	Targets          apiTargets     `json:"targets"`
	Sweeps           []apiSweep     `json:"sweeps"`
	Running          []apiProgress  `json:"running"`
	Regions          []string       `json:"regions"`
	Totals           []apiTotal     `json:"totals"`
	Attention        []apiAttention `json:"attention"`
	AttentionMore    int            `json:"attention_more"`
	Findings         apiFindings    `json:"findings"`
	Groups           []apiGroups    `json:"groups"`
	// Policies are absent where their validation is disabled.
	Policies *apiPolicies `json:"policies,omitempty"`
	Page     apiPage      `json:"page"`
}

type apiTargets struct {
	Total  int `json:"total"`
	Failed int `json:"failed"`
}

type apiSweep struct {
	Kind            inventory.SweepKind `json:"kind"`
	CompletedAt     time.Time           `json:"completed_at"`
	DurationSeconds float64             `json:"duration_seconds"`
}

type apiProgress struct {
	Kind      inventory.SweepKind `json:"kind"`
	StartedAt time.Time           `json:"started_at"`
	Done      int                 `json:"done"`
	Failed    int                 `json:"failed"`
	Total     int                 `json:"total"`
	PerSecond float64             `json:"per_second"`
	// SecondsLeft is absent until something is done.
	SecondsLeft *float64 `json:"seconds_left,omitempty"`
}

type apiTotal struct {
	Access    inventory.Access `json:"access"`
	Covered   int              `json:"covered"`
	Uncovered int              `json:"uncovered"`
	Unknown   int              `json:"unknown"`
	Exempt    int              `json:"exempt"`
}

type apiAttention struct {
	Kind     inventory.State `json:"kind"`
	Targets  int             `json:"places"`
	Headline string          `json:"headline"`
	Where    string          `json:"where,omitempty"`
	Advice   string          `json:"advice"`
	Command  string          `json:"command,omitempty"`
	RunIn    string          `json:"run_in,omitempty"`
	Steps    []apiStep       `json:"steps,omitempty"`
}

type apiStep struct {
	Advice  string `json:"advice"`
	Command string `json:"command"`
}

type apiFindings struct {
	Analyzers int `json:"analyzers"`
	Uncounted int `json:"uncounted"`
	// UnreadTargets and UnlistedAccounts are targets whose analyzers, and accounts
	// whose Regions, are not known.
	UnreadTargets    int `json:"unread_targets"`
	UnlistedAccounts int `json:"unlisted_accounts"`
	// OldestCountAt is absent when nothing has been counted.
	OldestCountAt *time.Time `json:"oldest_count_at,omitempty"`
	// Resources count each resource once, over all scopes.
	Resources []apiFindingTotal `json:"resources"`
	Totals    []apiFindingTotal `json:"totals"`
}

type apiFindingTotal struct {
	FindingType    string          `json:"finding_type"`
	Scope          inventory.Scope `json:"scope,omitempty"`
	Active         int             `json:"active"`
	Public         *int            `json:"public,omitempty"`
	Archived       int             `json:"archived"`
	Resolved       *int            `json:"resolved,omitempty"`
	OldestActiveAt *time.Time      `json:"oldest_active_at,omitempty"`
}

// apiGroups are the accounts by the value of a label.
type apiGroups struct {
	Label  string     `json:"label"`
	Values []apiGroup `json:"values"`
	// More is the number of further values.
	More int `json:"more"`
}

type apiGroup struct {
	Value string `json:"value"`
	// Name is that of an OU.
	Name     string     `json:"name,omitempty"`
	Known    bool       `json:"known"`
	Accounts int        `json:"accounts"`
	Totals   []apiTotal `json:"totals"`
	// Resources count each resource once, over all scopes.
	Resources []apiFindingTotal `json:"resources"`
	Findings  []apiFindingTotal `json:"findings"`
}

type apiPage struct {
	Number int `json:"number"`
	Size   int `json:"size"`
	Pages  int `json:"pages"`
	// Accounts is the number of accounts that match the filter, on all pages.
	Accounts int `json:"accounts"`
}

type apiAccount struct {
	AccountID   string         `json:"account_id"`
	AccountName string         `json:"account_name"`
	Role        inventory.Role `json:"role"`
	// Labels are absent while they are not known, and if none are configured.
	Labels map[string]string `json:"labels,omitempty"`
	// RegionsKnown is false if the Regions of the account have never been listed;
	// NotEnabled is then empty.
	RegionsKnown bool         `json:"regions_known"`
	NotEnabled   []string     `json:"not_enabled"`
	Coverage     []apiVerdict `json:"coverage"`
	// PublicResources are those that are listed, PublicUnlisted the number of findings
	// beyond findings.public_resources.
	PublicResources []apiPublicResource `json:"public_resources,omitempty"`
	PublicUnlisted  int                 `json:"public_unlisted,omitempty"`
	// Findings are only in the output of audit, not in HTTP responses.
	Findings []apiFindingTotal `json:"findings,omitempty"`
}

type apiVerdict struct {
	Region string           `json:"region"`
	Access inventory.Access `json:"access"`
	State  inventory.State  `json:"state"`
	Why    string           `json:"why"`
	// One at most of these three.
	Analyzer  *apiAnalyzer  `json:"analyzer,omitempty"`
	Failure   *apiFailure   `json:"failure,omitempty"`
	Exemption *apiExemption `json:"exemption,omitempty"`
	// ConsoleURL is absent where the console is not on the internet, FindingsURL
	// also without an analyzer.
	ConsoleURL  string `json:"console_url,omitempty"`
	FindingsURL string `json:"findings_url,omitempty"`
}

type apiAnalyzer struct {
	AccountID    string `json:"account_id"`
	Region       string `json:"region"`
	Name         string `json:"analyzer"`
	Type         string `json:"type"`
	Status       string `json:"status"`
	StatusReason string `json:"status_reason,omitempty"`
}

type apiFailure struct {
	AccountID string           `json:"account_id,omitempty"`
	Region    string           `json:"region,omitempty"`
	Operation string           `json:"operation"`
	Reason    inventory.Reason `json:"reason"`
}

type apiExemption struct {
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until,omitempty"`
}

func (s *server) serveCoverage(w http.ResponseWriter, r *http.Request) {
	v := s.views.get()
	var regions []string
	if v != nil {
		regions = v.regions
	}
	f, err := parseFilter(r.URL.RawQuery, regions)
	if err != nil {
		s.writeErrorJSON(w, http.StatusBadRequest, err.Error())
		return
	}
	if v == nil {
		s.writeErrorJSON(w, http.StatusServiceUnavailable, "no snapshot has been published yet: the first sweep is in progress")
		return
	}
	if err := checkLabels(f, v.snapshot.Labels); err != nil {
		s.writeErrorJSON(w, http.StatusBadRequest, err.Error())
		return
	}
	rows := v.rows(f)
	shown, pages, ok := pageOf(rows, f)
	if !ok {
		s.writeErrorJSON(w, http.StatusNotFound, noPage(f.page, pages).Error())
		return
	}
	c := v.coverage(time.Now(), s.Progress())
	c.ExporterVersion = s.Version
	c.Page = apiPage{f.page, f.size, pages, len(rows)}
	w.Header().Set("Content-Type", "application/json")
	if err := v.writeAccounts(bufio.NewWriterSize(w, 32<<10), c, shown, f); err != nil {
		s.Logger.Debug("Failed to write the coverage response", "err", err)
	}
}

// writeAccounts writes c with its accounts, one at a time: a page of 500 accounts
// would otherwise take several MB for each client.
func (v *view) writeAccounts(out *bufio.Writer, c *apiCoverage, shown []report.Row, f filter) error {
	head, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, _ = out.Write(head[:len(head)-1]) // Flush returns the first error
	_, _ = out.WriteString(`,"accounts":[`)
	columns := v.columns(f)
	for i, r := range shown {
		account, err := json.Marshal(v.apiAccount(r, f, columns))
		if err != nil {
			return err
		}
		if i > 0 {
			_ = out.WriteByte(',')
		}
		if _, err := out.Write(account); err != nil {
			return err // the client has disconnected
		}
	}
	_, _ = out.WriteString("]}\n")
	return out.Flush()
}

func (s *server) writeErrorJSON(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(apiError{schemaVersion, why}); err != nil {
		s.Logger.Debug("Failed to write an error response", "err", err)
	}
}

// coverage has the fields that do not depend on the filter.
func (v *view) coverage(now time.Time, running []sweep.Progress) *apiCoverage {
	snap := v.snapshot
	c := &apiCoverage{
		Version:          schemaVersion,
		Ready:            snap.Ready,
		DiscoverySuccess: snap.DiscoverySuccess,
		PublishedAt:      snap.PublishedAt.UTC(),
		Targets:          apiTargets{snap.TargetCount, v.Failed()},
		Sweeps:           []apiSweep{},
		Running:          []apiProgress{},
		Regions:          orEmpty(v.regions),
		Totals:           []apiTotal{},
		Attention:        []apiAttention{},
		AttentionMore:    v.unlisted,
		Findings:         v.apiFindings(),
		Groups:           []apiGroups{},
		Policies:         v.apiPolicies(),
	}
	for _, kind := range sortedKeys(snap.Sweeps) {
		last := snap.Sweeps[kind]
		c.Sweeps = append(c.Sweeps, apiSweep{kind, last.CompletedAt.UTC(), last.Duration.Seconds()})
	}
	for _, p := range running {
		if p.Running {
			c.Running = append(c.Running, newProgress(p, now))
		}
	}
	for _, t := range v.totals {
		c.Totals = append(c.Totals, newTotal(t))
	}
	for _, g := range v.groups {
		c.Groups = append(c.Groups, v.apiGroups(g))
	}
	for _, n := range v.notices {
		a := apiAttention{n.Kind, n.Targets, n.Headline, n.Where, n.Advice, n.Command, n.RunIn, nil}
		for _, step := range n.Steps {
			a.Steps = append(a.Steps, apiStep(step))
		}
		c.Attention = append(c.Attention, a)
	}
	return c
}

func newTotal(t report.AccessTally) apiTotal {
	return apiTotal{t.Access, t.Tally[inventory.Covered], t.Tally[inventory.Uncovered], t.Tally[inventory.Unknown], t.Tally[inventory.Exempt]}
}

// groupLimit is the maximum number of values of a label.
const groupLimit = 100

func (v *view) apiGroups(by report.LabelGroups) apiGroups {
	out := apiGroups{by.Label, []apiGroup{}, max(0, len(by.Groups)-groupLimit)}
	for _, g := range by.Groups[:min(len(by.Groups), groupLimit)] {
		group := apiGroup{g.Value, g.Name, !g.Unknown, g.Accounts, []apiTotal{}, nil, nil}
		for _, t := range g.Tallies {
			group.Totals = append(group.Totals, newTotal(t))
		}
		group.Resources, group.Findings = v.apiFindingTotals(g.Resources), v.apiFindingTotals(g.Findings)
		out.Values = append(out.Values, group)
	}
	return out
}

func newProgress(p sweep.Progress, now time.Time) apiProgress {
	out := apiProgress{Kind: p.Kind, StartedAt: p.StartedAt.UTC(), Done: p.Done, Failed: p.Failed, Total: p.Total}
	if rate, left, ok := p.Rate(now); ok {
		seconds := left.Seconds()
		out.PerSecond, out.SecondsLeft = rate, &seconds
	}
	return out
}

func (v *view) apiFindings() apiFindings {
	t := v.findings
	return apiFindings{
		Analyzers: t.Analyzers, Uncounted: t.Uncounted, UnreadTargets: t.Unread, UnlistedAccounts: t.Unlisted,
		OldestCountAt: instant(t.Since), Resources: v.apiFindingTotals(t.Resources), Totals: v.apiFindingTotals(t.Totals),
	}
}

func (v *view) apiFindingTotals(lines []report.FindingLine) []apiFindingTotal {
	totals := []apiFindingTotal{}
	for _, l := range lines {
		totals = append(totals, v.apiFindingTotal(l))
	}
	return totals
}

func (v *view) apiFindingTotal(l report.FindingLine) apiFindingTotal {
	total := apiFindingTotal{
		FindingType: l.Type, Scope: l.Scope, Active: l.Active, Archived: l.Archived, OldestActiveAt: instant(l.Oldest),
	}
	if l.Type == report.ExternalAccess {
		total.Public = &l.Public
	}
	if slices.Contains(v.snapshot.FindingStatuses, "RESOLVED") {
		total.Resolved = &l.Resolved
	}
	return total
}

// apiAccount has the targets of an account that match the filter.
func (v *view) apiAccount(r report.Row, f filter, columns []string) apiAccount {
	a := apiAccount{
		AccountID: r.Account.ID, AccountName: r.Account.Name, Role: r.Account.Role,
		RegionsKnown: r.Account.RegionsKnown, NotEnabled: []string{}, Coverage: []apiVerdict{},
		PublicResources: v.publicOf(r.Account.ID), PublicUnlisted: v.publicUnlisted[r.Account.ID],
		Findings: v.owned[r.Account.ID],
	}
	for _, l := range v.snapshot.Labels.Fields(r.Account) {
		if a.Labels == nil {
			a.Labels = map[string]string{}
		}
		a.Labels[l.Name] = l.Value
	}
	judged := map[string]bool{}
	for _, d := range r.Verdicts {
		judged[d.Region] = true
		if f.wantsAccess(d.Access) && f.wantsRegion(d.Region) && f.wantsState(d.State) {
			a.Coverage = append(a.Coverage, v.apiVerdict(d))
		}
	}
	for _, region := range columns {
		if !judged[region] && r.Missing() == report.NotEnabled && f.wantsState(report.NotEnabled) {
			a.NotEnabled = append(a.NotEnabled, region)
		}
	}
	return a
}

func (v *view) apiVerdict(d inventory.Verdict) apiVerdict {
	out := apiVerdict{Region: d.Region, Access: d.Access, State: d.State, Why: v.Explain(d)}
	out.ConsoleURL, out.FindingsURL = v.consoleURLs(d)
	switch {
	case d.Analyzer != nil:
		a := d.Analyzer
		out.Analyzer = &apiAnalyzer{a.AccountID, a.Region, a.Name, a.Type, a.Status, a.StatusReason}
	case d.Failure != nil:
		out.Failure = &apiFailure{d.Failure.AccountID, d.Failure.Region, d.Failure.Operation, d.Failure.Reason}
	case d.Exemption != nil:
		out.Exemption = &apiExemption{d.Exemption.Reason, instant(d.Exemption.Until)}
	}
	return out
}

// instant is nil for the zero time, so that the field is omitted.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
