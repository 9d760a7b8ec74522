package simaws

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The operations of Access Analyzer that read.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_Operations.html
var accessAnalyzerOperations = table(
	&operation{name: "ListAnalyzers", action: "access-analyzer:ListAnalyzers", resource: regionARN, handle: listAnalyzers},
	&operation{name: "GetAnalyzer", action: "access-analyzer:GetAnalyzer", resource: namedARN, handle: getAnalyzer},
	&operation{name: "ListArchiveRules", action: "access-analyzer:ListArchiveRules", resource: namedARN, handle: listArchiveRules},
	// Both versions of ListFindings are authorised by the same action.
	&operation{name: "ListFindings", action: "access-analyzer:ListFindings", resource: givenARN, handle: listFindings},
	&operation{name: "ListFindingsV2", action: "access-analyzer:ListFindings", resource: givenARN, handle: listFindingsV2},
	&operation{name: "GetFindingsStatistics", action: "access-analyzer:GetFindingsStatistics", resource: givenARN, handle: getFindingsStatistics},
	&operation{name: "ListAnalyzedResources", action: "access-analyzer:ListAnalyzedResources", resource: givenARN, handle: listAnalyzedResources},
)

var analyzerTypes = []string{
	"ACCOUNT", "ORGANIZATION", "ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS",
	"ACCOUNT_INTERNAL_ACCESS", "ORGANIZATION_INTERNAL_ACCESS",
}

// accessAnalyzerRoute is the name of the operation at a path; empty when there
// is none.
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
		case "analyzed-resource":
			return "ListAnalyzedResources"
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

func regionARN(q *request) string {
	return "arn:aws:access-analyzer:" + q.region + ":" + q.who.accountID + ":*"
}

func namedARN(q *request) string {
	return "arn:aws:access-analyzer:" + q.region + ":" + q.who.accountID + ":analyzer/" + q.path[1]
}

func givenARN(q *request) string {
	var in struct{ AnalyzerArn string }
	if json.Unmarshal(q.body, &in) != nil || in.AnalyzerArn == "" {
		return "*"
	}
	return in.AnalyzerArn
}

// invalid is a ValidationException about one field.
func invalid(field, message string) *apiError {
	return &apiError{
		Code: "ValidationException", Status: http.StatusBadRequest, Message: message,
		Fields: map[string]any{
			"reason":    "fieldValidationFailed",
			"fieldList": []map[string]string{{"name": field, "message": message}},
		},
	}
}

func notFound(id, kind string) *apiError {
	return &apiError{
		Code: "ResourceNotFoundException", Status: http.StatusNotFound,
		Message: "The specified " + kind + " could not be found: " + id,
		Fields:  map[string]any{"resourceId": id, "resourceType": kind},
	}
}

// decodeJSON reads a rest-json body; an absent one is an empty object.
func (q *request) decodeJSON(in any) *apiError {
	if len(q.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(q.body, in); err != nil {
		e := q.svc.errorf(invalidInput, "The request body could not be parsed: %v", err)
		e.Fields = map[string]any{"reason": "cannotParse"}
		return e
	}
	return nil
}

// maxResults reads the query parameter; 0 when it is absent.
func (q *request) maxResults() (int, *apiError) {
	text := q.query.Get("maxResults")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalid("maxResults", "maxResults must be a positive integer")
	}
	return n, nil
}

type analyzerSummary struct {
	ARN                    string                 `json:"arn"`
	Name                   string                 `json:"name"`
	Type                   string                 `json:"type"`
	CreatedAt              time.Time              `json:"createdAt"`
	LastResourceAnalyzed   string                 `json:"lastResourceAnalyzed,omitempty"`
	LastResourceAnalyzedAt *time.Time             `json:"lastResourceAnalyzedAt,omitempty"`
	Tags                   map[string]string      `json:"tags,omitempty"`
	Status                 string                 `json:"status"`
	StatusReason           *statusReason          `json:"statusReason,omitempty"`
	Configuration          *analyzerConfiguration `json:"configuration,omitempty"`
	ManagedBy              string                 `json:"managedBy,omitempty"`
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
	Exclusions []Exclusion `json:"exclusions"`
}

type internalConfiguration struct {
	AnalysisRule *inclusions `json:"analysisRule,omitempty"`
}

type inclusions struct {
	Inclusions []Inclusion `json:"inclusions"`
}

func summarize(a *Analyzer) analyzerSummary {
	out := analyzerSummary{
		ARN: a.ARN(), Name: a.Name, Type: a.Type, CreatedAt: a.CreatedAt.UTC(), Status: a.Status, ManagedBy: a.ManagedBy,
		LastResourceAnalyzed: a.LastResourceAnalyzed, LastResourceAnalyzedAt: timestamp(a.LastResourceAnalyzedAt), Tags: a.Tags,
	}
	if a.StatusReason != "" {
		out.StatusReason = &statusReason{a.StatusReason}
	}
	return out
}

// configure is nil for analyzers of external access, which have nothing to
// configure.
func configure(a *Analyzer) *analyzerConfiguration {
	switch {
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

func listAnalyzers(q *request) (any, *apiError) {
	kind := q.query.Get("type")
	if kind != "" && !slices.Contains(analyzerTypes, kind) {
		return nil, invalid("type", "type must be one of "+strings.Join(analyzerTypes, ", "))
	}
	limit, err := q.maxResults()
	if err != nil {
		return nil, err
	}
	analyzers := q.index.analyzers[place{q.who.accountID, q.region}]
	if q.seesOrganizationAnalyzers() {
		analyzers = slices.Clone(analyzers)
		for _, a := range q.index.organization[q.region] {
			if a.AccountID != q.who.accountID {
				analyzers = append(analyzers, a)
			}
		}
	}
	if kind != "" {
		analyzers = slices.DeleteFunc(slices.Clone(analyzers), func(a *Analyzer) bool { return a.Type != kind })
	}
	page, token, err := paginate(q, analyzers, limit, q.query.Get("nextToken"), kind)
	if err != nil {
		return nil, err
	}
	out := struct {
		Analyzers []analyzerSummary `json:"analyzers"`
		NextToken string            `json:"nextToken,omitempty"`
	}{make([]analyzerSummary, len(page)), token}
	for i, a := range page {
		// GetAnalyzer alone returns the configuration.
		out.Analyzers[i] = summarize(a)
	}
	return out, nil
}

func (q *request) seesOrganizationAnalyzers() bool {
	return q.world.Quirks.MembersSeeOrganizationAnalyzers && q.world.Organization != nil &&
		!q.index.accounts[q.who.accountID].Standalone
}

func getAnalyzer(q *request) (any, *apiError) {
	a := q.index.analyzer(place{q.who.accountID, q.region}, q.path[1])
	if a == nil {
		return nil, notFound(q.path[1], "analyzer")
	}
	summary := summarize(a)
	summary.Configuration = configure(a)
	return map[string]analyzerSummary{"analyzer": summary}, nil
}

type archiveRuleSummary struct {
	RuleName  string               `json:"ruleName"`
	Filter    map[string]Criterion `json:"filter"`
	CreatedAt time.Time            `json:"createdAt"`
	UpdatedAt time.Time            `json:"updatedAt"`
}

func listArchiveRules(q *request) (any, *apiError) {
	limit, err := q.maxResults()
	if err != nil {
		return nil, err
	}
	// ResourceNotFoundException is not among this operation's modelled errors,
	// and yet there is nothing else to answer.
	a := q.index.analyzer(place{q.who.accountID, q.region}, q.path[1])
	if a == nil {
		return nil, notFound(q.path[1], "analyzer")
	}
	page, token, err := paginate(q, a.ArchiveRules, limit, q.query.Get("nextToken"), a.Name)
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

// accessibleAnalyzer finds the analyzer whose findings are asked for.
func (q *request) accessibleAnalyzer(arn string) (*Analyzer, *apiError) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "access-analyzer" || !strings.HasPrefix(p[5], "analyzer/") {
		return nil, invalid("analyzerArn", "Invalid analyzer ARN")
	}
	region, account, name := p[3], p[4], strings.TrimPrefix(p[5], "analyzer/")
	if region != q.region {
		return nil, invalid("analyzerArn", "The analyzer is in Region "+region+", the request was sent to "+q.region)
	}
	if account != q.who.accountID {
		return nil, q.denied("because no resource-based policy allows the " + q.op.action + " action")
	}
	a := q.index.analyzer(place{account, region}, name)
	if a == nil {
		return nil, notFound(arn, "analyzer")
	}
	if a.findingsInaccessible() {
		return nil, q.svc.errorf(accessDenied, "Account %s is not a delegated administrator", account)
	}
	return a, nil
}
