package simaws

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// maxTopAccounts is how many accounts the statistics of unused access name.
const maxTopAccounts = 10

type totals struct {
	Active   int `json:"totalActiveFindings"`
	Archived int `json:"totalArchivedFindings"`
	Resolved int `json:"totalResolvedFindings"`
}

func (t *totals) add(status string) {
	switch status {
	case "ACTIVE":
		t.Active++
	case "ARCHIVED":
		t.Archived++
	case "RESOLVED":
		t.Resolved++
	}
}

type externalStatistics struct {
	totals
	ByType map[string]*externalDetails `json:"resourceTypeStatistics"`
}

// externalDetails count active findings.
type externalDetails struct {
	Public       int `json:"totalActivePublic"`
	CrossAccount int `json:"totalActiveCrossAccount"`
	Errors       int `json:"totalActiveErrors"`
}

type internalStatistics struct {
	totals
	ByType map[string]*totals `json:"resourceTypeStatistics"`
}

type unusedStatistics struct {
	totals
	ByType      []unusedTypeStatistics `json:"unusedAccessTypeStatistics"`
	TopAccounts []topAccount           `json:"topAccounts,omitempty"`
}

// unusedTypeStatistics count active findings.
type unusedTypeStatistics struct {
	Type  string `json:"unusedAccessType"`
	Total int    `json:"total"`
}

type topAccount struct {
	Account string         `json:"account"`
	Active  int            `json:"numberOfActiveFindings"`
	Details map[string]int `json:"details"`
}

type statisticsOutput struct {
	Statistics    []map[string]any `json:"findingsStatistics,omitempty"`
	LastUpdatedAt *time.Time       `json:"lastUpdatedAt,omitempty"`
}

// statisticsCache remembers what was answered about an analyzer, by ARN.
type statisticsCache struct {
	mu sync.Mutex
	m  map[string]statisticsOutput
}

func (c *statisticsCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m = map[string]statisticsOutput{}
}

// get answers with what it knows, or counts, as the quirks have it.
func (c *statisticsCache) get(a *Analyzer, quirks Quirks, now time.Time) statisticsOutput {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, asked := c.m[a.ARN()]
	if !asked && quirks.ColdStatistics {
		c.m[a.ARN()] = statisticsOutput{}
		return statisticsOutput{}
	}
	if last.LastUpdatedAt != nil && now.Sub(*last.LastUpdatedAt) < quirks.StatisticsLag {
		return last
	}
	out := statisticsOutput{Statistics: []map[string]any{countFindings(a)}, LastUpdatedAt: timestamp(now)}
	c.m[a.ARN()] = out
	return out
}

func getFindingsStatistics(q *request) (any, *apiError) {
	var in struct{ AnalyzerArn string }
	if err := q.decodeJSON(&in); err != nil {
		return nil, err
	}
	a, err := q.accessibleAnalyzer(in.AnalyzerArn)
	if err != nil {
		return nil, err
	}
	return q.server.statistics.get(a, q.world.Quirks, q.now), nil
}

func countFindings(a *Analyzer) map[string]any {
	switch a.access() {
	case 'U':
		return map[string]any{"unusedAccessFindingsStatistics": countUnused(a.Findings)}
	case 'I':
		return map[string]any{"internalAccessFindingsStatistics": countInternal(a.Findings)}
	}
	return map[string]any{"externalAccessFindingsStatistics": countExternal(a.Findings)}
}

func countExternal(findings []Finding) externalStatistics {
	out := externalStatistics{ByType: map[string]*externalDetails{}}
	for i := range findings {
		f := &findings[i]
		out.add(f.Status)
		if f.Status != "ACTIVE" {
			continue
		}
		d := out.ByType[f.ResourceType]
		if d == nil {
			d = &externalDetails{}
			out.ByType[f.ResourceType] = d
		}
		switch {
		case f.Error != "":
			d.Errors++
		case f.Public:
			d.Public++
		default:
			d.CrossAccount++
		}
	}
	return out
}

func countInternal(findings []Finding) internalStatistics {
	out := internalStatistics{ByType: map[string]*totals{}}
	for i := range findings {
		f := &findings[i]
		out.add(f.Status)
		if out.ByType[f.ResourceType] == nil {
			out.ByType[f.ResourceType] = &totals{}
		}
		out.ByType[f.ResourceType].add(f.Status)
	}
	return out
}

func countUnused(findings []Finding) unusedStatistics {
	var out unusedStatistics
	types := map[string]int{}
	accounts := map[string]*topAccount{}
	for i := range findings {
		f := &findings[i]
		out.add(f.Status)
		if f.Status != "ACTIVE" {
			continue
		}
		types[f.Type]++
		if accounts[f.Owner] == nil {
			accounts[f.Owner] = &topAccount{Account: f.Owner, Details: map[string]int{}}
		}
		accounts[f.Owner].Active++
		accounts[f.Owner].Details[f.Type]++
	}
	for _, t := range []string{"UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission"} {
		out.ByType = append(out.ByType, unusedTypeStatistics{t, types[t]})
	}
	for _, a := range accounts {
		out.TopAccounts = append(out.TopAccounts, *a)
	}
	slices.SortFunc(out.TopAccounts, func(a, b topAccount) int { return cmp.Or(b.Active-a.Active, cmp.Compare(a.Account, b.Account)) })
	out.TopAccounts = out.TopAccounts[:min(len(out.TopAccounts), maxTopAccounts)]
	return out
}
