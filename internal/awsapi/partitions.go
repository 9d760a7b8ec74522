package awsapi

import (
	"slices"
	"strings"
)

// defaultRegion is where the exporter starts when nothing names a Region.
const defaultRegion = "us-east-1"

// alwaysEnabled are the Regions of the partition aws that cannot be disabled.
// The list is final: every Region since 2019 is opt-in.
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
var alwaysEnabled = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3",
	"sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// optInRegions are those of the partition aws that an account may enable.
var optInRegions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
	"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
	"me-central-1", "me-south-1", "mx-central-1",
}

// otherPartitions have no opt-in Regions.
var otherPartitions = map[string][]string{
	"aws-cn":     {"cn-north-1", "cn-northwest-1"},
	"aws-us-gov": {"us-gov-east-1", "us-gov-west-1"},
	"aws-eusc":   {"eusc-de-east-1"},
	"aws-iso-e":  {"eu-isoe-west-1"},
	"aws-iso-f":  {"us-isof-east-1", "us-isof-south-1"},
}

// DefaultRegions are those that every account of the partition has enabled and
// cannot disable.
func (c *Client) DefaultRegions(partition string) []string {
	if partition == "aws" {
		return alwaysEnabled
	}
	return otherPartitions[partition]
}

// partitionRegions are the Regions of a partition that this program knows of,
// for asking about them one by one where they cannot be listed.
func partitionRegions(partition string) []string {
	if partition == "aws" {
		return slices.Concat(alwaysEnabled, optInRegions)
	}
	return otherPartitions[partition]
}

// optIn tells whether a Region can be one that an account has not enabled. A
// Region that this program does not know can.
func optIn(region string) bool {
	for _, prefix := range []string{"cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"} {
		if strings.HasPrefix(region, prefix) {
			return false
		}
	}
	return !slices.Contains(alwaysEnabled, region)
}

// homeRegion is where roles are assumed: tokens of an opt-in Region's STS are
// refused by accounts that have not enabled it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
func homeRegion(region string) string {
	if optIn(region) {
		return defaultRegion
	}
	return region
}
