package report

import (
	"fmt"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Speed formats a number per second, with a decimal below 10.
func Speed(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return Count(int(perSecond))
}

// Unit is what a sweep processes, in the plural.
func Unit(kind inventory.SweepKind) string {
	if kind == inventory.FindingsSweep {
		return "analyzers"
	}
	return "targets"
}
