package services

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

var accessAnalyzer = &wire.Service{
	Name: world.AccessAnalyzer, Protocol: wire.RESTJSON, Regional: true,
	Throttled:        wire.Error{Code: "ThrottlingException", Status: http.StatusTooManyRequests, Message: "Rate exceeded", RetryAfter: 1},
	Internal:         wire.Error{Code: "InternalServerException", Status: http.StatusInternalServerError, Message: "Internal server error", RetryAfter: 1},
	InvalidPageToken: *invalidField("nextToken", "The next token is invalid."),
}

// accessAnalyzerOperations are the operations that read.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_Operations.html
func accessAnalyzerOperations(statistics *statisticsCache) wire.Operations {
	return wire.NewOperations(
		&wire.Operation{Name: "ListAnalyzers", Action: "access-analyzer:ListAnalyzers", Resource: regionARN, Handle: listAnalyzers},
		&wire.Operation{Name: "GetAnalyzer", Action: "access-analyzer:GetAnalyzer", Resource: namedARN, Handle: getAnalyzer},
		&wire.Operation{Name: "ListArchiveRules", Action: "access-analyzer:ListArchiveRules", Resource: namedARN, Handle: listArchiveRules},
		// Both versions of ListFindings are authorized by the same action.
		&wire.Operation{Name: "ListFindings", Action: "access-analyzer:ListFindings", Resource: givenARN, Handle: listFindings},
		&wire.Operation{Name: "ListFindingsV2", Action: "access-analyzer:ListFindings", Resource: givenARN, Handle: listFindingsV2},
		&wire.Operation{Name: "GetFindingsStatistics", Action: "access-analyzer:GetFindingsStatistics", Resource: givenARN, Handle: statistics.getFindingsStatistics},
		&wire.Operation{Name: "ValidatePolicy", Action: "access-analyzer:ValidatePolicy", Resource: regionARN, Handle: validatePolicy},
		&wire.Operation{Name: "CheckAccessNotGranted", Action: "access-analyzer:CheckAccessNotGranted", Resource: regionARN, Handle: checkAccessNotGranted},
		&wire.Operation{Name: "CheckNoNewAccess", Action: "access-analyzer:CheckNoNewAccess", Resource: regionARN, Handle: checkNoNewAccess},
	)
}

// accessAnalyzerRoute returns the name of the operation at a path; empty if
// there is none.
func accessAnalyzerRoute(method string, path []string) string {
	switch {
	case method == http.MethodPost:
		switch strings.Join(path, "/") {
		case "finding":
			return "ListFindings"
		case "findingv2":
			return "ListFindingsV2"
		case "analyzer/findings/statistics":
			return "GetFindingsStatistics"
		case "policy/validation":
			return "ValidatePolicy"
		case "policy/check-access-not-granted":
			return "CheckAccessNotGranted"
		case "policy/check-no-new-access":
			return "CheckNoNewAccess"
		}
	case method != http.MethodGet || path[0] != "analyzer":
	case len(path) == 1:
		return "ListAnalyzers"
	case len(path) == 2:
		return "GetAnalyzer"
	case len(path) == 3 && path[2] == "archive-rule":
		return "ListArchiveRules"
	}
	return ""
}

func regionARN(q *wire.Request) string {
	return "arn:aws:access-analyzer:" + q.Region + ":" + q.Caller.AccountID + ":*"
}

func namedARN(q *wire.Request) string {
	return "arn:aws:access-analyzer:" + q.Region + ":" + q.Caller.AccountID + ":analyzer/" + q.Path[1]
}

func givenARN(q *wire.Request) string {
	var in struct{ AnalyzerArn string }
	if json.Unmarshal(q.Body, &in) != nil || in.AnalyzerArn == "" {
		return "*"
	}
	return in.AnalyzerArn
}

// invalidField is a ValidationException about one field.
func invalidField(field, message string) *wire.Error {
	return &wire.Error{
		Code: "ValidationException", Status: http.StatusBadRequest, Message: message,
		Fields: map[string]any{
			"reason":    "fieldValidationFailed",
			"fieldList": []map[string]string{{"name": field, "message": message}},
		},
	}
}

func notFound(id, kind string) *wire.Error {
	return &wire.Error{
		Code: "ResourceNotFoundException", Status: http.StatusNotFound,
		Message: "The specified " + kind + " could not be found: " + id,
		Fields:  map[string]any{"resourceId": id, "resourceType": kind},
	}
}

// maxResults parses the query parameter; 0 if it is absent.
func maxResults(q *wire.Request) (int, *wire.Error) {
	text := q.Query.Get("maxResults")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalidField("maxResults", "maxResults must be a positive integer")
	}
	return n, nil
}

type analyzerSummary struct {
	ARN                    string            `json:"arn"`
	Name                   string            `json:"name"`
	Type                   string            `json:"type"`
	CreatedAt              time.Time         `json:"createdAt"`
	LastResourceAnalyzed   string            `json:"lastResourceAnalyzed,omitempty"`
	LastResourceAnalyzedAt *time.Time        `json:"lastResourceAnalyzedAt,omitempty"`
	Tags                   map[string]string `json:"tags,omitempty"`
	Status                 string            `json:"status"`
	StatusReason           *statusReason     `json:"statusReason,omitempty"`
	Configuration          any               `json:"configuration,omitempty"`
	ManagedBy              string            `json:"managedBy,omitempty"`
}

type statusReason struct {
	Code string `json:"code"`
}

type analyzerConfiguration struct {
	UnusedAccess   *unusedConfiguration   `json:"unusedAccess,omitempty"`
	InternalAccess *internalConfiguration `json:"internalAccess,omitempty"`
}

type unusedConfiguration struct {
	UnusedAccessAge int         `json:"unusedAccessAge,omitempty"`
	AnalysisRule    *exclusions `json:"analysisRule,omitempty"`
}

type exclusions struct {
	Exclusions []world.Exclusion `json:"exclusions"`
}

type internalConfiguration struct {
	AnalysisRule *inclusions `json:"analysisRule,omitempty"`
}

type inclusions struct {
	Inclusions []world.Inclusion `json:"inclusions"`
}

func summarize(a *world.Analyzer) analyzerSummary {
	out := analyzerSummary{
		ARN: a.ARN(), Name: a.Name, Type: a.Type, CreatedAt: a.CreatedAt.UTC(), Status: a.Status, ManagedBy: a.ManagedBy,
		LastResourceAnalyzed: a.LastResourceAnalyzed, LastResourceAnalyzedAt: wire.Timestamp(a.LastResourceAnalyzedAt), Tags: a.Tags,
	}
	if a.StatusReason != "" {
		out.StatusReason = &statusReason{a.StatusReason}
	}
	return out
}

// configuration is nil for external access analyzers, which have none.
func configuration(a *world.Analyzer) any {
	switch {
	case a.RawConfiguration != nil:
		return a.RawConfiguration
	case a.Unused != nil:
		c := &unusedConfiguration{UnusedAccessAge: a.Unused.Age}
		if len(a.Unused.Exclusions) > 0 {
			c.AnalysisRule = &exclusions{a.Unused.Exclusions}
		}
		return &analyzerConfiguration{UnusedAccess: c}
	case a.Internal != nil:
		c := &internalConfiguration{}
		if len(a.Internal.Inclusions) > 0 {
			c.AnalysisRule = &inclusions{a.Internal.Inclusions}
		}
		return &analyzerConfiguration{InternalAccess: c}
	}
	return nil
}

func listAnalyzers(q *wire.Request) (any, *wire.Error) {
	kind := q.Query.Get("type")
	if kind != "" && !slices.Contains(world.AnalyzerTypes, kind) {
		return nil, invalidField("type", "type must be one of "+strings.Join(world.AnalyzerTypes, ", "))
	}
	limit, err := maxResults(q)
	if err != nil {
		return nil, err
	}
	analyzers := q.Analyzers(q.Caller.AccountID, q.Region)
	if listsOrganizationAnalyzers(q) {
		analyzers = slices.Clone(analyzers)
		for _, a := range q.OrganizationAnalyzers(q.Region) {
			if a.AccountID != q.Caller.AccountID {
				analyzers = append(analyzers, a)
			}
		}
	}
	if kind != "" {
		analyzers = slices.DeleteFunc(slices.Clone(analyzers), func(a *world.Analyzer) bool { return a.Type != kind })
	}
	page, token, err := wire.Paginate(q, analyzers, limit, q.Query.Get("nextToken"), kind)
	if err != nil {
		return nil, err
	}
	out := struct {
		Analyzers []analyzerSummary `json:"analyzers"`
		NextToken string            `json:"nextToken,omitempty"`
	}{make([]analyzerSummary, len(page)), token}
	for i, a := range page {
		// Only GetAnalyzer returns the configuration.
		out.Analyzers[i] = summarize(a)
	}
	return out, nil
}

func listsOrganizationAnalyzers(q *wire.Request) bool {
	return q.World.Quirks.MembersSeeOrganizationAnalyzers && q.World.Organization != nil &&
		!q.Account(q.Caller.AccountID).Standalone
}

func getAnalyzer(q *wire.Request) (any, *wire.Error) {
	a := q.Analyzer(q.Caller.AccountID, q.Region, q.Path[1])
	if a == nil {
		return nil, notFound(q.Path[1], "analyzer")
	}
	summary := summarize(a)
	summary.Configuration = configuration(a)
	return map[string]analyzerSummary{"analyzer": summary}, nil
}

type archiveRuleSummary struct {
	RuleName  string       `json:"ruleName"`
	Filter    world.Filter `json:"filter"`
	CreatedAt time.Time    `json:"createdAt"`
	UpdatedAt time.Time    `json:"updatedAt"`
}

func listArchiveRules(q *wire.Request) (any, *wire.Error) {
	limit, err := maxResults(q)
	if err != nil {
		return nil, err
	}
	// The model of this operation has no ResourceNotFoundException, but also no
	// other error for this case.
	a := q.Analyzer(q.Caller.AccountID, q.Region, q.Path[1])
	if a == nil {
		return nil, notFound(q.Path[1], "analyzer")
	}
	page, token, err := wire.Paginate(q, a.ArchiveRules, limit, q.Query.Get("nextToken"), a.Name)
	if err != nil {
		return nil, err
	}
	out := struct {
		ArchiveRules []archiveRuleSummary `json:"archiveRules"`
		NextToken    string               `json:"nextToken,omitempty"`
	}{make([]archiveRuleSummary, len(page)), token}
	for i, r := range page {
		out.ArchiveRules[i] = archiveRuleSummary{r.Name, r.Filter, r.CreatedAt.UTC(), r.UpdatedAt.UTC()}
	}
	return out, nil
}

// accessibleAnalyzer returns the analyzer whose findings are requested.
func accessibleAnalyzer(q *wire.Request, arn string) (*world.Analyzer, *wire.Error) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "access-analyzer" || !strings.HasPrefix(p[5], "analyzer/") {
		return nil, invalidField("analyzerArn", "Invalid analyzer ARN")
	}
	region, account, name := p[3], p[4], strings.TrimPrefix(p[5], "analyzer/")
	if region != q.Region {
		return nil, invalidField("analyzerArn", "The analyzer is in Region "+region+", the request was sent to "+q.Region)
	}
	if account != q.Caller.AccountID {
		return nil, q.DeniedByResource()
	}
	a := q.Analyzer(account, region, name)
	if a == nil {
		return nil, notFound(arn, "analyzer")
	}
	if a.FindingsInaccessible() {
		return nil, q.Service.Errorf(wire.AccessDenied, "Account %s is not a delegated administrator", account)
	}
	return a, nil
}
