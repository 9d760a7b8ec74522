package world

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Analyzer is an analyzer of Access Analyzer.
type Analyzer struct {
	// AccountID and Region are where it was created.
	AccountID, Region, Name string
	// Type is one of [AnalyzerTypes].
	Type string
	// Status is one of [AnalyzerStatuses]; StatusReason is empty or one of
	// [StatusReasons].
	Status, StatusReason string
	// ManagedBy is the service principal of a service-linked analyzer.
	ManagedBy string
	CreatedAt time.Time
	// LastResourceAnalyzed is an ARN; it and the time may be empty.
	LastResourceAnalyzed   string
	LastResourceAnalyzedAt time.Time
	Tags                   map[string]string
	// Unused is the configuration of an unused access analyzer, Internal that
	// of an internal access analyzer; else nil.
	Unused   *UnusedAccess
	Internal *InternalAccess
	// RawConfiguration is what GetAnalyzer returns instead of that configuration,
	// for members that the API model does not have; nil for nothing else.
	RawConfiguration json.RawMessage
	ArchiveRules     []*ArchiveRule
	Findings         []Finding
}

// The enumerations of the API.
var (
	AnalyzerTypes = []string{
		"ACCOUNT", "ORGANIZATION", "ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS",
		"ACCOUNT_INTERNAL_ACCESS", "ORGANIZATION_INTERNAL_ACCESS",
	}
	AnalyzerStatuses = []string{"ACTIVE", "CREATING", "DISABLED", "FAILED"}
	StatusReasons    = []string{
		"AWS_SERVICE_ACCESS_DISABLED", "DELEGATED_ADMINISTRATOR_DEREGISTERED", "ORGANIZATION_DELETED", "SERVICE_LINKED_ROLE_CREATION_FAILED",
	}
)

// UnusedAccess configures an unused access analyzer.
type UnusedAccess struct {
	// Age is the tracking period in days.
	Age int
	// Exclusions are criteria for accounts and resources without findings.
	Exclusions []Exclusion
}

// Exclusion is one criterion of an analysis rule. AWS accepts both lists in one
// criterion.
type Exclusion struct {
	AccountIDs   []string            `json:"accountIds,omitempty"`
	ResourceTags []map[string]string `json:"resourceTags,omitempty"`
}

// InternalAccess configures an internal access analyzer.
type InternalAccess struct {
	// Inclusions are criteria for the resources that are analyzed; without any,
	// no resource is.
	Inclusions []Inclusion
}

// Inclusion is one criterion; all of its lists that are given must match.
type Inclusion struct {
	AccountIDs    []string `json:"accountIds,omitempty"`
	ResourceTypes []string `json:"resourceTypes,omitempty"`
	ResourceARNs  []string `json:"resourceArns,omitempty"`
}

// ArchiveRule archives new findings that match its filter.
type ArchiveRule struct {
	Name                 string
	Filter               Filter
	CreatedAt, UpdatedAt time.Time
}

// AccessType is the kind of access that an analyzer finds.
type AccessType byte

// The access types.
const (
	ExternalAccessType AccessType = 'E'
	InternalAccessType AccessType = 'I'
	UnusedAccessType   AccessType = 'U'
)

// ARN is the ARN of the analyzer.
func (a *Analyzer) ARN() string {
	return "arn:aws:access-analyzer:" + a.Region + ":" + a.AccountID + ":analyzer/" + a.Name
}

// IsOrganization reports whether the zone of trust is the organization.
func (a *Analyzer) IsOrganization() bool { return strings.HasPrefix(a.Type, "ORGANIZATION") }

// FindingsInaccessible reports whether AWS denies access to the findings: that
// of an organization analyzer after its account is no longer a delegated
// administrator or its organization was deleted.
func (a *Analyzer) FindingsInaccessible() bool {
	return a.Status == "DISABLED" && a.IsOrganization()
}

// AccessType is derived from the analyzer's type.
func (a *Analyzer) AccessType() AccessType {
	switch {
	case strings.HasSuffix(a.Type, "_UNUSED_ACCESS"):
		return UnusedAccessType
	case strings.HasSuffix(a.Type, "_INTERNAL_ACCESS"):
		return InternalAccessType
	}
	return ExternalAccessType
}

// AddFinding adds a finding. ID, Status and times are filled in if they are
// missing, and a matching archive rule archives the finding.
func (a *Analyzer) AddFinding(f Finding, now time.Time) {
	if f.ID == "" {
		f.ID = NewUUID()
	}
	if f.Status == "" {
		f.Status = "ACTIVE"
	}
	if f.CreatedAt.IsZero() {
		f.CreatedAt = now
	}
	if f.UpdatedAt.IsZero() {
		f.UpdatedAt = f.CreatedAt
	}
	if f.AnalyzedAt.IsZero() {
		f.AnalyzedAt = now
	}
	for _, rule := range a.ArchiveRules {
		if f.Status == "ACTIVE" && rule.Filter.Matches(&f) {
			f.Status = "ARCHIVED"
		}
	}
	a.Findings = append(a.Findings, f)
	a.LastResourceAnalyzed, a.LastResourceAnalyzedAt = f.Resource, now
}

// SetFindingStatus moves up to limit (0 is all) findings that match the filter
// into another status, the least recently updated first.
func (a *Analyzer) SetFindingStatus(filter Filter, limit int, status string, now time.Time) {
	for _, f := range a.oldest(filter, limit, status) {
		f.Status, f.UpdatedAt, f.AnalyzedAt = status, now, now
	}
}

// RemoveFindings deletes up to limit (0 is all) findings that match the filter,
// the least recently updated first.
func (a *Analyzer) RemoveFindings(filter Filter, limit int) {
	removed := map[string]bool{}
	for _, f := range a.oldest(filter, limit, "") {
		removed[f.ID] = true
	}
	a.Findings = slices.DeleteFunc(a.Findings, func(f Finding) bool { return removed[f.ID] })
}

// oldest returns the findings that match the filter and have another status.
func (a *Analyzer) oldest(filter Filter, limit int, otherThan string) []*Finding {
	var matching []*Finding
	for i := range a.Findings {
		if f := &a.Findings[i]; f.Status != otherThan && filter.Matches(f) {
			matching = append(matching, f)
		}
	}
	slices.SortStableFunc(matching, func(x, y *Finding) int { return x.UpdatedAt.Compare(y.UpdatedAt) })
	if limit > 0 {
		matching = matching[:min(limit, len(matching))]
	}
	return matching
}
