package partition

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sdkRegions reads the Regions of each partition from the source of the AWS SDK,
// which has them in an internal package.
func sdkRegions(t *testing.T) map[string][]string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal", "endpoints", "awsrulesfn", "partitions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Partitions []struct {
			ID      string
			Regions map[string]any
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	regions := map[string][]string{}
	for _, p := range file.Partitions {
		for name := range p.Regions {
			if !strings.HasSuffix(name, "-global") {
				regions[p.ID] = append(regions[p.ID], name)
			}
		}
		slices.Sort(regions[p.ID])
	}
	return regions
}

func TestRegionsAreThoseOfTheSDK(t *testing.T) {
	var all []string
	for id, want := range sdkRegions(t) {
		got := slices.Sorted(slices.Values(Regions(id)))
		if !slices.Equal(got, want) {
			t.Errorf("partition %s:\n got %v\nwant %v", id, got, want)
		}
		for _, region := range want {
			if of := Of(region); of != id {
				t.Errorf("%s is in %s, want %s", region, of, id)
			}
		}
		all = append(all, want...)
	}
	slices.Sort(all)
	if got := AllRegions(); !slices.Equal(got, all) {
		t.Errorf("all partitions:\n got %v\nwant %v", got, all)
	}
}

func TestIsOptIn(t *testing.T) {
	for id := range sdkRegions(t) {
		for _, region := range DefaultRegions(id) {
			if IsOptIn(region) {
				t.Errorf("%s is an opt-in Region, want one that is always enabled", region)
			}
		}
		for _, region := range OptInRegions(id) {
			if !IsOptIn(region) {
				t.Errorf("%s is always enabled, want an opt-in Region", region)
			}
		}
	}
	for region, want := range map[string]bool{"eu-central-9": true, "cn-central-9": false, "us-gov-central-9": false, "eusc-fr-west-1": false} {
		if got := IsOptIn(region); got != want {
			t.Errorf("IsOptIn(%q) = %t, want %t", region, got, want)
		}
	}
}

func TestUnknownPartition(t *testing.T) {
	if got := Regions("aws-moon"); len(got) != 0 {
		t.Errorf("got %v, want no Regions", got)
	}
}
