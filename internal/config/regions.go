package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// knownRegions distinguish typing errors from Regions that AWS opened later.
var knownRegions = partition.AllRegions()

var (
	compass      = []string{"north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "central"}
	regionFormat = regexp.MustCompile(`^([a-z]{2,4}(?:-[a-z]{2,4})?)-([a-z]+)-[1-9]$`)
)

// regionRemedy returns how to correct an invalid Region; empty if it is valid. An
// unknown Region is valid, because AWS opens new ones, unless it is one edit away
// from a known one.
func regionRemedy(s string) string {
	parts := regionFormat.FindStringSubmatch(s)
	if parts != nil && !swapped(parts[1]) && !misspelled(parts[2]) {
		return ""
	}
	if near := Closest(strings.ToLower(s), knownRegions, 2); near != "" {
		return "did you mean " + near + "?"
	}
	return "write its code, such as eu-west-1"
}

// swapped reports whether area is a known one with its letters transposed.
func swapped(area string) bool {
	known := func(area string) bool {
		return slices.ContainsFunc(knownRegions, func(r string) bool { return strings.HasPrefix(r, area+"-") })
	}
	return len(area) == 2 && !known(area) && known(area[1:]+area[:1])
}

// misspelled reports whether direction is a misspelled point of the compass.
func misspelled(direction string) bool {
	near := Closest(direction, compass, 2)
	return near != "" && near != direction
}
