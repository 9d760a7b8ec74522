package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

// leastForRules is the interval at which Prometheus evaluates rules by default.
const leastForRules = model.Duration(time.Minute)

// Words in the rules end at spaces, quotes and braces.
var (
	jobs           = kind{"a regular expression", jobsRemedy}
	identityLabels = kind{"a further identity label", identityRemedy}
	accountLabels  = pattern("a label of accounts", `ou_path|ou_name|label_[a-z0-9_]+`, "write ou_path, ou_name, or label_ and the key of a tag in snake case, such as label_team")
	runbookURLs    = pattern("a base URL", `https?://[^\s'"{}]*[^\s'"{}/]`, "write it without a slash at the end, such as https://wiki.example.org/runbooks")
	dashboardURLs  = pattern("a base URL", `(?:https?:/)?(?:/[^\s'"{}/]+)+`, "write it without a slash at the end, such as /d or https://grafana.example.org/d")
	severities     = pattern("a severity", `[\w.-]+`, "write one word, such as info")
	alertNames     = kind{"an alert", alertRemedy}

	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// ruleLabels are labels that the rules use otherwise.
	ruleLabels = []string{
		"access", "account_id", "account_name", "alertname", "analyzer", "analyzer_account_id", "aws_service", "error", "finding_type", "hides",
		"instance", "kind", "n", "page", "public", "reason", "region", "resource", "resource_type", "severity", "shard", "since", "status",
	}
)

func (d *document) checkRules(r rules.Settings, a Accounts) {
	d.checkValue("rules.job", r.Job, jobs)
	d.checkList("rules.identity", r.Identity, identityLabels)
	d.checkList("rules.account_labels", r.AccountLabels, accountLabels)
	d.checkExported(r.AccountLabels, a)
	d.checkValue("rules.runbooks", r.Runbooks, runbookURLs)
	d.checkValue("rules.dashboards", r.Dashboards, dashboardURLs)
	if r.Exporter != "" {
		d.checkValue("rules.exporter", r.Exporter, exporterURLs(r.Identity))
	}
	d.checkList("rules.leave_out", r.LeaveOut, alertNames)
	for _, alert := range slices.Sorted(maps.Keys(r.Severities)) {
		key := pair("rules.severities", alert)
		d.checkValue(key, alert, alertNames)
		d.checkValue(key, r.Severities[alert], severities)
	}
	if r.GroupLimit != 0 && r.GroupLimit < rules.MinGroupLimit {
		d.rejectOnce("rules.group_limit", "%d is out of bounds, because recording rules that use each other must stay in one group; write at least %d, or 0 for no limit", r.GroupLimit, rules.MinGroupLimit)
	}
	d.checkDuration("rules.lost_for", r.LostFor, leastForRules)
	d.checkDuration("rules.new_target_grace", r.NewTargetGrace, leastForRules)
	d.checkDuration("rules.unknown_for", r.UnknownFor, leastForRules)
	d.checkDuration("rules.finding_max_age", r.FindingMaxAge, leastForRules)
	d.checkDuration("rules.unused_finding_max_age", r.UnusedFindingMaxAge, leastForRules)
	d.checkDuration("rules.exemption_notice", r.ExemptionNotice, leastForRules)
	d.checkPercent("rules.unknown_percent", r.UnknownPercent)
	d.checkPercent("rules.throttled_percent", r.ThrottledPercent)
	if r.ArchivedFindings < 1 {
		d.rejectOnce("rules.archived_findings", "%d is out of bounds; write at least 1, or leave out the alert AccessAnalyzerArchiveSurge", r.ArchivedFindings)
	}
}

// checkExported rejects labels that accounts do not have: no alert would have them.
func (d *document) checkExported(labels []string, a Accounts) {
	if !d.valid("accounts") {
		return
	}
	var exported []string
	if a.Labels.OU {
		exported = append(exported, "ou_path", "ou_name")
	}
	for _, key := range a.LabelKeys() {
		exported = append(exported, LabelName(key))
	}
	for i, label := range labels {
		key := fmt.Sprintf("rules.account_labels[%d]", i)
		switch {
		case slices.Contains(exported, label):
		case len(exported) == 0:
			d.rejectOnce(key, "%q is a label that accounts do not have; set accounts.labels", label)
		default:
			d.rejectOnce(key, "%q is a label that accounts do not have; they have %s (accounts.labels)", label, strings.Join(exported, ", "))
		}
	}
}

// exporterURLs are base URLs with placeholders for labels that identify an exporter.
func exporterURLs(identity []string) kind {
	return kind{runbookURLs.noun, func(s string) string {
		for _, label := range append([]string{"job"}, identity...) {
			s = strings.ReplaceAll(s, "{"+label+"}", "label")
		}
		if runbookURLs.remedy(s) == "" {
			return ""
		}
		return "write it without a slash at the end, such as https://exporter.example.org, and in braces only job and labels of rules.identity"
	}}
}

func (d *document) checkPercent(key string, percent int) {
	if percent < 1 || percent > 100 {
		d.rejectOnce(key, "%d is out of bounds; write 1 to 100", percent)
	}
}

func jobsRemedy(s string) string {
	if _, err := regexp.Compile(s); s == "" || err != nil || strings.ContainsAny(s, "\n\r") {
		return "write one in the syntax of RE2, such as .*access-analyzer-exporter.*"
	}
	return ""
}

func identityRemedy(s string) string {
	switch {
	case s == "job":
		return "remove it, because job is always one"
	case slices.Contains(ruleLabels, s):
		return "choose a label that the rules do not use otherwise"
	case !labelName.MatchString(s):
		return "write letters, digits and underscores, such as cluster"
	}
	return ""
}

func alertRemedy(s string) string {
	names := rules.Alerts()
	switch near := Closest(s, names, 4); {
	case slices.Contains(names, s):
		return ""
	case near != "":
		return "did you mean " + near + "?"
	}
	return "write the name of an alert, such as AccessAnalyzerFindingTooOld"
}
