package services

import (
	"cmp"
	"sort"
	"strconv"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

type findingsInput struct {
	AnalyzerArn string
	Filter      world.Filter
	MaxResults  *int
	NextToken   string
	Sort        *struct{ AttributeName, OrderBy string }
}

// listing is a validated findingsInput.
type listing struct {
	analyzer   *world.Analyzer
	filter     world.Filter
	attribute  world.Attribute
	descending bool
	limit      int
	token      string
	// parameters distinguish page tokens of different lists.
	parameters []string
}

// parseListing parses and validates the input of both versions of ListFindings.
func parseListing(q *wire.Request) (l listing, _ *wire.Error) {
	var in findingsInput
	if err := q.DecodeJSON(&in); err != nil {
		return l, err
	}
	a, err := accessibleAnalyzer(q, in.AnalyzerArn)
	if err != nil {
		return l, err
	}
	if err := in.Filter.Validate(a.AccessType()); err != nil {
		return l, invalidField("filter", err.Error())
	}
	l = listing{analyzer: a, filter: in.Filter, attribute: "id", token: in.NextToken}
	if in.MaxResults != nil {
		if l.limit = *in.MaxResults; l.limit < 1 {
			return l, invalidField("maxResults", "maxResults must be a positive integer")
		}
	}
	if in.Sort != nil {
		if err := l.sort(q, in.Sort.AttributeName, in.Sort.OrderBy); err != nil {
			return l, err
		}
	}
	l.parameters = []string{in.AnalyzerArn, string(wire.EncodeJSON(in.Filter)), string(l.attribute), strconv.FormatBool(l.descending)}
	return l, nil
}

func (l *listing) sort(q *wire.Request, attribute, orderBy string) *wire.Error {
	if q.World.Quirks.RejectSort {
		return invalidField("sort", "Sorting is not supported")
	}
	by, ok := world.ParseAttribute(cmp.Or(attribute, "id"))
	if !ok {
		return invalidField("sort", "Findings cannot be sorted by "+attribute)
	}
	if orderBy != "" && orderBy != "ASC" && orderBy != "DESC" {
		return invalidField("sort", "orderBy must be ASC or DESC")
	}
	if !q.World.Quirks.IgnoreSort {
		l.attribute, l.descending = by, orderBy == "DESC"
	}
	return nil
}

// page returns the findings at the token, and the next token. A token holds the
// last finding of its page, so that changes in between neither repeat nor skip
// other findings.
func (l *listing) page(q *wire.Request) (page []*world.Finding, next string, _ *wire.Error) {
	position, ok := q.Position(l.token, l.parameters...)
	if !ok {
		return nil, "", &q.Service.InvalidPageToken
	}
	if l.token == "" && q.World.Quirks.EmptyPages && !q.RepeatToken {
		return nil, q.PageToken("first", l.parameters...), nil
	}
	order := q.Order(l.analyzer, l.attribute)
	i, step := 0, 1
	if l.descending {
		i, step = len(order)-1, -1
	}
	if position != "" && position != "first" {
		if i, ok = l.seek(order, position); !ok {
			return nil, "", &q.Service.InvalidPageToken
		}
	}
	size := q.PageSize(l.limit)
	for ; i >= 0 && i < len(order); i += step {
		f := &l.analyzer.Findings[order[i]]
		if !l.filter.Matches(f) {
			continue
		}
		if len(page) == size {
			return page, q.PageToken(l.attribute.Position(page[size-1]), l.parameters...), nil
		}
		page = append(page, f)
	}
	if q.RepeatToken {
		next = q.PageToken("first", l.parameters...)
	}
	return page, next, nil
}

// seek returns the index in order after a position, whether or not the finding
// of the position still exists.
func (l *listing) seek(order []int32, position string) (int, bool) {
	last, ok := l.attribute.ParsePosition(position)
	comparison := l.attribute.Comparison()
	compare := func(i int) int { return comparison(&l.analyzer.Findings[order[i]], &last) }
	if l.descending {
		return sort.Search(len(order), func(i int) bool { return compare(i) >= 0 }) - 1, ok
	}
	return sort.Search(len(order), func(i int) bool { return compare(i) > 0 }), ok
}

type findingV2 struct {
	AnalyzedAt           time.Time `json:"analyzedAt"`
	CreatedAt            time.Time `json:"createdAt"`
	Error                string    `json:"error,omitempty"`
	FindingType          string    `json:"findingType"`
	ID                   string    `json:"id"`
	Resource             string    `json:"resource,omitempty"`
	ResourceType         string    `json:"resourceType"`
	ResourceOwnerAccount string    `json:"resourceOwnerAccount"`
	Status               string    `json:"status"`
	UpdatedAt            time.Time `json:"updatedAt"`
}

func listFindingsV2(q *wire.Request) (any, *wire.Error) {
	l, err := parseListing(q)
	if err != nil {
		return nil, err
	}
	page, token, err := l.page(q)
	if err != nil {
		return nil, err
	}
	out := struct {
		Findings  []findingV2 `json:"findings"`
		NextToken string      `json:"nextToken,omitempty"`
	}{make([]findingV2, len(page)), token}
	for i, f := range page {
		out.Findings[i] = findingV2{
			AnalyzedAt: f.AnalyzedAt.UTC(), CreatedAt: f.CreatedAt.UTC(), Error: f.Error, FindingType: f.Type, ID: f.ID, Resource: f.Resource,
			ResourceType: f.ResourceType, ResourceOwnerAccount: f.Owner, Status: f.Status, UpdatedAt: f.UpdatedAt.UTC(),
		}
	}
	return out, nil
}

type findingV1 struct {
	ID                               string            `json:"id"`
	Principal                        map[string]string `json:"principal,omitempty"`
	Action                           []string          `json:"action,omitempty"`
	Resource                         string            `json:"resource,omitempty"`
	IsPublic                         *bool             `json:"isPublic,omitempty"`
	ResourceType                     string            `json:"resourceType"`
	Condition                        map[string]string `json:"condition"`
	CreatedAt                        time.Time         `json:"createdAt"`
	AnalyzedAt                       time.Time         `json:"analyzedAt"`
	UpdatedAt                        time.Time         `json:"updatedAt"`
	Status                           string            `json:"status"`
	ResourceOwnerAccount             string            `json:"resourceOwnerAccount"`
	Error                            string            `json:"error,omitempty"`
	Sources                          []findingSource   `json:"sources,omitempty"`
	ResourceControlPolicyRestriction string            `json:"resourceControlPolicyRestriction,omitempty"`
}

type findingSource struct {
	Type string `json:"type"`
}

func listFindings(q *wire.Request) (any, *wire.Error) {
	l, err := parseListing(q)
	if err != nil {
		return nil, err
	}
	if l.analyzer.AccessType() != world.ExternalAccessType {
		return nil, invalidField("analyzerArn", "ListFindings supports external access analyzers only; use ListFindingsV2")
	}
	page, token, err := l.page(q)
	if err != nil {
		return nil, err
	}
	out := struct {
		Findings  []findingV1 `json:"findings"`
		NextToken string      `json:"nextToken,omitempty"`
	}{make([]findingV1, len(page)), token}
	for i, f := range page {
		out.Findings[i] = newFindingV1(f)
	}
	return out, nil
}

func newFindingV1(f *world.Finding) findingV1 {
	out := findingV1{
		ID: f.ID, Resource: f.Resource, ResourceType: f.ResourceType, Condition: map[string]string{}, CreatedAt: f.CreatedAt.UTC(),
		AnalyzedAt: f.AnalyzedAt.UTC(), UpdatedAt: f.UpdatedAt.UTC(), Status: f.Status, ResourceOwnerAccount: f.Owner, Error: f.Error,
		ResourceControlPolicyRestriction: f.Restriction(),
	}
	if f.Error == "" {
		out.IsPublic = &f.Public
	}
	if f.Access != nil {
		out.Principal, out.Action, out.Sources = f.Access.Principal, f.Access.Action, []findingSource{{"POLICY"}}
		if f.Access.Condition != nil {
			out.Condition = f.Access.Condition
		}
	}
	return out
}
