package cli_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

func TestReload(t *testing.T) {
	lab.Simulate(t, lab.Standalone())
	path := lab.WriteFile(t, "regions: {include: [eu-west-1]}")
	p := lab.Launch(t, "--config.file="+path, "--web.enable-lifecycle")
	p.AwaitReady(t)
	for _, test := range []struct {
		text    string
		status  int
		body    string
		outcome float64
	}{
		{"regions: {inclued: [eu-west-2]}", http.StatusInternalServerError, "config.yaml:1: regions.inclued", 0},
		{"regions: {include: [eu-west-2]}\ncoverage: {internal: {required: true}}", http.StatusOK, "", 1},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		status, body := p.Reload(t)
		if outcome := p.ReloadSuccessful(t); status != test.status || !strings.Contains(body, test.body) || outcome != test.outcome {
			t.Errorf("%s: %d %s, metric %v", test.text, status, body, outcome)
		}
	}
	p.Await(t, "only the new Region", func() bool { return slices.Equal(coveredRegions(t, p), []string{"eu-west-2"}) })
	required := lab.Series(p.Families(t)["aws_access_analyzer_coverage_required"], "access")
	if want := map[string]float64{"external": 1, "unused": 0, "internal": 1}; !maps.Equal(required, want) {
		t.Errorf("required: %v, want %v", required, want)
	}
}

// coveredRegions returns the Regions that have coverage series.
func coveredRegions(t *testing.T, p *lab.Program) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(lab.Series(p.Families(t)["aws_access_analyzer_coverage"], "region")))
}

// kubernetesMount is a directory in which a change is a link that moves.
type kubernetesMount string

func (m kubernetesMount) publish(t *testing.T, version, text string) {
	t.Helper()
	dir := string(m)
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, version), 0o700),
		os.WriteFile(filepath.Join(dir, version, "config.yaml"), []byte(text), 0o600),
		os.Symlink(version, filepath.Join(dir, "..data_tmp")),
		os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReloadOnChange mounts a configuration as Kubernetes does.
func TestReloadOnChange(t *testing.T) {
	lab.Simulate(t, lab.Standalone())
	mount := kubernetesMount(t.TempDir())
	mount.publish(t, "one", "regions: {include: [eu-west-1]}")
	file := filepath.Join(string(mount), "config.yaml")
	if err := os.Symlink("..data/config.yaml", file); err != nil {
		t.Fatal(err)
	}
	p := lab.Launch(t, "--config.file="+file, "--config.auto-reload-interval=20ms")
	p.AwaitReady(t)
	mount.publish(t, "two", "regions: {inclued: [eu-west-2]}")
	p.Await(t, "the failed reload", func() bool { return p.ReloadSuccessful(t) == 0 })
	if got := coveredRegions(t, p); !slices.Equal(got, []string{"eu-west-1"}) {
		t.Errorf("with an invalid file the Regions are %v", got)
	}
	mount.publish(t, "three", "regions: {include: [eu-west-2]}")
	p.Await(t, "only the new Region", func() bool {
		return p.ReloadSuccessful(t) == 1 && slices.Equal(coveredRegions(t, p), []string{"eu-west-2"})
	})
	if n := strings.Count(p.Stderr.String(), "Completed reloading the configuration"); n != 1 {
		t.Errorf("reloaded %d times:\n%s", n, p.Stderr)
	}
	if status, _ := p.Get(t, "/-/healthy"); status != http.StatusOK {
		t.Errorf("not healthy: %d", status)
	}
}

// TestHangup reloads by SIGHUP.
func TestHangup(t *testing.T) {
	lab.Simulate(t, lab.Organization())
	path := lab.WriteFile(t, lab.Config)
	p := lab.Launch(t, "--config.file="+path)
	p.AwaitReady(t)
	for _, test := range []struct {
		text    string
		outcome float64
	}{{"accounts: {discovery: guess}", 0}, {lab.Config, 1}} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.Await(t, "the outcome of the reload", func() bool { return p.ReloadSuccessful(t) == test.outcome })
		if len(p.Families(t)["aws_access_analyzer_coverage"].GetMetric()) != 12 {
			t.Error("the reload lost coverage")
		}
	}
	if !strings.Contains(p.Stderr.String(), "config.yaml:1: accounts.discovery") {
		t.Errorf("the log does not name the invalid key:\n%s", p.Stderr)
	}
}
