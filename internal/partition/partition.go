// Package partition lists the partitions and Regions of AWS.
//
// AWS opens Regions between releases of this program, so that the lists need
// not be complete. A test compares them with those of the AWS SDK.
package partition

import (
	"slices"
	"strings"
)

// Commercial is the partition with opt-in Regions; the others have none.
const Commercial = "aws"

// DefaultRegion is the Region for API calls if the environment sets none.
const DefaultRegion = "us-east-1"

// alwaysEnabled are the Regions of the commercial partition that cannot be
// disabled. The list is final: each Region since 2019 is an opt-in Region.
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
var alwaysEnabled = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
	"sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// optIn are the Regions of the commercial partition that an account can enable.
var optIn = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
	"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
	"me-central-1", "me-south-1", "me-west-1", "mx-central-1", "sa-west-1",
}

// others are the Regions of the partitions without opt-in Regions.
var others = map[string][]string{
	"aws-cn":     {"cn-north-1", "cn-northwest-1"},
	"aws-eusc":   {"eusc-de-east-1"},
	"aws-iso":    {"us-iso-east-1", "us-iso-west-1"},
	"aws-iso-b":  {"us-isob-east-1", "us-isob-west-1"},
	"aws-iso-e":  {"eu-isoe-west-1"},
	"aws-iso-f":  {"us-isof-east-1", "us-isof-south-1"},
	"aws-us-gov": {"us-gov-east-1", "us-gov-west-1"},
}

// DefaultRegions returns the Regions that each account of the partition has
// enabled and cannot disable; none for an unknown partition.
func DefaultRegions(partition string) []string {
	if partition == Commercial {
		return slices.Clone(alwaysEnabled)
	}
	return slices.Clone(others[partition])
}

// OptInRegions returns the known Regions that an account of the partition can
// enable.
func OptInRegions(partition string) []string {
	if partition == Commercial {
		return slices.Clone(optIn)
	}
	return nil
}

// Regions returns the known Regions of the partition.
func Regions(partition string) []string {
	return append(DefaultRegions(partition), OptInRegions(partition)...)
}

// AllRegions returns the known Regions of all partitions.
func AllRegions() []string {
	all := Regions(Commercial)
	for _, regions := range others {
		all = append(all, regions...)
	}
	slices.Sort(all)
	return all
}

// prefixes are the beginnings of the names of all Regions of a partition. Other
// Regions are of the commercial partition.
var prefixes = []struct{ prefix, partition string }{
	{"cn-", "aws-cn"},
	{"eu-isoe-", "aws-iso-e"},
	{"eusc-", "aws-eusc"},
	{"us-gov-", "aws-us-gov"},
	{"us-iso-", "aws-iso"},
	{"us-isob-", "aws-iso-b"},
	{"us-isof-", "aws-iso-f"},
}

// Of returns the partition of a Region, also of one that is not known.
func Of(region string) string {
	for _, p := range prefixes {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return Commercial
}

// consoleDomains are the domains of the console, to which a Region is prepended.
var consoleDomains = map[string]string{
	Commercial:   "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-eusc":   "console.amazonaws-eusc.eu",
	"aws-us-gov": "console.amazonaws-us-gov.com",
}

// ConsoleDomain returns the domain of the console of a partition; "" if it is not
// on the internet.
func ConsoleDomain(partition string) string { return consoleDomains[partition] }

// IsOptIn reports whether an account may have the Region disabled. This is the
// case for unknown Regions, unless their prefix belongs to a partition without
// opt-in Regions.
func IsOptIn(region string) bool {
	return Of(region) == Commercial && !slices.Contains(alwaysEnabled, region)
}
