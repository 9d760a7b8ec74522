package world

import (
	"slices"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// The simulator has its own list, so that an error in that of the exporter is not
// repeated here: that list is tested against the SDK.
func TestRegions(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want []string
	}{
		{"default", DefaultRegions, partition.DefaultRegions(partition.Commercial)},
		{"opt-in", OptInRegions, partition.OptInRegions(partition.Commercial)},
	} {
		if got, want := slices.Sorted(slices.Values(test.got)), slices.Sorted(slices.Values(test.want)); !slices.Equal(got, want) {
			t.Errorf("%s Regions:\n got %v\nwant %v", test.name, got, want)
		}
	}
}
