package views

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

var regions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
	"eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// fleet returns accounts with external and unused access required: organization
// analyzers in each Region but the last two, where one account in ten has none and
// one in twenty cannot be read.
func fleet(accounts int, now time.Time) *inventory.Snapshot {
	const admin = "100000000000"
	s := &inventory.Snapshot{
		Labels:      inventory.LabelKeys{OU: true, Keys: []string{"team", "environment"}, Names: []string{"label_team", "label_environment"}},
		PublishedAt: now, Ready: true, DiscoverySuccess: true, TargetCount: accounts * len(regions), FindingStatuses: []string{inventory.Active, "ARCHIVED"},
	}
	found := map[string]*inventory.Findings{}
	analyzer := func(region, name, kind string) {
		a := &inventory.Analyzer{Name: name, AccountID: admin, Region: region, Type: kind, Status: inventory.Active, CreatedAt: now.AddDate(-1, 0, 0)}
		f := inventory.NewFindings()
		f.CountedAt = now
		found[region+name] = f
		s.Analyzers = append(s.Analyzers, a)
		s.Findings = append(s.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: f})
	}
	for _, region := range regions {
		analyzer(region, "external", "ORGANIZATION")
	}
	analyzer("us-east-1", "unused", "ORGANIZATION_UNUSED_ACCESS")
	for i := range accounts {
		id := fmt.Sprintf("1%011d", 1+i*7919)
		s.Accounts = append(s.Accounts, &inventory.Account{
			ID: id, Name: fmt.Sprintf("account-%d", i), Role: inventory.Member,
			Labels: &inventory.AccountLabels{
				OUPath: fmt.Sprintf("o-1/r-1/ou-%d/", i%20), OUName: fmt.Sprintf("ou-%d", i%20),
				Values: []string{fmt.Sprintf("team-%d", i%50), []string{"production", "test"}[i%2]},
			},
		})
		s.Verdicts = append(s.Verdicts, inventory.Verdict{AccountID: id, Region: inventory.Global, Access: inventory.Unused, State: inventory.Covered})
		s.Targets = append(s.Targets, inventory.TargetState{Target: inventory.Target{AccountID: id, Region: inventory.Global}, Success: true, LastSuccess: now})
		for k, kind := range []string{"UnusedIAMRole", "UnusedPermission", "UnusedIAMUserAccessKey"} {
			found["us-east-1unused"].Counts[inventory.FindingKey{AccountID: id, Type: kind, Status: inventory.Active, ResourceType: "AWS::IAM::Role"}] = 1 + (i*3+k)%50
		}
		for r, region := range regions {
			state := inventory.Covered
			switch {
			case r >= len(regions)-2 && i%10 == 0:
				state = inventory.Uncovered
			case r >= len(regions)-2 && i%20 == 1:
				state = inventory.Unknown
			}
			s.Verdicts = append(s.Verdicts, inventory.Verdict{AccountID: id, Region: region, Access: inventory.External, State: state})
			s.Targets = append(s.Targets, inventory.TargetState{
				Target: inventory.Target{AccountID: id, Region: region}, Success: state != inventory.Unknown, Unlisted: state == inventory.Unknown, LastSuccess: now,
			})
			for k, resource := range []string{"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KMS::Key"}[:2+(i+r)%2] {
				for _, status := range s.FindingStatuses {
					key := inventory.FindingKey{AccountID: id, Type: "ExternalAccess", Status: status, ResourceType: resource, Public: fmt.Sprint(k == 0)}
					found[region+"external"].Counts[key] = 1 + (i*31+r*17+k)%40
				}
			}
			found[region+"external"].OldestActive[inventory.OldestKey{AccountID: id, Type: "ExternalAccess"}] = now.AddDate(0, 0, -r)
		}
	}
	return s
}

// exposed returns the series of a snapshot as Prometheus has them, with the labels of
// a target, and those of the recording rules that dashboards read.
func exposed(s *inventory.Snapshot) []sample {
	target := []labels.Label{{Name: "instance", Value: "exporter:10289"}, {Name: "job", Value: "access-analyzer-exporter"}}
	var text strings.Builder
	if err := collector.WriteText(&text, s); err != nil {
		panic(err)
	}
	var all []sample
	add := func(l labels.Labels, v float64) {
		b := labels.NewBuilder(l)
		for _, t := range target {
			b.Set(t.Name, t.Value)
		}
		all = append(all, sample{b.Labels(), v})
	}
	p := textparse.NewPromParser([]byte(text.String()), labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			panic(err)
		}
		if entry == textparse.EntrySeries {
			_, _, v := p.Series()
			var l labels.Labels
			p.Labels(&l)
			add(l, v)
		}
	}
	add(labels.FromStrings(model.MetricNameLabel, "access_analyzer_exporter_shard_ordinal"), 0)
	add(labels.FromStrings(model.MetricNameLabel, "access_analyzer_exporter_build_info", "version", "1.0.0"), 1)
	add(labels.FromStrings(model.MetricNameLabel, "up"), 1)
	for access, required := range map[string]float64{"external": 1, "unused": 1, "internal": 0} {
		add(labels.FromStrings(model.MetricNameLabel, "aws_access_analyzer_coverage_required", "access", access), required)
	}
	hourly(s, add)
	for _, v := range s.Verdicts {
		if v.State == inventory.Uncovered {
			add(labels.FromStrings(model.MetricNameLabel, "target:aws_access_analyzer_coverage:uncovered",
				"account_id", v.AccountID, "region", v.Region, "access", string(v.Access), "page", "standing"), float64(s.PublishedAt.Unix()))
		}
	}
	return all
}

// hourly adds what the rules record once an hour for the report.
func hourly(s *inventory.Snapshot, add func(labels.Labels, float64)) {
	for state, n := range map[string]float64{"covered": 0.99, "uncovered": 0.01, "unknown": 0.005, "exempt": 0} {
		add(labels.FromStrings(model.MetricNameLabel, "access_state:aws_access_analyzer_coverage_targets:avg1h", "access", "external", "state", state), n*float64(s.TargetCount))
	}
	for i, a := range s.Accounts {
		record := func(name, kind, public string, n int) {
			add(labels.FromStrings(model.MetricNameLabel, "account_type:aws_access_analyzer_findings:"+name, "account_id", a.ID, "finding_type", kind, "public", public), float64(n))
		}
		for k, kind := range []string{"UnusedIAMRole", "UnusedPermission", "UnusedIAMUserAccessKey"} {
			record("active", kind, "", (i*3+k)%50)
		}
		record("active", "ExternalAccess", "true", i%7)
		record("active", "ExternalAccess", "false", i%40)
		if i%10 == 0 {
			record("new1h", "ExternalAccess", "", i%3)
			record("gone1h", "ExternalAccess", "", i%2)
		}
	}
}

// sample is a series and its last value.
type sample struct {
	labels labels.Labels
	value  float64
}
