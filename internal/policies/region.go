package policies

import (
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// validationRegion returns the Region in which the policies of an account are
// validated: the default Region of the partition or, if that is not in scope, the
// first one that is. A service control policy may deny the others.
func validationRegion(name string, regions []string) string {
	home := partition.DefaultRegion
	if name != partition.Commercial {
		if all := partition.DefaultRegions(name); len(all) > 0 {
			home = all[0]
		}
	}
	if len(regions) == 0 || slices.Contains(regions, home) {
		return home
	}
	return regions[0]
}
