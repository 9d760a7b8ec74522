// Command grafana generates the dashboards of the exporter in dashboards/. A test
// fails while they are outdated.
package main

//go:generate go run .

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

// edition is a copy of all dashboards for one type of data source.
type edition struct {
	directory string
	// datasource is the type that the panels query and that the picker offers.
	datasource string
}

// editions are the generated copies. Amazon Managed Grafana 12 and later reads Amazon
// Managed Service for Prometheus through a plugin of its own, whose data sources are
// not offered where a dashboard asks for Prometheus.
// https://github.com/grafana/grafana/issues/93971
var editions = []edition{
	{"dashboards", prometheusType},
	{"dashboards-amp", "grafana-amazonprometheus-datasource"},
}

func main() {
	for _, to := range editions {
		for _, s := range all() {
			data, err := s.render(to.datasource)
			if err != nil {
				log.Fatalf("%s: %v", s.uid, err)
			}
			if err := os.WriteFile(to.file(s.uid), data, 0o644); err != nil {
				log.Fatal(err)
			}
		}
	}
	data, err := json.MarshalIndent(portalLinks(), "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(portalFile, append(data, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
}

// portalFile has the links to the AWS console, for the chart and the mixin.
const portalFile = "portal.json"

// file returns the path of the JSON of a dashboard.
func (e edition) file(uid string) string {
	return filepath.Join(e.directory, uid+".json")
}
