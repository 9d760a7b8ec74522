package audit

import (
	"encoding/json"
	"io"
	"net/url"
	"path"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// The members of SARIF 2.1.0 that the report has.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		HelpURI          string    `json:"helpUri"`
		Configuration    struct {
			Level string `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool   `json:"executionSuccessful"`
		EndTimeUTC          string `json:"endTimeUtc"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

const (
	sarifSchema  = "https://json.schemastore.org/sarif-2.1.0.json"
	fingerprint  = "target/v1"
	rulePublic   = "public-findings"
	ruleUnlisted = "unlisted"
)

// sarifRules are what results are about, with the runbook that has the remedies.
var sarifRules = []struct{ id, level, description, runbook string }{
	{string(inventory.Uncovered), "error", "No active analyzer covers the target.", "AccessAnalyzerAccountUncovered"},
	{string(inventory.Unknown), "warning", "Whether an active analyzer covers the target is not known.", "AccessAnalyzerCoverageUnknown"},
	{ruleUnlisted, "warning", "Accounts or Regions could not be listed, so that targets may be missing.", "AccessAnalyzerExporterDiscoveryFailing"},
	{rulePublic, "warning", "Resources of the account are publicly accessible.", "AccessAnalyzerPublicFinding"},
}

// WriteSARIF writes a result for each uncovered and unknown target, and for each
// account with active public findings.
func WriteSARIF(w io.Writer, s *inventory.Snapshot, setting remedy.Setting, version string) error {
	summary := report.For(s, setting)
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "access-analyzer-exporter", Version: version, InformationURI: report.Homepage}},
		Invocations: []sarifInvocation{{true, rfc3339(s.PublishedAt)}},
		Results:     []sarifResult{},
	}
	levels := map[string]string{}
	for _, r := range sarifRules {
		rule := sarifRule{ID: r.id, ShortDescription: sarifText{r.description}, HelpURI: report.Runbooks + "/" + r.runbook + ".md"}
		rule.Configuration.Level, levels[r.id] = r.level, r.level
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	add := func(rule, text string, where ...string) {
		run.Results = append(run.Results, sarifResult{rule, levels[rule], sarifText{text}, located(where), map[string]string{fingerprint: path.Join(where...)}})
	}
	for row := range summary.Rows {
		for _, v := range row.Verdicts {
			if v.State == inventory.Uncovered || v.State == inventory.Unknown {
				text := summary.Name(v.AccountID) + " in " + report.Printable(v.Region) + ": " + string(v.Access) + " access is " + string(v.State) + ". " + summary.Explain(v)
				add(string(v.State), text, v.AccountID, v.Region, string(v.Access))
			}
		}
	}
	if problem := summary.Unlisted(); problem != "" {
		add(ruleUnlisted, report.Capital(problem)+".", "discovery")
	}
	names := publicNames(summary)
	for _, o := range summary.Findings().Owners() {
		if o.Public > 0 {
			text := summary.Name(o.AccountID) + ": " + report.Plural(o.Public, "active finding", "active findings") + " of analyzers of the " + string(o.Scope) + " with public access." + names[o.AccountID]
			add(rulePublic, text, o.AccountID, rulePublic, string(o.Scope))
		}
	}
	out := json.NewEncoder(w)
	out.SetIndent("", " ")
	return out.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

// publicNames names the newest public resources of each owner.
func publicNames(summary *report.Summary) map[string]string {
	const most = 5
	names, listed := map[string]string{}, map[string]int{}
	for _, r := range summary.PublicResources().Listed {
		switch n := listed[r.AccountID]; {
		case n == 0:
			names[r.AccountID] = " Public resources: " + report.Printable(r.Resource)
		case n < most:
			names[r.AccountID] += ", " + report.Printable(r.Resource)
		case n == most:
			names[r.AccountID] += ", …"
		}
		listed[r.AccountID]++
	}
	return names
}

// located is the location of a target. Some readers show only results with a file, so
// the target is one too.
func located(where []string) []sarifLocation {
	name := path.Join(where...)
	l := sarifLocation{Logical: []sarifLogical{{name, "resource"}}}
	l.Physical.Artifact.URI = "aws/" + (&url.URL{Path: name}).EscapedPath()
	return []sarifLocation{l}
}
