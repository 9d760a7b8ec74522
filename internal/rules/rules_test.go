package rules

import (
	"strings"
	"testing"
)

// TestPlaceholders checks that each placeholder of an expression has a value, and a
// configuration key that Compare names.
func TestPlaceholders(t *testing.T) {
	values := Options{Settings: DefaultSettings()}.values()
	for _, name := range placeholder.FindAllStringSubmatch(template(), -1) {
		if _, ok := values[name[1]]; !ok {
			t.Errorf("%s has no value", name[0])
		}
	}
	for _, g := range parse(template()).groups {
		for _, r := range g.rules {
			for _, name := range placeholder.FindAllStringSubmatch(r.Expr+r.For, -1) {
				if base, _, _ := strings.Cut(name[1], "."); keys[base] == "" {
					t.Errorf("%s: %s has no configuration key", r.name(), name[0])
				}
			}
		}
	}
}

// TestNames checks that no query of an annotation fails if an account has two names.
func TestNames(t *testing.T) {
	_, joins, _ := strings.Cut(template(), "group_left (account_name) ")
	for join := range strings.SplitSeq(joins, "group_left (account_name) ") {
		if !strings.HasPrefix(join, "topk by (account_id) (1, ") {
			t.Errorf("a query joins names without ${named}: %.100s", join)
		}
	}
}

// TestParse checks that no line is lost, and that comments stay with their rules.
func TestParse(t *testing.T) {
	const head = "# Head\n\ngroups:\n"
	const first = "  # One\n  - name: one\n    interval: 1m\n    rules:\n      # A\n      - record: a\n        expr: |\n          # why\n          1\n\n      # ---- B ----\n\n      - alert: b\n        expr: 2\n        labels:\n          severity: critical\n"
	const second = "  - name: two\n    rules:\n      - record: c\n        expr: 3\n"
	f := parse(head + first + "\n" + second)
	if got := f.String(); got != head+first+"\n"+second {
		t.Errorf("got:\n%s", got)
	}
	f.groups[0].rules[1].setSeverity("P1")
	f.divide(1)
	want := head + strings.Replace(first, "\n      # ---- B", "\n  - name: one-2\n    interval: 1m\n    rules:\n      # ---- B", 1) + "\n" + second
	want = strings.Replace(want, "severity: critical", `severity: "P1"`, 1)
	if got := f.String(); got != want {
		t.Errorf("divided:\n%s\nwant:\n%s", got, want)
	}
}
