package report

import (
	"fmt"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Speed formats a number per second, with a decimal below 10.
func Speed(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return Count(int(perSecond))
}

// Pace is the rate of a sweep and, unless it is about to end, the time that is left.
func Pace(perSecond float64, left time.Duration) string {
	pace := Speed(perSecond) + "/s"
	if left >= time.Second {
		pace += ", about " + About(left) + " left"
	}
	return pace
}

// Unit is what a sweep processes, in the plural.
func Unit(kind inventory.SweepKind) string {
	switch kind {
	case inventory.FindingsSweep:
		return "analyzers"
	case inventory.PolicySweep:
		return "accounts"
	}
	return "targets"
}
