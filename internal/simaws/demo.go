package simaws

import (
	_ "embed"
	"time"
)

//go:embed demo.yaml
var demo []byte

// Demo is an organization of twelve accounts with coverage holes, findings and
// faults of every kind, which changes while one watches. Its script begins
// when a server gets it.
func Demo() *World {
	w, err := ParseScenario(demo, time.Now())
	if err != nil {
		panic(err) // a test parses it
	}
	return w
}
