package simaws

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Criterion is one condition of a filter. What is given in it must all hold;
// of several values one is enough.
type Criterion struct {
	Eq       []string `json:"eq,omitempty" yaml:"eq"`
	Neq      []string `json:"neq,omitempty" yaml:"neq"`
	Contains []string `json:"contains,omitempty" yaml:"contains"`
	Exists   *bool    `json:"exists,omitempty" yaml:"exists"`
}

// maxCriterionValues is the limit in the API's model.
const maxCriterionValues = 20

// filterKeys maps the keys that lists of findings can be filtered by to the
// analyzers that have them: E(xternal), I(nternal) and U(nused) access.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-filter-keys.html
var filterKeys = map[string]string{
	"id": "EIU", "status": "EIU", "findingType": "EIU", "resource": "EIU", "resourceType": "EIU", "resourceOwnerAccount": "EIU",
	"error": "EI", "isPublic": "E", "resourceControlPolicyRestriction": "EI", "serviceControlPolicyRestriction": "I",
	"principal.AWS": "E", "principal.Federated": "E",
	"condition.aws:PrincipalArn": "E", "condition.aws:PrincipalOrgID": "E", "condition.aws:PrincipalOrgPaths": "E",
	"condition.aws:SourceIp": "E", "condition.aws:SourceVpc": "E", "condition.aws:UserId": "E",
	"condition.aws:VpceAccount": "EI", "condition.aws:VpceOrgID": "EI", "condition.aws:VpceOrgPaths": "EI",
	"condition.cognito-identity.amazonaws.com:aud": "E", "condition.graph.facebook.com:app_id": "E",
	"condition.accounts.google.com:aud": "E", "condition.www.amazon.com:app_id": "E", "condition.kms:CallerAccount": "E",
}

// filterValue is what a finding has under a filter key; ok is false where it
// has nothing.
func filterValue(f *Finding, key string) (value string, ok bool) {
	switch key {
	case "id":
		return f.ID, true
	case "status":
		return f.Status, true
	case "findingType":
		return f.Type, true
	case "resource":
		return f.Resource, true
	case "resourceType":
		return f.ResourceType, true
	case "resourceOwnerAccount":
		return f.Owner, true
	case "error":
		return f.Error, f.Error != ""
	case "isPublic":
		return strconv.FormatBool(f.Public), f.Error == "" && f.Type == "ExternalAccess"
	case "resourceControlPolicyRestriction":
		return f.restriction(), f.restriction() != ""
	case "serviceControlPolicyRestriction":
		return "NOT_APPLICABLE", f.Error == "" && f.Type == "InternalAccess"
	}
	if f.Access == nil {
		return "", false
	}
	if name, isPrincipal := strings.CutPrefix(key, "principal."); isPrincipal {
		value, ok = f.Access.Principal[name]
	} else {
		value, ok = f.Access.Condition[strings.TrimPrefix(key, "condition.")]
	}
	return value, ok
}

// restriction is empty where AWS gives none.
func (f *Finding) restriction() string {
	switch {
	case f.Access == nil:
		return ""
	case f.Access.ResourceControlPolicyRestriction == "":
		return "NOT_APPLICABLE"
	}
	return f.Access.ResourceControlPolicyRestriction
}

func matchesAll(f *Finding, filter map[string]Criterion) bool {
	for key, c := range filter {
		value, ok := filterValue(f, key)
		if c.Eq != nil && !(ok && slices.Contains(c.Eq, value)) ||
			c.Neq != nil && ok && slices.Contains(c.Neq, value) ||
			c.Contains != nil && !(ok && slices.ContainsFunc(c.Contains, func(s string) bool { return strings.Contains(value, s) })) ||
			c.Exists != nil && *c.Exists != ok {
			return false
		}
	}
	return true
}

// checkFilter refuses keys that the analyzer's kind does not have, and more
// values than the model allows.
func checkFilter(filter map[string]Criterion, access byte) *apiError {
	for key, c := range filter {
		if !strings.Contains(filterKeys[key], string(access)) {
			return invalid("filter", "Filter key "+key+" is not supported for this analyzer")
		}
		for _, values := range [][]string{c.Eq, c.Neq, c.Contains} {
			if values != nil && (len(values) < 1 || len(values) > maxCriterionValues) {
				return invalid("filter", "A criterion has 1 to 20 values, the one of "+key+" has "+strconv.Itoa(len(values)))
			}
		}
	}
	return nil
}

// The attributes that findings can be sorted by. AWS documents none; these are
// the fields of a summary, and upper and lower case are taken alike.
var (
	textAttributes = map[string]func(*Finding) *string{
		"id":                   func(f *Finding) *string { return &f.ID },
		"status":               func(f *Finding) *string { return &f.Status },
		"findingtype":          func(f *Finding) *string { return &f.Type },
		"resource":             func(f *Finding) *string { return &f.Resource },
		"resourcetype":         func(f *Finding) *string { return &f.ResourceType },
		"resourceowneraccount": func(f *Finding) *string { return &f.Owner },
	}
	timeAttributes = map[string]func(*Finding) *time.Time{
		"createdat":  func(f *Finding) *time.Time { return &f.CreatedAt },
		"updatedat":  func(f *Finding) *time.Time { return &f.UpdatedAt },
		"analyzedat": func(f *Finding) *time.Time { return &f.AnalyzedAt },
	}
)

// compareBy orders findings by an attribute and, where that is equal, by ID.
func compareBy(attribute string) func(a, b *Finding) int {
	if at, ok := timeAttributes[attribute]; ok {
		return func(a, b *Finding) int { return cmp.Or(at(a).Compare(*at(b)), cmp.Compare(a.ID, b.ID)) }
	}
	text := textAttributes[attribute]
	return func(a, b *Finding) int { return cmp.Or(cmp.Compare(*text(a), *text(b)), cmp.Compare(a.ID, b.ID)) }
}

// orders holds the findings of analyzers in the orders that were asked for.
type orders struct {
	mu sync.Mutex
	m  map[orderKey][]int32
}

type orderKey struct {
	analyzer  *Analyzer
	attribute string
}

// get is the order in which an analyzer's findings stand by an attribute:
// positions in its Findings.
func (o *orders) get(a *Analyzer, attribute string) []int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := orderKey{a, attribute}
	if order, ok := o.m[key]; ok {
		return order
	}
	order := make([]int32, len(a.Findings))
	for i := range order {
		order[i] = int32(i)
	}
	compare := compareBy(attribute)
	slices.SortFunc(order, func(i, j int32) int { return compare(&a.Findings[i], &a.Findings[j]) })
	if o.m == nil {
		o.m = map[orderKey][]int32{}
	}
	o.m[key] = order
	return order
}

type findingsInput struct {
	AnalyzerArn string
	Filter      map[string]Criterion
	MaxResults  *int
	NextToken   string
	Sort        *struct{ AttributeName, OrderBy string }
}

// listing is a checked findingsInput.
type listing struct {
	analyzer   *Analyzer
	filter     map[string]Criterion
	attribute  string
	descending bool
	limit      int
	token      string
	// parameters bind tokens to this list.
	parameters []string
}

// readListing reads and checks what both versions of ListFindings take.
func readListing(q *request) (l listing, _ *apiError) {
	var in findingsInput
	if err := q.decodeJSON(&in); err != nil {
		return l, err
	}
	a, err := q.accessibleAnalyzer(in.AnalyzerArn)
	if err != nil {
		return l, err
	}
	if err := checkFilter(in.Filter, a.access()); err != nil {
		return l, err
	}
	l = listing{analyzer: a, filter: in.Filter, attribute: "id", token: in.NextToken}
	if in.MaxResults != nil {
		if l.limit = *in.MaxResults; l.limit < 1 {
			return l, invalid("maxResults", "maxResults must be a positive integer")
		}
	}
	if in.Sort != nil {
		if err := l.sort(q, in.Sort.AttributeName, in.Sort.OrderBy); err != nil {
			return l, err
		}
	}
	l.parameters = []string{in.AnalyzerArn, string(encodeJSON(in.Filter)), l.attribute, strconv.FormatBool(l.descending)}
	return l, nil
}

func (l *listing) sort(q *request, attribute, orderBy string) *apiError {
	if q.world.Quirks.RefuseSort {
		return invalid("sort", "Sorting is not supported")
	}
	lower := strings.ToLower(attribute)
	if attribute == "" {
		lower = "id"
	}
	if textAttributes[lower] == nil && timeAttributes[lower] == nil {
		return invalid("sort", "Findings cannot be sorted by "+attribute)
	}
	if orderBy != "" && orderBy != "ASC" && orderBy != "DESC" {
		return invalid("sort", "orderBy must be ASC or DESC")
	}
	if !q.world.Quirks.IgnoreSort {
		l.attribute, l.descending = lower, orderBy == "DESC"
	}
	return nil
}

// page is the findings that come next, and the token for those after them. A
// token says behind which finding to go on, so that changes in between neither
// repeat nor hide findings that did not change their place.
func (l *listing) page(q *request) (found []*Finding, next string, _ *apiError) {
	position, ok := q.position(l.token, l.parameters...)
	if !ok {
		return nil, "", q.badToken()
	}
	if l.token == "" && q.world.Quirks.EmptyPages && !q.repeatToken {
		return nil, q.token("first", l.parameters...), nil
	}
	order := q.index.orders.get(l.analyzer, l.attribute)
	i, step := 0, 1
	if l.descending {
		i, step = len(order)-1, -1
	}
	if position != "" && position != "first" {
		if i, ok = l.seek(order, position); !ok {
			return nil, "", q.badToken()
		}
	}
	size := q.pageSize(l.limit)
	for ; i >= 0 && i < len(order); i += step {
		f := &l.analyzer.Findings[order[i]]
		if !matchesAll(f, l.filter) {
			continue
		}
		if len(found) == size {
			return found, q.token(l.position(found[size-1]), l.parameters...), nil
		}
		found = append(found, f)
	}
	if q.repeatToken {
		next = q.token("first", l.parameters...)
	}
	return found, next, nil
}

// position describes a finding's place in the order: attribute and ID.
func (l *listing) position(f *Finding) string {
	if at, ok := timeAttributes[l.attribute]; ok {
		return f.ID + " " + at(f).UTC().Format(time.RFC3339Nano)
	}
	return f.ID + " " + *textAttributes[l.attribute](f)
}

// seek finds the index in order that comes after a position, whether or not
// the finding that was there still is.
func (l *listing) seek(order []int32, position string) (int, bool) {
	var last Finding
	id, value, ok := strings.Cut(position, " ")
	if at, isTime := timeAttributes[l.attribute]; isTime {
		t, err := time.Parse(time.RFC3339Nano, value)
		*at(&last), ok = t, ok && err == nil
	} else {
		*textAttributes[l.attribute](&last) = value
	}
	last.ID = id
	compare := compareBy(l.attribute)
	if l.descending {
		i := sort.Search(len(order), func(i int) bool { return compare(&l.analyzer.Findings[order[i]], &last) >= 0 })
		return i - 1, ok
	}
	return sort.Search(len(order), func(i int) bool { return compare(&l.analyzer.Findings[order[i]], &last) > 0 }), ok
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

func listFindingsV2(q *request) (any, *apiError) {
	l, err := readListing(q)
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

func listFindings(q *request) (any, *apiError) {
	l, err := readListing(q)
	if err != nil {
		return nil, err
	}
	if l.analyzer.access() != 'E' {
		return nil, invalid("analyzerArn", "ListFindings supports analyzers of external access only; use ListFindingsV2")
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

func newFindingV1(f *Finding) findingV1 {
	out := findingV1{
		ID: f.ID, Resource: f.Resource, ResourceType: f.ResourceType, Condition: map[string]string{}, CreatedAt: f.CreatedAt.UTC(),
		AnalyzedAt: f.AnalyzedAt.UTC(), UpdatedAt: f.UpdatedAt.UTC(), Status: f.Status, ResourceOwnerAccount: f.Owner, Error: f.Error,
		ResourceControlPolicyRestriction: f.restriction(),
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

type analyzedResource struct {
	ResourceARN          string `json:"resourceArn"`
	ResourceOwnerAccount string `json:"resourceOwnerAccount"`
	ResourceType         string `json:"resourceType"`
}

// listAnalyzedResources knows of those resources that something was found
// about, resolved findings included.
func listAnalyzedResources(q *request) (any, *apiError) {
	var in struct {
		AnalyzerArn, ResourceType, NextToken string
		MaxResults                           int
	}
	if err := q.decodeJSON(&in); err != nil {
		return nil, err
	}
	a, err := q.accessibleAnalyzer(in.AnalyzerArn)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	resources := []analyzedResource{}
	for _, i := range q.index.orders.get(a, "resource") {
		f := &a.Findings[i]
		if !seen[f.Resource] && (in.ResourceType == "" || in.ResourceType == f.ResourceType) {
			seen[f.Resource] = true
			resources = append(resources, analyzedResource{f.Resource, f.Owner, f.ResourceType})
		}
	}
	page, token, err := paginate(q, resources, in.MaxResults, in.NextToken, in.AnalyzerArn, in.ResourceType)
	if err != nil {
		return nil, err
	}
	return struct {
		AnalyzedResources []analyzedResource `json:"analyzedResources"`
		NextToken         string             `json:"nextToken,omitempty"`
	}{page, token}, nil
}
