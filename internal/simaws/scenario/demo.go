package scenario

import (
	_ "embed"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

//go:embed demo.yaml
var demo []byte

// Demo returns an organization of twelve accounts with coverage gaps, findings
// and faults of every kind, which changes over time.
func Demo() *world.World {
	w, err := Parse(demo, time.Now())
	if err != nil {
		panic(err) // excluded by a test
	}
	return w
}
