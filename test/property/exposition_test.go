package property

import (
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// finding identifies a series of findings among those of one analyzer.
type finding struct{ owner, kind, status, resource, public string }

// analyzerKey identifies an analyzer by the labels of its series.
type analyzerKey struct{ account, region, name string }

// published has the series of all shards.
type published struct {
	coverage map[requirement]float64
	exempt   map[requirement]string
	until    map[requirement]float64
	// success is by target; Region Global is the account as a whole.
	success map[target]bool
	// errors holds operations and reasons.
	errors map[target][]string
	status map[analyzerKey]string
	// counted is the Unix time of the last findings count of an analyzer.
	counted  map[analyzerKey]float64
	findings map[analyzerKey]map[finding]float64
	// shards has the public resources of each shard.
	shards []*publicFindings
	// labels are those of accounts.
	labels     map[string]map[string]string
	discovered bool
	// noTargets are the keys that each shard reports as excluding every target.
	noTargets []string
	// twice are series that more than one shard exposes.
	twice []string
}

func newPublished() *published {
	return &published{
		coverage: map[requirement]float64{}, exempt: map[requirement]string{}, until: map[requirement]float64{}, success: map[target]bool{}, errors: map[target][]string{},
		status: map[analyzerKey]string{}, counted: map[analyzerKey]float64{}, findings: map[analyzerKey]map[finding]float64{},
		labels: map[string]map[string]string{}, discovered: true,
	}
}

// add reads the text that one shard exposes.
func (p *published) add(text string) error {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return err
	}
	shard := newPublicFindings()
	p.shards = append(p.shards, shard)
	for name, family := range families {
		for _, m := range family.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			p.addSeries(name, labels, value(m))
			shard.addSeries(name, labels, value(m))
		}
	}
	return nil
}

func value(m *dto.Metric) float64 {
	if m.Gauge != nil {
		return m.Gauge.GetValue()
	}
	return m.Untyped.GetValue()
}

func (p *published) addSeries(name string, l map[string]string, v float64) {
	where := requirement{l["account_id"], l["region"], inventory.Access(l["access"])}
	at := target{l["account_id"], l["region"]}
	analyzer := analyzerKey{l["account_id"], l["region"], l["analyzer"]}
	switch name {
	case "aws_access_analyzer_coverage":
		if _, ok := p.coverage[where]; ok {
			p.twice = append(p.twice, fmt.Sprint(name, where))
		}
		p.coverage[where] = v
	case "aws_access_analyzer_coverage_exempt":
		if _, ok := p.exempt[where]; ok {
			p.twice = append(p.twice, fmt.Sprint(name, where))
		}
		p.exempt[where] = l["reason"]
	case "aws_access_analyzer_coverage_exemption_until_timestamp_seconds":
		p.until[where] = v
	case "aws_access_analyzer_scrape_success":
		p.success[at] = v == 1
	case "aws_access_analyzer_scrape_error":
		p.errors[at] = append(p.errors[at], l["operation"]+" "+l["reason"])
	case "aws_access_analyzer_status":
		if v == 1 {
			p.status[analyzer] = l["status"]
		}
	case "aws_access_analyzer_findings_last_success_timestamp_seconds":
		p.counted[analyzer] = v
	case "aws_access_analyzer_findings":
		analyzer.account = l["analyzer_account_id"]
		if p.findings[analyzer] == nil {
			p.findings[analyzer] = map[finding]float64{}
		}
		p.findings[analyzer][finding{l["account_id"], l["finding_type"], l["status"], l["resource_type"], l["public"]}] = v
	case "aws_access_analyzer_account_labels":
		if p.labels[where.account] != nil {
			p.twice = append(p.twice, fmt.Sprint(name, where))
		}
		delete(l, "account_id")
		p.labels[where.account] = l
	case "access_analyzer_exporter_discovery_success":
		p.discovered = p.discovered && v == 1
	}
}
