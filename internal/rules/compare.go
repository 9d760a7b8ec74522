package rules

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// keys are the configuration keys that the value of a placeholder depends on.
var keys = map[string]string{
	"id": "rules.identity", "jobs": "rules.job",
	"account": "rules.account_labels", "account_labels": "rules.account_labels", "account_info": "rules.account_labels",
	"lost": "rules.lost_for", "new_target": "rules.new_target_grace",
	"unread": "sweep.interval, sweep.timeout and stale_after", "unknown_for": "rules.unknown_for",
	"unknown": "rules.unknown_for, sweep.interval, sweep.timeout and stale_after", "unknown_ratio": "rules.unknown_percent",
	"stalled": "sweep.interval", "uncounted": "findings.interval", "event": "findings.interval", "events": "findings.interval",
	"age": "rules.finding_max_age", "unused_age": "rules.unused_finding_max_age", "archived": "rules.archived_findings",
	"unvalidated": "policies.interval",
	"exemption":   "rules.exemption_notice", "throttled_ratio": "rules.throttled_percent",
}

// Compare returns how the rules in a file differ from those for the options: a line for
// each difference, with the names of its rules. The file is a rule file, or a
// PrometheusRule of the Prometheus operator. Rules of other names are ignored, and so
// are labels and annotations.
func Compare(text []byte, o Options) ([]string, error) {
	given, err := decode(text)
	if err != nil {
		return nil, err
	}
	var (
		values = o.values()
		found  differences
	)
	for _, t := range o.templates() {
		switch rules := given[t.name]; {
		case len(rules) > 0 && len(t.rules) == 0:
			found.add("excluded by the configuration ("+t.excludedBy+")", t.name)
		case len(rules) < len(t.rules):
			found.add("missing", t.name)
		default:
			for _, r := range rules {
				for _, d := range r.compare(t.rules, values) {
					found.add(d, t.name)
				}
			}
		}
	}
	return found.lines(), nil
}

// differences are the names of rules by what is different, in the order of discovery.
type differences []struct {
	what  string
	names []string
}

func (d *differences) add(what, name string) {
	for i := range *d {
		if one := &(*d)[i]; one.what == what {
			if !slices.Contains(one.names, name) {
				one.names = append(one.names, name)
			}
			return
		}
	}
	*d = append(*d, struct {
		what  string
		names []string
	}{what, []string{name}})
}

func (d differences) lines() []string {
	const most = 3
	var lines []string
	for _, one := range d {
		names := strings.Join(one.names[:min(most, len(one.names))], ", ")
		if more := len(one.names) - most; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, names+": "+one.what)
	}
	return lines
}

// decode returns the rules of a file by name.
func decode(text []byte) (map[string][]rule, error) {
	type groups []struct{ Rules []rule }
	var file struct {
		Groups groups
		Spec   struct{ Groups groups }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	given := map[string][]rule{}
	for _, g := range append(file.Groups, file.Spec.Groups...) {
		for _, r := range g.Rules {
			given[r.name()] = append(given[r.name()], r)
		}
	}
	if len(given) == 0 {
		return nil, errors.New("has no rules")
	}
	return given, nil
}

// templates are the rules of one name, with placeholders: none if the configuration
// excludes them with the keys excludedBy.
type templates struct {
	name, excludedBy string
	rules            []rule
}

func (o Options) templates() []*templates {
	var all []*templates
	byName := map[string]*templates{}
	for _, g := range parse(template()).groups {
		for _, r := range g.rules {
			t := byName[r.name()]
			if t == nil {
				t = &templates{name: r.name()}
				byName[t.name], all = t, append(all, t)
			}
			if excludedBy := o.excludes(g, r); len(excludedBy) > 0 {
				t.excludedBy = strings.Join(excludedBy, ", ")
			} else {
				t.rules = append(t.rules, r)
			}
		}
	}
	return all
}

// compare returns what differs between a rule and the template that it was made of.
func (r rule) compare(similar []rule, values map[string]string) []string {
	for _, t := range similar {
		found, ok := match(t.Expr+" for "+t.For, r.Expr+" for "+r.For)
		if !ok {
			continue
		}
		var different []string
		reported := map[string]bool{}
		for _, placeholder := range slices.Sorted(maps.Keys(found)) {
			name, _, _ := strings.Cut(placeholder, ".") // the same in another unit
			if got, want := found[placeholder], values[placeholder]; got != want && !reported[name] {
				reported[name] = true
				different = append(different, fmt.Sprintf("%s instead of %s (%s)", got, want, keys[name]))
			}
		}
		return different
	}
	return []string{"not as in this version; compare with the output of the command rules"}
}

var (
	placeholder = regexp.MustCompile(`\$\{([\w.]+)\}`)
	space       = regexp.MustCompile(`\s+`)
)

// match returns the values of the placeholders with which a template is the text, up
// to white space.
func match(template, text string) (found map[string]string, ok bool) {
	template, text = space.ReplaceAllString(template, " "), space.ReplaceAllString(text, " ")
	var expr strings.Builder
	end := 0
	for _, at := range placeholder.FindAllStringIndex(template, -1) {
		expr.WriteString(regexp.QuoteMeta(template[end:at[0]]) + "(.+?)")
		end = at[1]
	}
	expr.WriteString(regexp.QuoteMeta(template[end:]))
	values := regexp.MustCompile("^" + expr.String() + "$").FindStringSubmatch(text)
	if values == nil {
		return nil, false
	}
	found = map[string]string{}
	for i, name := range placeholder.FindAllStringSubmatch(template, -1) {
		found[name[1]] = values[i+1]
	}
	return found, true
}
