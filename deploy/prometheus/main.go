// Command prometheus generates rules.yaml from rules.in.yaml and the links in
// ../urls.yaml. Run it with go generate.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:generate go run .

const (
	urlsFile   = "../urls.yaml"
	sourceFile = "rules.in.yaml"
	rulesFile  = "rules.yaml"
)

// What the placeholders of sourceFile are replaced by.
const (
	// identity are the labels of one exporter: Kubernetes may have the same job in
	// several namespaces, and a Prometheus the same one of several clusters.
	identity = "cluster, namespace, job"
	target   = identity + ", account_id, region, access"
	// same selects the series of the exporter that an alert is about. It is a
	// format of printf, and arguments are its arguments.
	same      = `cluster=%q,namespace=%q,job=%q`
	arguments = "$labels.cluster $labels.namespace $labels.job"
	// asOf is when the target of an alert was last read.
	asOf = `{{ with query (printf ` + "`max(last_over_time(aws_access_analyzer_scrape_last_success_timestamp_seconds{${same},account_id=%q,region=%q}[2d]))`" + ` ${args} $labels.account_id $labels.region) }} Last read at {{ . | first | value | humanizeTimestamp }}.{{ end }}`
	// asOfJob is when the exporter of an alert last completed a sweep.
	asOfJob = `{{ with query (printf ` + "`max(last_over_time(access_analyzer_exporter_sweep_last_completed_timestamp_seconds{${same},kind=\"coverage\"}[2d]))`" + ` ${args}) }} Last sweep: {{ . | first | value | humanizeTimestamp }}.{{ end }}`
	// counted is when findings were last counted.
	counted = `{{ with query (printf ` + "`max(last_over_time(access_analyzer_exporter_sweep_last_completed_timestamp_seconds{${same},kind=\"findings\"}[2d]))`" + ` ${args}) }} Last count: {{ . | first | value | humanizeTimestamp }}.{{ end }}`
	// accounts names the first accounts of a page of a Region.
	accounts = `{{ range $i, $r := query (printf ` + "`topk(5, target:aws_access_analyzer_coverage:uncovered{${same},region=%q,access=%q,page=\"region\"} == %s)`" + ` ${args} $labels.region $labels.access $labels.since) | sortByLabel "account_id" }}{{ if $i }}, {{ end }}{{ $r.Labels.account_name }} ({{ $r.Labels.account_id }}){{ end }} and others`
)

func main() {
	rules, err := generate()
	if err == nil {
		err = os.WriteFile(rulesFile, rules, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// urls are the base URLs of links.
type urls struct {
	Repository, Runbooks, Dashboards string
}

func readURLs() (urls, error) {
	b, err := os.ReadFile(urlsFile)
	if err != nil {
		return urls{}, err
	}
	var u urls
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&u); err != nil {
		return urls{}, fmt.Errorf("%s: %w", urlsFile, err)
	}
	u.Runbooks = strings.ReplaceAll(u.Runbooks, "${repository}", u.Repository)
	return u, nil
}

// generate returns the content of rulesFile.
func generate() ([]byte, error) {
	u, err := readURLs()
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(sourceFile)
	if err != nil {
		return nil, err
	}
	rules := string(source)
	for _, fill := range []*strings.Replacer{
		strings.NewReplacer("${asof}", asOf, "${asofjob}", asOfJob, "${accounts}", accounts, "${counted}", counted),
		strings.NewReplacer("${id}", identity, "${target}", target, "${same}", same, "${args}", arguments),
		strings.NewReplacer("${runbooks}", u.Runbooks, "${dashboards}", u.Dashboards),
	} {
		rules = fill.Replace(rules)
	}
	return []byte("# Code generated from " + sourceFile + " and " + urlsFile + " by go generate. DO NOT EDIT.\n\n" + rules), nil
}
