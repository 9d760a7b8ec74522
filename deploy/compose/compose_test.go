// Package compose has no code: its tests hold the Compose file against what it
// mounts and starts.
package compose

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// load reads the project as `docker compose` does: .env, profiles, the schema
// of the specification, and its rules on what may refer to what.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"compose.yaml"},
		cli.WithEnv([]string{"CONFIG_FILE=" + os.Getenv("CONFIG_FILE")}), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestProfiles(t *testing.T) {
	around := []string{"alertmanager", "grafana", "prometheus"}
	tests := map[string]struct{ profiles, want []string }{
		"nothing asked for": {nil, append([]string{"demo"}, around...)},
		"demo":              {[]string{"demo"}, append([]string{"demo"}, around...)},
		"aws":               {[]string{"aws"}, append([]string{"aws"}, around...)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := load(t, test.profiles...).ServiceNames()
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("starts %v, want %v", got, test.want)
			}
		})
	}
}

func TestConfigFileIsTheReaders(t *testing.T) {
	t.Setenv("CONFIG_FILE", "/somewhere/organization.yaml")
	if got := load(t, "aws").Services["aws"].Volumes[0].Source; got != "/somewhere/organization.yaml" {
		t.Errorf("mounts %s", got)
	}
}

// What is started today is started next year.
func TestImagesArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z]+/[a-z]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$`)
	for name, service := range load(t, "demo", "aws").Services {
		if service.Build == nil && !pinned.MatchString(service.Image) {
			t.Errorf("%s: image %s", name, service.Image)
		}
		if service.Build == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// There is no log-in anywhere: only this machine may come in.
func TestOnlyThisMachineReachesThePorts(t *testing.T) {
	for name, service := range load(t, "demo", "aws").Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open on %q", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestMountsExist(t *testing.T) {
	for name, service := range load(t, "demo", "aws").Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
		}
	}
}

// inside creates a directory with the mounts of a service, and returns it.
func inside(t *testing.T, service types.ServiceConfig) string {
	t.Helper()
	root := t.TempDir()
	for _, v := range service.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		target := filepath.Join(root, v.Target)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(v.Source, target); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Each image looks for its configuration at a path of its own. A rule file that
// is not mounted, or mounted elsewhere, is missing here too.
func TestToolsAcceptWhatIsMounted(t *testing.T) {
	tests := map[string]struct {
		tool   []string
		config string
	}{
		"prometheus":   {[]string{"promtool", "check", "config"}, "/etc/prometheus/prometheus.yml"},
		"alertmanager": {[]string{"amtool", "check-config"}, "/etc/alertmanager/alertmanager.yml"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(test.tool[0])
			if err != nil && os.Getenv("CI") != "" {
				t.Fatalf("%v: tools/setup installs it", err)
			}
			if err != nil {
				t.Skipf("%v: tools/setup installs it", err)
			}
			file := filepath.Join(inside(t, load(t).Services[name]), test.config)
			out, err := exec.Command(path, append(test.tool[1:], file)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "SUCCESS") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// mounted reads a file through the mounts of a service.
func mounted(t *testing.T, service types.ServiceConfig, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(inside(t, service), path))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// serves says whether something on this address was given a port to this
// machine: every service has one, and under its own number.
func serves(service types.ServiceConfig, address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && slices.ContainsFunc(service.Ports, func(p types.ServicePortConfig) bool {
		return p.Published == port && strconv.Itoa(int(p.Target)) == port
	})
}

func TestPrometheusFindsTheOthers(t *testing.T) {
	for _, profile := range []string{"demo", "aws"} {
		project := load(t, profile)
		for _, name := range []string{profile, "alertmanager"} {
			if got := project.Services[name].NetworkMode; got != "service:prometheus" {
				t.Errorf("localhost of %s is that of %q", name, got)
			}
		}
	}

	type statics []struct {
		StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
	}
	var config struct {
		ScrapeConfigs statics `yaml:"scrape_configs"`
		Alerting      struct{ Alertmanagers statics }
	}
	prometheus := load(t).Services["prometheus"]
	mounted(t, prometheus, "/etc/prometheus/prometheus.yml", &config)
	found := 0
	for _, group := range slices.Concat(config.ScrapeConfigs, config.Alerting.Alertmanagers) {
		for _, static := range group.StaticConfigs {
			for _, target := range static.Targets {
				found++
				if !strings.HasPrefix(target, "localhost:") || !serves(prometheus, target) {
					t.Errorf("nothing serves %s", target)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d targets, want the exporter and Alertmanager", found)
	}
}

func TestGrafanaFindsPrometheusAndTheDashboards(t *testing.T) {
	project := load(t)
	grafana := project.Services["grafana"]
	var sources struct{ Datasources []struct{ URL string } }
	mounted(t, grafana, "/etc/grafana/provisioning/datasources/prometheus.yaml", &sources)
	for _, source := range sources.Datasources {
		u, err := url.Parse(source.URL)
		if err != nil {
			t.Fatal(err)
		}
		service, ok := project.Services[u.Hostname()]
		if !ok || service.NetworkMode != "" || !serves(service, u.Host) {
			t.Errorf("nothing serves %s", source.URL)
		}
	}
	if len(sources.Datasources) == 0 {
		t.Error("no data source")
	}

	root := inside(t, grafana)
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	mounted(t, grafana, "/etc/grafana/provisioning/dashboards/access-analyzer.yaml", &providers)
	for _, provider := range providers.Providers {
		boards, err := filepath.Glob(filepath.Join(root, provider.Options.Path, "*.json"))
		if err != nil || len(boards) == 0 {
			t.Errorf("no dashboard under %s: %v", provider.Options.Path, err)
		}
	}
	home := *grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if _, err := os.Stat(filepath.Join(root, home)); err != nil {
		t.Errorf("the first page: %v", err)
	}
}

// The README sends readers to ports.
func TestReadmeNamesThePorts(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var named, published []string
	for _, m := range regexp.MustCompile(`http://localhost:(\d+)/`).FindAllStringSubmatch(string(readme), -1) {
		named = append(named, m[1])
	}
	for _, service := range load(t).Services {
		for _, port := range service.Ports {
			published = append(published, port.Published)
		}
	}
	slices.Sort(named)
	slices.Sort(published)
	if !slices.Equal(named, published) {
		t.Errorf("names the ports %v; published are %v", named, published)
	}
}
