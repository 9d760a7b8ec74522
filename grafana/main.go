// The dashboards of the exporter as code. It writes them as the JSON that
// Grafana imports into dashboards/; a test fails while that is not current.
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

// file is where the JSON of a dashboard stands.
func file(uid string) string {
	return filepath.Join("dashboards", uid+".json")
}
