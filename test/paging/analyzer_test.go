package paging

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// analyzer is an external access analyzer, and what it finds.
type analyzer struct {
	account, region, name string
	status                string
	created               time.Time
	archiveRules          int
	// uncounted is whether the findings of the analyzer cannot be counted.
	uncounted bool
	findings  map[finding]findingState
}

// finding is external access to a resource of an account.
type finding struct {
	owner, resourceType, resource string
	public                        bool
}

// findingState is the status of a finding. A resolved one is deleted.
type findingState struct {
	archived bool
	created  time.Time
}

// old is long before a history, in which analyzers have been created a month ago.
const old = -30 * 24 * time.Hour

// analyze adds an analyzer.
func (e *exporter) analyze(account, region, name string, created time.Time) *analyzer {
	a := &analyzer{account: account, region: region, name: name, status: "ACTIVE", created: created, findings: map[finding]findingState{}}
	e.analyzers = append(e.analyzers, a)
	return a
}

// find adds an ACTIVE finding.
func (a *analyzer) find(f finding, created time.Time) { a.findings[f] = findingState{created: created} }

func bucket(account string, n int) finding {
	return finding{account, "AWS::S3::Bucket", fmt.Sprintf("arn:aws:s3:::bucket-%s-%d", account, n), true}
}

// add adds a series: its value, name and pairs of labels.
type add func(v float64, name string, pairs ...string)

// expose are the series about the analyzer.
func (a *analyzer) expose(add add, names int) {
	of := []string{"account_id", a.account, "region", a.region, "analyzer", a.name}
	add(1, "aws_access_analyzer_info", append(of, "type", "ACCOUNT", "access", "external", "scope", "account", "managed_by", "", "status_reason", "")...)
	for _, status := range []string{"ACTIVE", "CREATING", "DISABLED", "FAILED"} {
		add(number(status == a.status), "aws_access_analyzer_status", append(of, "status", status)...)
	}
	add(seconds(a.created), "aws_access_analyzer_created_timestamp_seconds", of...)
	add(float64(a.archiveRules), "aws_access_analyzer_archive_rules", of...)
	if a.counted() {
		add(seconds(time.Now()), "aws_access_analyzer_findings_last_success_timestamp_seconds", of...)
		a.exposeFindings(add, names)
	}
}

// counted is whether the findings of the analyzer are published.
func (a *analyzer) counted() bool { return a.status == "ACTIVE" && !a.uncounted }

func (a *analyzer) exposeFindings(add add, names int) {
	by := func(owner string) []string {
		return []string{"account_id", owner, "region", a.region, "analyzer_account_id", a.account, "analyzer", a.name}
	}
	for _, status := range []string{"ACTIVE", "ARCHIVED"} {
		add(0, "aws_access_analyzer_findings", append(by(a.account), "finding_type", "ExternalAccess", "status", status)...)
	}
	type group struct {
		owner, status, resourceType string
		public                      bool
	}
	counts := map[group]int{}
	oldest, named := map[string]time.Time{}, map[string]int{}
	for _, f := range a.sorted() {
		s := a.findings[f]
		if s.archived {
			counts[group{f.owner, "ARCHIVED", f.resourceType, f.public}]++
			continue
		}
		counts[group{f.owner, "ACTIVE", f.resourceType, f.public}]++
		if first, ok := oldest[f.owner]; !ok || s.created.Before(first) {
			oldest[f.owner] = s.created
		}
		if !f.public || named[f.owner] == names {
			continue
		}
		named[f.owner]++
		add(seconds(s.created), "aws_access_analyzer_public_finding_created_timestamp_seconds",
			append(by(f.owner), "resource_type", f.resourceType, "resource", f.resource, "finding_id", "id-"+f.resource)...)
	}
	for g, n := range counts {
		add(float64(n), "aws_access_analyzer_findings",
			append(by(g.owner), "finding_type", "ExternalAccess", "status", g.status, "resource_type", g.resourceType, "public", fmt.Sprint(g.public))...)
	}
	for owner, created := range oldest {
		add(seconds(created), "aws_access_analyzer_oldest_active_finding_timestamp_seconds", append(by(owner), "finding_type", "ExternalAccess")...)
	}
}

func (a *analyzer) sorted() []finding {
	return slices.SortedFunc(maps.Keys(a.findings), func(a, b finding) int {
		return strings.Compare(a.owner+a.resource, b.owner+b.resource)
	})
}

// archive archives all findings.
func (a *analyzer) archive() {
	for f, s := range a.findings {
		s.archived = true
		a.findings[f] = s
	}
}
