// Command grafana generates the dashboards of the exporter in dashboards/. A test
// fails while they are outdated.
package main

//go:generate go run .

import (
	"log"
	"os"
	"path/filepath"
)

func main() {
	for _, s := range all() {
		data, err := s.render()
		if err != nil {
			log.Fatalf("%s: %v", s.uid, err)
		}
		if err := os.WriteFile(file(s.uid), data, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// file returns the path of the JSON of a dashboard.
func file(uid string) string {
	return filepath.Join("dashboards", uid+".json")
}
