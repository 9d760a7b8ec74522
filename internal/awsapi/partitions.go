package awsapi

import "github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"

// homeRegion returns the Region in which roles are assumed: accounts that have
// not enabled an opt-in Region reject tokens of its STS endpoint.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
func homeRegion(region string) string {
	if partition.IsOptIn(region) {
		return partition.DefaultRegion
	}
	return region
}
