package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// TestReloadOnChange mounts a configuration as Kubernetes does, where a change
// is a link that moves.
func TestReloadOnChange(t *testing.T) {
	simulate(t, &simaws.World{Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions()}}})
	mount := t.TempDir()
	put := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(mount, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mount, version, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	put("one", "regions: {include: [eu-west-1]}")
	if err := os.Symlink("..data/config.yaml", filepath.Join(mount, "config.yaml")); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "--config.file="+filepath.Join(mount, "config.yaml"), "--config.auto-reload-interval=20ms")
	p.awaitReady(t)
	outcome := func() float64 {
		return series(p.families(t)["access_analyzer_exporter_config_last_reload_successful"])[""]
	}
	watched := func() string {
		var regions []string
		for region := range series(p.families(t)["aws_access_analyzer_coverage"], "region") {
			regions = append(regions, region)
		}
		return strings.Join(regions, " ")
	}
	put("two", "regions: {inclued: [eu-west-2]}")
	p.await(t, "the refusal", func() bool { return outcome() == 0 })
	if got := watched(); got != "eu-west-1" {
		t.Errorf("with a bad file it watches %q", got)
	}
	put("three", "regions: {include: [eu-west-2]}")
	p.await(t, "the new Region alone", func() bool { return outcome() == 1 && watched() == "eu-west-2" })
	if n := strings.Count(p.stderr.String(), "Completed reloading the configuration"); n != 1 {
		t.Errorf("reloaded %d times:\n%s", n, p.stderr)
	}
	if status, _ := p.get(t, "/-/healthy"); status != http.StatusOK {
		t.Errorf("not healthy: %d", status)
	}
}
