package property

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// publicSeries are the labels of a public resource.
type publicSeries struct{ owner, region, account, analyzer, kind, resource, id string }

// publicFindings are those that one shard exposes.
type publicFindings struct {
	// created is their time of creation, unlisted the number of others.
	created  map[publicSeries]float64
	unlisted map[target]float64
	// counted are the analyzers whose findings the shard has counted.
	counted map[analyzerKey]bool
	// findings are their counts, and resources the totals of the shard.
	findings  map[analyzerKey]map[finding]float64
	resources map[inventory.ResourceKey]float64
}

func newPublicFindings() *publicFindings {
	return &publicFindings{
		created: map[publicSeries]float64{}, unlisted: map[target]float64{}, counted: map[analyzerKey]bool{},
		findings: map[analyzerKey]map[finding]float64{}, resources: map[inventory.ResourceKey]float64{},
	}
}

func (p *publicFindings) addSeries(name string, l map[string]string, v float64) {
	switch name {
	case "aws_access_analyzer_public_finding_created_timestamp_seconds":
		p.created[publicSeries{
			l["account_id"], l["region"], l["analyzer_account_id"], l["analyzer"], l["resource_type"], l["resource"], l["finding_id"],
		}] = v
	case "aws_access_analyzer_public_findings_unlisted":
		p.unlisted[target{l["account_id"], l["region"]}] = v
	case "aws_access_analyzer_findings_last_success_timestamp_seconds":
		p.counted[analyzerKey{l["account_id"], l["region"], l["analyzer"]}] = true
	case "aws_access_analyzer_findings":
		key := analyzerKey{l["analyzer_account_id"], l["region"], l["analyzer"]}
		if p.findings[key] == nil {
			p.findings[key] = map[finding]float64{}
		}
		p.findings[key][finding{l["account_id"], l["finding_type"], l["status"], l["resource_type"], l["public"]}] = v
	case "aws_access_analyzer_resources_with_findings":
		p.resources[inventory.ResourceKey{FindingType: l["finding_type"], Status: l["status"], Public: l["public"], Region: l["region"]}] = v
	}
}

// publicOf returns what a shard that has counted these analyzers has to expose: of
// each owner, the oldest ACTIVE public findings, up to the bound. An IAM role is one
// of them, whichever analyzers report it, and has the oldest finding of theirs.
func (o oracle) publicOf(analyzers []*simaws.Analyzer) (created map[publicSeries]float64, unlisted map[target]float64) {
	created, unlisted = map[publicSeries]float64{}, map[target]float64{}
	if o.config.Findings.PublicResources == 0 {
		return created, unlisted
	}
	type reported struct {
		*simaws.Finding
		by *simaws.Analyzer
	}
	var all []reported
	for _, a := range analyzers {
		for i := range a.Findings {
			if f := &a.Findings[i]; f.Public && f.Status == "ACTIVE" {
				all = append(all, reported{f, a})
			}
		}
	}
	slices.SortFunc(all, func(a, b reported) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID), strings.Compare(a.by.ARN(), b.by.ARN()))
	})
	listed, roles := map[string]int{}, map[string]bool{}
	for _, f := range all {
		region := f.by.Region
		if f.ResourceType == "AWS::IAM::Role" {
			if region = "global"; roles[f.Owner+f.Resource] {
				continue
			}
			roles[f.Owner+f.Resource] = true
		}
		if listed[f.Owner]++; listed[f.Owner] > o.config.Findings.PublicResources {
			unlisted[target{f.Owner, region}]++
			continue
		}
		created[publicSeries{f.Owner, region, f.by.AccountID, f.by.Name, f.ResourceType, f.Resource, f.ID}] = float64(f.CreatedAt.Unix())
	}
	return created, unlisted
}

// checkPublic compares the public resources of each shard with the findings in the
// counts that it exposes. since returns the steps whose count of an analyzer may be
// exposed.
func (k *checker) checkPublic(since func(analyzerKey) []oracle) {
	for _, shard := range k.after.shards {
		k.checkResources(shard)
		choices := k.publicChoices(shard, since)
		if choices == nil {
			continue // one of the counts is wrong, which has been reported
		}
		var want map[publicSeries]float64
		var unlisted map[target]float64
		right := slices.ContainsFunc(choices, func(analyzers []*simaws.Analyzer) bool {
			want, unlisted = k.oracle.publicOf(analyzers)
			return maps.Equal(want, shard.created) && maps.Equal(unlisted, shard.unlisted)
		})
		if !right {
			k.fail("public resources are %v, and %v unlisted; they should be %v, and %v unlisted", shard.created, shard.unlisted, want, unlisted)
		}
	}
}

// mostChoices bounds the combinations of counts from different steps.
const mostChoices = 4096

// publicChoices returns every combination of states from which the counts of a
// shard may be. Nearly always there is one.
func (k *checker) publicChoices(shard *publicFindings, since func(analyzerKey) []oracle) [][]*simaws.Analyzer {
	choices := [][]*simaws.Analyzer{nil}
	for key := range shard.counted {
		var states []*simaws.Analyzer
		for _, o := range since(key) {
			a := o.analyzer(key)
			if a == nil || !sameCounts(shard.findings[key], o.counts(a)) {
				continue
			}
			if !slices.ContainsFunc(states, func(s *simaws.Analyzer) bool { return slices.Equal(s.Findings, a.Findings) }) {
				states = append(states, a)
			}
		}
		if len(choices)*len(states) > mostChoices {
			return nil
		}
		var next [][]*simaws.Analyzer
		for _, chosen := range choices {
			for _, a := range states {
				next = append(next, append(slices.Clip(chosen), a))
			}
		}
		choices = next
	}
	if len(choices) == 0 {
		return nil
	}
	return choices
}

// checkResources adds up the counts of a shard with each resource counted once.
func (k *checker) checkResources(shard *publicFindings) {
	type group struct {
		finding
		region string
	}
	most := map[group]float64{}
	want := map[inventory.ResourceKey]float64{}
	for key, counts := range shard.findings {
		for f, n := range counts {
			g := group{f, key.region}
			if strings.HasPrefix(f.kind, "Unused") || f.resource == "AWS::IAM::Role" {
				g.region = "global"
			}
			most[g] = max(most[g], n)
		}
	}
	for g, n := range most {
		want[inventory.ResourceKey{FindingType: g.kind, Status: g.status, Public: g.public, Region: g.region}] += n
	}
	for key, got := range shard.resources {
		if got != want[key] {
			k.fail("%v resources with findings %v, want %v", got, key, want[key])
		}
	}
	for key, n := range want {
		if _, ok := shard.resources[key]; !ok && n > 0 {
			k.fail("no resources with findings %v, want %v", key, n)
		}
	}
}
