package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// states lists the states of a cell, the worst first.
var states = []inventory.State{
	inventory.Uncovered, inventory.Unknown, inventory.Covered, inventory.Exempt, report.NotEnabled, report.NotListed,
}

var parameters = []string{"access", "account", "label", "page", "page_size", "region", "state"}

const (
	defaultPageSize = 50
	maxPageSize     = 500
	// A longer query than any form or link produces is rejected before parsing:
	// each value costs a comparison with every account.
	maxQueryLength = 2000
	maxValues      = 20
)

// filter is a parsed query string. A value of a list must match; an empty list
// matches everything. A list is one parameter with commas, or several parameters.
type filter struct {
	accesses []inventory.Access
	// accounts are IDs, or parts of a name or ID, in any case.
	accounts []string
	regions  []string
	states   []inventory.State
	// labels have to match one value of each name.
	labels []inventory.Label
	// page counts from 1; size is in accounts.
	page, size int
}

// parseFilter parses a query string. regions are those of the map; nil before the
// first snapshot, when any Region is accepted. The error is for the client.
func parseFilter(raw string, regions []string) (filter, error) {
	f := filter{page: 1, size: defaultPageSize}
	if len(raw) > maxQueryLength {
		return f, fmt.Errorf("the query is %d characters long; at most %d are accepted", len(raw), maxQueryLength)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return f, errors.New("the query is not well formed: " + err.Error())
	}
	// In order, so that a query with two errors always gets the same response.
	for _, key := range sortedKeys(values) {
		if err := f.set(key, values[key], regions); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *filter) set(key string, raw, regions []string) (err error) {
	// First, because all other messages contain the key unquoted.
	if !slices.Contains(parameters, key) {
		return fmt.Errorf("unknown parameter %q: access, account, label, page, page_size, region and state are accepted", key)
	}
	var values []string
	separator := ","
	if key == "label" {
		separator = "\n" // a value may have commas, and no query a line break
	}
	for _, v := range raw {
		for part := range strings.SplitSeq(v, separator) {
			if strings.ContainsFunc(part, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				return fmt.Errorf("%s has an unprintable character: %q", key, part)
			}
			if part = strings.TrimSpace(part); part != "" { // a form sends its empty fields too
				values = append(values, part)
			}
		}
	}
	if len(values) > maxValues {
		return fmt.Errorf("%s has %d values; at most %d are accepted", key, len(values), maxValues)
	}
	switch key {
	case "access":
		f.accesses, err = oneOf(key, values, inventory.Accesses)
	case "state":
		f.states, err = oneOf(key, values, states)
	case "region":
		f.regions = values
		if regions != nil {
			f.regions, err = oneOf(key, values, regions)
		}
	case "account":
		f.accounts = values
	case "label":
		f.labels, err = labels(values)
	case "page":
		f.page, err = number(key, values, f.page, 1_000_000)
	case "page_size":
		f.size, err = number(key, values, f.size, maxPageSize)
	}
	return err
}

func oneOf[T ~string](key string, values []string, accepted []T) ([]T, error) {
	var out []T
	for _, v := range values {
		if !slices.Contains(accepted, T(v)) {
			return nil, fmt.Errorf("unknown %s %q: %s", key, v, choices(accepted))
		}
		if !slices.Contains(out, T(v)) {
			out = append(out, T(v))
		}
	}
	return out, nil
}

// labels parses the values of the parameter label, such as label_team=shop.
func labels(values []string) ([]inventory.Label, error) {
	var all []inventory.Label
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("label %q has no value: write the name of a label, = and the value, such as label_team=shop", v)
		}
		all = append(all, inventory.Label{Name: name, Value: value})
	}
	return all, nil
}

// checkLabels rejects labels that accounts do not have: no account would match.
func checkLabels(f filter, keys inventory.LabelKeys) error {
	names := slices.Clone(keys.Names)
	if keys.OU {
		names = append([]string{"ou_name", "ou_path"}, names...)
	}
	for _, l := range f.labels {
		if slices.Contains(names, l.Name) {
			continue
		}
		if len(names) == 0 {
			return fmt.Errorf("label %q does not exist: the configuration has no labels of accounts (accounts.labels)", l.Name)
		}
		return fmt.Errorf("label %q does not exist: %s", l.Name, choices(names))
	}
	return nil
}

func choices[T ~string](accepted []T) string {
	if len(accepted) == 0 {
		return "none exists yet"
	}
	words := make([]string, len(accepted))
	for i, a := range accepted {
		words[i] = string(a)
	}
	last := len(words) - 1
	if last == 0 {
		return "it must be " + words[0]
	}
	return "it must be " + strings.Join(words[:last], ", ") + " or " + words[last]
}

func number(key string, values []string, fallback, highest int) (int, error) {
	if len(values) == 0 {
		return fallback, nil
	}
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 1 || n > highest || len(values) > 1 {
		return fallback, fmt.Errorf("%s must be one whole number from 1 to %d, not %q", key, highest, strings.Join(values, ", "))
	}
	return n, nil
}

// query writes the filter as a query string, "?" included, for page n.
func (f filter) query(n int) string {
	q := url.Values{}
	for _, a := range f.accesses {
		q.Add("access", string(a))
	}
	for _, s := range f.states {
		q.Add("state", string(s))
	}
	q["region"] = f.regions
	q["account"] = f.accounts
	for _, l := range f.labels {
		q.Add("label", l.Name+"="+l.Value)
	}
	if n != 1 {
		q.Set("page", strconv.Itoa(n))
	}
	if f.size != defaultPageSize {
		q.Set("page_size", strconv.Itoa(f.size))
	}
	return "?" + q.Encode()
}

// empty reports whether the filter matches every account.
func (f filter) empty() bool {
	return len(f.accesses)+len(f.accounts)+len(f.regions)+len(f.states)+len(f.labels) == 0
}

func (f filter) wantsAccess(a inventory.Access) bool {
	return len(f.accesses) == 0 || slices.Contains(f.accesses, a)
}

func (f filter) wantsRegion(r string) bool {
	return len(f.regions) == 0 || slices.Contains(f.regions, r)
}

func (f filter) wantsState(s inventory.State) bool {
	return len(f.states) == 0 || slices.Contains(f.states, s)
}

func (f filter) wantsAccount(a *inventory.Account) bool {
	if len(f.accounts) == 0 {
		return true
	}
	name := strings.ToLower(a.Name)
	return slices.ContainsFunc(f.accounts, func(want string) bool {
		return strings.Contains(a.ID, want) || strings.Contains(name, strings.ToLower(want))
	})
}

// wantsLabels returns whether an account with these labels matches. One whose labels
// are not known matches no label.
func (f filter) wantsLabels(have []inventory.Label) bool {
	for _, want := range f.labels {
		sameName := func(l inventory.Label) bool { return l.Name == want.Name }
		i := slices.IndexFunc(have, sameName)
		if i < 0 || !slices.Contains(f.labels, have[i]) {
			return false
		}
	}
	return true
}
