package paging

import (
	"strings"
	"testing"
)

// mutants are faults in the rules and in the configuration of Alertmanager, each
// with the case that finds it.
var mutants = []struct {
	name         string
	alertmanager bool
	old, new     string
	found        string
}{
	{name: "too short a time", old: "page=\"target\"} > 1 < time() - 900", new: "page=\"target\"} > 1 < time() - 300", found: "uncovered for less than 15 minutes"},
	{name: "too long a time", old: "page=\"target\"} > 1 < time() - 900", new: "page=\"target\"} > 1 < time() - 1800", found: "a target is lost again"},
	{name: "no page for a Region", old: "> 20,", new: "> 2000,", found: "losses in a Region, later ones, then all"},
	{name: "no bound on pages", old: "[1h]))) * 100,\n            \"page\", \"overflow\"", new: "[1h]))) * 10000,\n            \"page\", \"overflow\"", found: "more losses than pages"},
	{name: "severity", old: "severity: critical\n          page: target", new: "severity: warning\n          page: target", found: "a target is lost again"},
	{name: "clusters are mixed", old: "cluster, namespace, job", new: "job", found: "two clusters have the same job, and a shard of one is missing"},
	{name: "jobs are mixed", old: "cluster, namespace, job", new: "cluster, namespace", found: "standing gaps of two organizations, and a loss in one"},
	{name: "a short memory of pages", old: "uncovered[1h]", new: "uncovered[1m]", found: "Prometheus restarts"},
	{name: "no memory of what was covered", old: "covered[1h])\n", new: "covered[1m])\n", found: "a loss during restarts is paged"},
	{name: "the end is not recorded", old: "target:aws_access_analyzer_coverage:unknown) + 1\n", new: "target:aws_access_analyzer_coverage:unknown) + 2\n", found: "a closed account does not return while the exporter restarts"},
	{name: "exemptions are ignored", old: "aws_access_analyzer_coverage_exempt\n", new: "aws_access_analyzer_coverage_required == 7\n", found: "an account is closed, another exempt, a third unknown"},
	{name: "an incomplete exporter ends pages", old: "(access_analyzer_exporter_total_shards))", new: "(access_analyzer_exporter_total_shards) or up)", found: "restarts that complete no sweep"},
	{name: "unknown ends pages", old: "unless on (cluster, namespace, job, account_id, region, access)\n          aws_access_analyzer_coverage == 1\n            unless", new: "unless on (cluster, namespace, job, account_id, region)\n          aws_access_analyzer_scrape_success\n            unless", found: "an account is closed, another exempt, a third unknown"},
	{name: "one replica is enough to be covered", old: "aws_access_analyzer_coverage == 0", new: "max by (cluster, namespace, job, account_id, region, access) (aws_access_analyzer_coverage) == 0", found: "a replica hangs with old facts"},
	{name: "no grace", old: "time() - 7200", new: "time() - 900", found: "a new account is not covered"},
	{name: "standing gaps are new", old: "job:aws_access_analyzer_coverage:known offset 1h", new: "up", found: "standing gaps of two organizations, and a loss in one"},
	{name: "pages of Regions are early", old: "uncovered[1h] offset 15m", new: "uncovered[1h] offset 5m", found: "losses in a Region, later ones, then all"},
	{name: "what was covered for a minute is new", old: "last_over_time(target:aws_access_analyzer_coverage:changed[10m])", new: "up", found: "a target is covered for a minute"},
	{name: "loss of sight is late", old: "for: 15m\n        keep_firing_for: 15m\n        labels:\n          severity: critical", new: "for: 2h\n        keep_firing_for: 15m\n        labels:\n          severity: critical", found: "the exporter is down for 3 hours"},
	{name: "loss of sight of all is not noticed", old: "unknown_ratio > 0.1", new: "unknown_ratio > 1", found: "the exporter is down for 3 hours"},
	{name: "what comes into scope is known before it is unknown", old: "              or\n              aws_access_analyzer_coverage == 0\n", new: "", found: "a target comes into scope uncovered while others are unknown"},
	{name: "two pages after a restart", old: "topk by (cluster, namespace, job) (1, job:aws_access_analyzer_coverage:lost_page)", new: "job:aws_access_analyzer_coverage:lost_page", found: "Prometheus restarts while many targets are lost and accounts are renamed"},
	{name: "two names after a restart", old: "topk by (account_id) (1, account:aws_access_analyzer_account_info:name{cluster=%q,namespace=%q,job=%q})", new: "account:aws_access_analyzer_account_info:name{cluster=%q,namespace=%q,job=%q}", found: "an account is renamed while Prometheus restarts, and has new findings"},
	{name: "an exporter that restarts is complete", old: "(access_analyzer_exporter_total_shards))\n                unless on (cluster, namespace, job, account_id, region)", new: "(access_analyzer_exporter_total_shards) or job:aws_access_analyzer_coverage:seen)\n                unless on (cluster, namespace, job, account_id, region)", found: "a loss during an outage of two hours is paged by itself"},
	{name: "an exporter that disappears is complete for some minutes", old: "(access_analyzer_exporter_total_shards))\n              unless on (cluster, namespace, job, account_id, region)", new: "(access_analyzer_exporter_total_shards) or job:aws_access_analyzer_coverage:seen > time() - 600)\n              unless on (cluster, namespace, job, account_id, region)", found: "the exporter disappears while Prometheus restarts"},
	{name: "a public resource needs an analyzer", old: "last_over_time(analyzer_resource:aws_access_analyzer_findings:public[1h]) > time() - 2 * 86400", new: "last_over_time(analyzer_resource:aws_access_analyzer_findings:public[1h]) > time() - 60", found: "an organization analyzer with public buckets is disabled"},
	{name: "a short memory of public resources", old: "resource:aws_access_analyzer_findings:public[1h]", new: "resource:aws_access_analyzer_findings:public[1m]", found: "the exporter restarts, and Prometheus, while a bucket is public"},
	{name: "the end of public access is not recorded", old: "(last_over_time(analyzer_resource:aws_access_analyzer_findings:public[1h]) > 1) * 0 + 1", new: "(last_over_time(analyzer_resource:aws_access_analyzer_findings:public[1h]) > 1) * 0 + 2", found: "a closed bucket does not return when its analyzer is disabled"},
	{name: "a new analyzer is complete", old: ") + 7200", new: ") * 0", found: "an analyzer is re-created under its own name"},
	{name: "a new analyzer is never complete", old: ") + 7200", new: ") + 86400", found: "a public bucket of a re-created analyzer is closed"},
	{name: "analyzers share what they report", old: "unless on (cluster, namespace, job, account_id, region, analyzer_account_id, analyzer, resource_type, resource, n)\n            last", new: "unless on (cluster, namespace, job, account_id, region, resource_type, resource, n)\n            last", found: "two analyzers report a bucket, one archives it, the other is disabled"},
	{name: "roles have Regions", old: "resource_type!=\"AWS::IAM::Role\"} > 1", new: "resource_type!=\"None\"} > 1", found: "a role is public in every Region"},
	{name: "no page for public resources of a Region", old: ") > 20,\n            \"page\", \"region\", \"\", \"\"\n          )\n          or on (cluster, namespace, job)\n          label_replace(count by (cluster, namespace, job) (resource:", new: ") > 2000,\n            \"page\", \"region\", \"\", \"\"\n          )\n          or on (cluster, namespace, job)\n          label_replace(count by (cluster, namespace, job) (resource:", found: "many buckets are public when monitoring begins, and a later one"},
	{name: "no bound on pages for public resources", old: "[1h]))) * 100,\n            \"page\", \"overflow\"", new: "[1h]))) * 10000,\n            \"page\", \"overflow\"", found: "more public buckets than pages"},
	{name: "public resources share a page", old: "count_values by (cluster, namespace, job, account_id, region, resource_type, resource, n, account_name)", new: "count_values by (cluster, namespace, job, region)", found: "public buckets in one account, later in the same and in another"},
	{name: "closed accounts stay public", old: "unless on (cluster, namespace, job, account_id)\n              aws_access_analyzer_account_info\n            )\n          )\n          or\n          (last", new: "unless on (cluster, namespace, job)\n              aws_access_analyzer_account_info\n            )\n          )\n          or\n          (last", found: "an account with a public bucket is closed while its analyzer is disabled"},
	{name: "replaced analyzers are not compared", old: "aws_access_analyzer_archive_rules unless last_over_time(aws_access_analyzer_archive_rules[1h] offset 1h)", new: "aws_access_analyzer_archive_rules unless aws_access_analyzer_archive_rules", found: "an analyzer is replaced by one that archives everything"},
	{name: "re-created analyzers have surges", old: "unless on (cluster, namespace, job, region, analyzer_account_id, analyzer)\n              analyzer:aws_access_analyzer_created_timestamp_seconds:last1d", new: "", found: "an analyzer is re-created under its own name"},
	{name: "an inhibition without equal", alertmanager: true, old: "    equal: [cluster, namespace, job]\n", new: "", found: "an exporter is down, and the sweeps of another are stalled"},
	{name: "losses share a page", alertmanager: true, old: "job, access, since]", new: "job, access]", found: "losses in a Region, later ones, then all"},
	{name: "pages of an overflow do not share one", alertmanager: true, old: "'page=\"overflow\"'", new: "'page=\"none\"'", found: "more losses than pages"},
}

// TestMutants checks that each fault is found.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes of processor time")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			f := shipped(t)
			file := &f.rules
			if m.alertmanager {
				file = &f.alertmanager
			}
			changed := strings.ReplaceAll(string(*file), m.old, m.new)
			if changed == string(*file) {
				t.Fatalf("the file does not have %q", m.old)
			}
			*file = text(changed)
			if len(problems(t, f, m.found)) == 0 {
				t.Errorf("not found by %q", m.found)
			}
		})
	}
}
