package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
)

// Settings are the section rules of the configuration: what a user decides.
// config.yaml at the root of the repository documents every key.
type Settings struct {
	Job           string   `yaml:"job"`
	Identity      []string `yaml:"identity"` // without job, which always belongs to it
	AccountLabels []string `yaml:"account_labels"`

	Runbooks   string `yaml:"runbooks"`   // what precedes /NAME.md
	Dashboards string `yaml:"dashboards"` // what precedes /UID
	Exporter   string `yaml:"exporter"`   // what precedes /api/v1/coverage, with {LABEL} for a label of the identity; empty: no links

	LeaveOut   []string          `yaml:"leave_out"`   // names of alerts
	Severities map[string]string `yaml:"severities"`  // by name of the alert
	GroupLimit int               `yaml:"group_limit"` // 0: none

	LostFor             model.Duration `yaml:"lost_for"`
	NewTargetGrace      model.Duration `yaml:"new_target_grace"`
	UnknownFor          model.Duration `yaml:"unknown_for"`
	UnknownPercent      int            `yaml:"unknown_percent"`
	FindingMaxAge       model.Duration `yaml:"finding_max_age"`
	UnusedFindingMaxAge model.Duration `yaml:"unused_finding_max_age"`
	ArchivedFindings    int            `yaml:"archived_findings"`
	ExemptionNotice     model.Duration `yaml:"exemption_notice"`
	ThrottledPercent    int            `yaml:"throttled_percent"`
}

// DefaultSettings returns the settings of an empty section.
func DefaultSettings() Settings {
	const hour, day = model.Duration(time.Hour), model.Duration(24 * time.Hour)
	return Settings{
		Job:      ".*access-analyzer-exporter.*",
		Identity: []string{"cluster", "namespace"},
		Runbooks: "https://github.com/access-analyzer-exporter/access-analyzer-exporter/blob/main/docs/runbooks", Dashboards: "/d",
		LostFor: hour / 4, NewTargetGrace: hour,
		UnknownFor: hour, UnknownPercent: 10,
		FindingMaxAge: 30 * day, UnusedFindingMaxAge: 90 * day, ArchivedFindings: 10,
		Severities:      map[string]string{},
		ExemptionNotice: 7 * day, ThrottledPercent: 5,
	}
}

// MinGroupLimit is the least limit of rules in a group. Every group has fewer
// recording rules: they use each other, and must stay together.
const MinGroupLimit = 10

// Options are what the rules depend on.
type Options struct {
	Settings

	// Portal is the template of links through an access portal, with the placeholders
	// of [console.Links]. Empty: links open in the account that the reader is signed in to.
	Portal string

	// The timing of the exporter.
	SweepInterval, SweepTimeout, FindingsInterval, StaleAfter, PoliciesInterval time.Duration

	// What the exporter reports: External, Unused and Internal if this access is
	// required, Archived if archived findings are counted, Policies if they are
	// validated.
	External, Unused, Internal, Findings, Archived, Events, Policies bool
}

// excludes returns the keys of the configuration because of which a rule has no data
// or is not wanted.
func (o Options) excludes(g group, r rule) []string {
	var reasons []string
	for _, need := range slices.Concat(g.Needs, r.Needs) {
		key, has := o.has(need)
		if !has {
			reasons = append(reasons, key)
		}
	}
	if slices.Contains(o.LeaveOut, r.Alert) {
		reasons = append(reasons, "rules.leave_out")
	}
	return reasons
}

// has returns the key for what a rule needs, and whether the configuration has it.
func (o Options) has(need string) (key string, has bool) {
	switch need {
	case "external":
		return "coverage.external.required", o.External
	case "unused":
		return "coverage.unused.required", o.Unused
	case "internal":
		return "coverage.internal.required", o.Internal
	case "findings":
		return "findings.enabled", o.Findings
	case "archived":
		return "findings.statuses", o.Archived
	case "events":
		return "events.queue_url", o.Events
	case "policies":
		return "policies.enabled", o.Policies
	case "account_labels":
		return "rules.account_labels", len(o.AccountLabels) > 0
	}
	panic("rules.in.yaml needs what does not exist: " + need)
}

// identity returns the labels that identify an exporter.
func (o Options) identity() []string { return append(slices.Clone(o.Identity), "job") }

// values returns the values of the placeholders.
func (o Options) values() map[string]string {
	var matchers, arguments, owner []string
	for _, label := range o.identity() {
		matchers = append(matchers, label+"=%q")
		arguments = append(arguments, "$labels."+label)
	}
	info := "name"
	for _, label := range o.AccountLabels {
		info = "labels"
		owner = append(owner, "{{ with $labels."+label+" }}, "+strings.TrimPrefix(label, "label_")+": {{ . }}{{ end }}")
	}
	values := map[string]string{
		"id":              strings.Join(o.identity(), ", "),
		"same":            strings.Join(matchers, ","),
		"args":            strings.Join(arguments, " "),
		"jobs":            strconv.Quote(o.Job),
		"account":         strings.Join(append([]string{"account_name"}, o.AccountLabels...), ", "),
		"account_labels":  strings.Join(o.AccountLabels, ", "),
		"account_info":    "account:aws_access_analyzer_account_info:" + info,
		"owner":           strings.Join(owner, ""),
		"runbooks":        o.Runbooks,
		"dashboards":      o.Dashboards,
		"exporter":        o.exporter(),
		"portal":          o.portal(),
		"no_portal":       "",
		"unknown_ratio":   ratio(o.UnknownPercent),
		"throttled_ratio": ratio(o.ThrottledPercent),
		"archived":        strconv.Itoa(o.ArchivedFindings),
	}
	for name, d := range o.durations() {
		// Prometheus has no unit below one second in rules that people read.
		seconds := int((d + time.Second - 1) / time.Second)
		values[name] = duration(seconds)
		values[name+".s"] = arithmetic(seconds)
		values[name+".words"] = words(seconds)
	}
	return values
}

// exporter returns the base URL of the exporter that an alert is about.
func (o Options) exporter() string {
	base := o.Exporter
	for _, label := range o.identity() {
		base = strings.ReplaceAll(base, "{"+label+"}", "{{ $labels."+label+" }}")
	}
	return base
}

// portal returns the link through the access portal, with the variables of a template
// that are set before it.
func (o Options) portal() string {
	return strings.NewReplacer(
		"{account_id}", "{{ $account }}", "{region}", "{{ $region }}", console.Destination, "{{ $destination }}",
	).Replace(o.Portal)
}

// removeLines removes the lines with placeholders that the options exclude.
func (o Options) removeLines(text string) string {
	for name, excluded := range map[string]bool{"exporter": o.Exporter == "", "portal": o.Portal == "", "no_portal": o.Portal != ""} {
		if excluded {
			text = regexp.MustCompile(`(?m)^.*\$\{`+name+`\}.*\n`).ReplaceAllString(text, "")
		}
	}
	return text
}

// durations returns the durations in the rules by the names of their placeholders.
func (o Options) durations() map[string]time.Duration {
	var (
		grace = time.Duration(o.NewTargetGrace)
		event = max(time.Hour, 2*o.FindingsInterval)
		// How long a target can be unknown because of one failed read: until the end of
		// the next sweep, of which stale_after bridges a part.
		missed     = o.SweepInterval + o.SweepTimeout - o.StaleAfter
		unknownFor = time.Duration(o.UnknownFor)
	)
	return map[string]time.Duration{
		"lost":        time.Duration(o.LostFor),
		"grace":       grace,
		"new_target":  time.Hour + grace,
		"unread":      max(15*time.Minute, min(missed, unknownFor)),
		"unknown":     max(unknownFor, missed),
		"unknown_for": unknownFor,
		"stalled":     max(15*time.Minute, 4*o.SweepInterval),
		"uncounted":   max(15*time.Minute, 4*o.FindingsInterval),
		"unvalidated": 2*o.PoliciesInterval + time.Hour,
		"event":       event,
		"events":      3 * event,
		"age":         time.Duration(o.FindingMaxAge),
		"unused_age":  time.Duration(o.UnusedFindingMaxAge),
		"exemption":   time.Duration(o.ExemptionNotice),
	}
}

var units = []struct {
	seconds int
	word    string
}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}}

// inUnits returns a number of seconds in the largest unit of which it is a multiple.
func inUnits(seconds int) (n int, unit string) {
	for _, u := range units {
		if seconds%u.seconds == 0 {
			return seconds / u.seconds, u.word
		}
	}
	return seconds, "second" // does not happen: the last unit is one second
}

// duration returns a duration in the format of Prometheus, such as 90m.
func duration(seconds int) string {
	n, unit := inUnits(seconds)
	return strconv.Itoa(n) + unit[:1]
}

// arithmetic returns a number of seconds for an expression, such as 30 * 86400.
func arithmetic(seconds int) string {
	if n, unit := inUnits(seconds); unit == "day" {
		return strconv.Itoa(n) + " * 86400"
	}
	return strconv.Itoa(seconds)
}

// words returns a duration for people, such as 90 minutes.
func words(seconds int) string {
	n, unit := inUnits(seconds)
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// ratio returns a percentage as a decimal number, such as 0.05.
func ratio(percent int) string {
	return strconv.FormatFloat(float64(percent)/100, 'f', -1, 64)
}
