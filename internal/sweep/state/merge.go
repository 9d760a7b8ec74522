package state

import (
	"cmp"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// merge returns the analyzers of all lists that are not stale, by ARN. The list
// of an organization member can contain analyzers of other accounts; the owner's
// own list has precedence.
func (s *State) merge(now time.Time) map[string]*inventory.Analyzer {
	merged := map[string]*inventory.Analyzer{}
	readAt := map[string]time.Time{}
	for t, e := range s.targets.all() {
		if !e.usable(s.opts.listLife(), now) {
			continue
		}
		for _, a := range e.value.analyzers() {
			owner := inventory.Target{AccountID: a.AccountID, Region: a.Region}
			if owner != t && s.ownerHasPrecedence(owner, e.readAt, now) {
				continue
			}
			if at, ok := readAt[a.ARN]; ok && !e.readAt.After(at) {
				continue
			}
			merged[a.ARN], readAt[a.ARN] = a, e.readAt
		}
	}
	for arn, a := range merged {
		if d, ok := s.details[arn]; ok && d.createdAt.Equal(a.CreatedAt) && d.changes(a, s.opts.detailsLife(), now) {
			complete := *a
			d.complete(&complete, s.opts.detailsLife(), now)
			merged[arn] = &complete
		}
	}
	return merged
}

// ownerHasPrecedence returns whether the owner's list decides about an analyzer
// that another list contained at a time: unless the owner's list failed since.
func (s *State) ownerHasPrecedence(owner inventory.Target, otherReadAt, now time.Time) bool {
	e := s.targets.attempted(owner)
	return e != nil && e.usable(s.opts.listLife(), now) && (e.failing == nil || !otherReadAt.After(e.readAt))
}

// listedIn returns, by ARN, the accounts whose lists contain an analyzer, for
// analyzers of accounts whose organization is unknown. AWS lists an organization
// analyzer only within its organization.
func (s *State) listedIn(now time.Time) map[string][]string {
	organizationKnown := make(map[string]bool, len(s.fleet.Accounts))
	for _, a := range s.fleet.Accounts {
		organizationKnown[a.ID] = a.Organization == nil || a.Organization.ID != ""
	}
	listed := map[string][]string{}
	for t, e := range s.targets.all() {
		if !e.usable(s.opts.listLife(), now) {
			continue
		}
		for _, a := range e.value.analyzers() {
			if !organizationKnown[a.AccountID] {
				listed[a.ARN] = append(listed[a.ARN], t.AccountID)
			}
		}
	}
	return listed
}

// compareAnalyzers orders analyzers by account, Region and ARN.
func compareAnalyzers(a, b *inventory.Analyzer) int {
	return cmp.Or(strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.Region, b.Region), strings.Compare(a.ARN, b.ARN))
}
