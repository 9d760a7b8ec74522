package services

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// maxTopAccounts is the number of accounts in the statistics of unused access.
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

// statisticsCache holds the last statistics of each analyzer of a world, by ARN.
type statisticsCache struct {
	mu    sync.Mutex
	world *world.World
	m     map[string]statisticsOutput
}

// get returns the cached statistics, or new ones, depending on the quirks.
func (c *statisticsCache) get(a *world.Analyzer, w *world.World, now time.Time) statisticsOutput {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.world != w {
		c.world, c.m = w, map[string]statisticsOutput{}
	}
	last, cached := c.m[a.ARN()]
	if !cached && w.Quirks.ColdStatistics {
		c.m[a.ARN()] = statisticsOutput{}
		return statisticsOutput{}
	}
	if last.LastUpdatedAt != nil && now.Sub(*last.LastUpdatedAt) < w.Quirks.StatisticsLag {
		return last
	}
	out := statisticsOutput{Statistics: []map[string]any{countFindings(a)}, LastUpdatedAt: wire.Timestamp(now)}
	c.m[a.ARN()] = out
	return out
}

func (c *statisticsCache) getFindingsStatistics(q *wire.Request) (any, *wire.Error) {
	var in struct{ AnalyzerArn string }
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	a, err := accessibleAnalyzer(q, in.AnalyzerArn)
	if err != nil {
		return nil, err
	}
	return c.get(a, q.World, q.Now), nil
}

func countFindings(a *world.Analyzer) map[string]any {
	switch a.AccessType() {
	case world.UnusedAccessType:
		return map[string]any{"unusedAccessFindingsStatistics": countUnused(a.Findings)}
	case world.InternalAccessType:
		return map[string]any{"internalAccessFindingsStatistics": countInternal(a.Findings)}
	}
	return map[string]any{"externalAccessFindingsStatistics": countExternal(a.Findings)}
}

func countExternal(findings []world.Finding) externalStatistics {
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

func countInternal(findings []world.Finding) internalStatistics {
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

func countUnused(findings []world.Finding) unusedStatistics {
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
