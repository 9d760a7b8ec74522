package world

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The attributes by which findings can be sorted, in lower case: AWS documents
// none. These are the fields of a summary.
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

// Attribute is an attribute by which findings can be sorted, in lower case.
type Attribute string

// ParseAttribute accepts upper and lower case.
func ParseAttribute(name string) (_ Attribute, ok bool) {
	name = strings.ToLower(name)
	return Attribute(name), textAttributes[name] != nil || timeAttributes[name] != nil
}

// Comparison returns a function that orders findings by the attribute, and by ID if
// that is equal.
func (attribute Attribute) Comparison() func(a, b *Finding) int {
	if at, ok := timeAttributes[string(attribute)]; ok {
		return func(a, b *Finding) int {
			if order := at(a).Compare(*at(b)); order != 0 {
				return order
			}
			return cmp.Compare(a.ID, b.ID)
		}
	}
	text := textAttributes[string(attribute)]
	return func(a, b *Finding) int {
		if order := cmp.Compare(*text(a), *text(b)); order != 0 {
			return order
		}
		return cmp.Compare(a.ID, b.ID)
	}
}

// Position encodes where a finding is in the order.
func (attribute Attribute) Position(f *Finding) string {
	if at, ok := timeAttributes[string(attribute)]; ok {
		return f.ID + " " + at(f).UTC().Format(time.RFC3339Nano)
	}
	return f.ID + " " + *textAttributes[string(attribute)](f)
}

// ParsePosition returns a finding that compares as the one of the position did.
func (attribute Attribute) ParsePosition(position string) (f Finding, ok bool) {
	id, value, ok := strings.Cut(position, " ")
	if at, isTime := timeAttributes[string(attribute)]; isTime {
		t, err := time.Parse(time.RFC3339Nano, value)
		*at(&f), ok = t, ok && err == nil
	} else {
		*textAttributes[string(attribute)](&f) = value
	}
	f.ID = id
	return f, ok
}

// orders caches the orders in which the findings of analyzers were requested.
type orders struct {
	mu sync.Mutex
	m  map[orderKey][]int32
}

type orderKey struct {
	analyzer  *Analyzer
	attribute Attribute
}

// get returns the indexes of the analyzer's findings in the order of the
// attribute.
func (o *orders) get(a *Analyzer, attribute Attribute) []int32 {
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
	compare := attribute.Comparison()
	slices.SortFunc(order, func(i, j int32) int { return compare(&a.Findings[i], &a.Findings[j]) })
	if o.m == nil {
		o.m = map[orderKey][]int32{}
	}
	o.m[key] = order
	return order
}
