package world

import (
	"slices"
	"strings"
)

// Region is a Region in an account.
type Region struct {
	Name string
	// Status is one of [RegionStatuses].
	Status string
}

// RegionStatuses lists the opt-in statuses of Account Management.
var RegionStatuses = []string{"ENABLED", "ENABLING", "DISABLING", "DISABLED", "ENABLED_BY_DEFAULT"}

// DefaultRegions are the Regions that are enabled by default.
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
var DefaultRegions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// OptInRegions are the Regions that are disabled by default.
var OptInRegions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
	"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
	"me-central-1", "me-south-1", "me-west-1", "mx-central-1", "sa-west-1",
}

// Regions returns every Region of the partition aws, sorted, of which the given
// opt-in Regions are enabled.
func Regions(optedIn ...string) []Region {
	var rs []Region
	for _, name := range DefaultRegions {
		rs = append(rs, Region{name, "ENABLED_BY_DEFAULT"})
	}
	for _, name := range OptInRegions {
		status := "DISABLED"
		if slices.Contains(optedIn, name) {
			status = "ENABLED"
		}
		rs = append(rs, Region{name, status})
	}
	slices.SortFunc(rs, func(a, b Region) int { return strings.Compare(a.Name, b.Name) })
	return rs
}
