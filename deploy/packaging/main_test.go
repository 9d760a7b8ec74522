package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // sources are relative to the root
		panic(err)
	}
	os.Exit(m.Run())
}

// tool finds a program, or says that there is nothing to test with.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s, of %s, is not here", name, from)
	}
	return path
}

func output(t *testing.T, command string, args ...string) string {
	t.Helper()
	b, err := exec.CommandContext(t.Context(), command, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, b)
	}
	return string(b)
}

// binary is the exporter, as a release builds it.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access-analyzer-exporter")
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, b)
	}
	return path
}

// TestPackages unpacks what would be installed.
func TestPackages(t *testing.T) {
	exporter := binary(t)
	// The image is the same binary with certificates and licenses, which are 0.5 MB: all
	// of it is to stay within 25 MB.
	if info, err := os.Stat(exporter); err != nil || info.Size() > 24_500_000 {
		t.Errorf("the binary has %d bytes, too many for the image (%v)", info.Size(), err)
	}
	packages, err := build(exporter, "amd64", "1.2.3-rc.1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	again, err := build(exporter, "amd64", "1.2.3-rc.1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range packages {
		a, errA := os.ReadFile(packages[i])
		b, errB := os.ReadFile(again[i])
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s comes out differently when built again (%v, %v)", filepath.Base(packages[i]), errA, errB)
		}
	}
	var names []string
	for _, p := range packages {
		names = append(names, filepath.Base(p))
	}
	if got := strings.Join(names, " "); got != "access-analyzer-exporter_1.2.3~rc.1_amd64.deb access-analyzer-exporter-1.2.3~rc.1-1.x86_64.rpm" {
		t.Errorf("packages: %s", got)
	}
	t.Run("deb", func(t *testing.T) { unpackDeb(t, packages[0]) })
	t.Run("rpm", func(t *testing.T) { unpackRPM(t, packages[1]) })
}

var installed = []string{
	"/usr/bin/access-analyzer-exporter",
	"/usr/lib/systemd/system/access-analyzer-exporter.service",
	"/usr/lib/systemd/system/access-analyzer-exporter.socket",
	"/etc/access-analyzer-exporter/config.yaml",
	"/etc/default/access-analyzer-exporter",
	"/usr/share/doc/access-analyzer-exporter/config.yaml",
	"/usr/share/access-analyzer-exporter/prometheus/rules.yaml",
	"/usr/share/access-analyzer-exporter/grafana/access-analyzer-coverage.json",
}

func unpackDeb(t *testing.T, file string) {
	dpkg := tool(t, "dpkg-deb", "dpkg")
	root, control := t.TempDir(), t.TempDir()
	output(t, dpkg, "--extract", file, root)
	output(t, dpkg, "--control", file, control)
	for _, path := range installed {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	exporter := filepath.Join(root, "usr/bin/access-analyzer-exporter")
	if out := output(t, exporter, "check-config", filepath.Join(root, "etc/access-analyzer-exporter/config.yaml")); !strings.Contains(out, ": valid") {
		t.Errorf("the configuration that comes with it: %s", out)
	}
	conffiles, err := os.ReadFile(filepath.Join(control, "conffiles"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(string(conffiles)), " "); got != "/etc/access-analyzer-exporter/config.yaml /etc/default/access-analyzer-exporter" {
		t.Errorf("an upgrade keeps changes in %s", got)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		b, err := os.ReadFile(filepath.Join(control, script))
		if err != nil || !strings.HasPrefix(string(b), "#!/bin/sh\n") {
			t.Errorf("%s: %v", script, err)
		}
		output(t, "sh", "-n", filepath.Join(control, script))
	}
}

func unpackRPM(t *testing.T, file string) {
	rpm := tool(t, "rpm", "rpm")
	if host := output(t, rpm, "--query", "--queryformat", "%{BUILDHOST}", "--package", file); host != "localhost" {
		t.Errorf("it says that %s built it", host)
	}
	list := strings.Fields(output(t, rpm, "--query", "--list", "--package", file))
	for _, path := range installed {
		if !slices.Contains(list, path) {
			t.Errorf("it has no %s", path)
		}
	}
	if got := strings.Join(strings.Fields(output(t, rpm, "--query", "--configfiles", "--package", file)), " "); got != "/etc/access-analyzer-exporter/config.yaml /etc/default/access-analyzer-exporter" {
		t.Errorf("an upgrade keeps changes in %s", got)
	}
}

// The unit gives away as little as a service on the network can: what is left
// is the network itself, and that it can read the machine's files.
func TestUnitIsHardened(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	out := output(t, analyze, "security", "--offline=true", "deploy/systemd/access-analyzer-exporter.service")
	m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no level in:\n%s", out)
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil || level > 1.2 {
		t.Errorf("the level of exposure is %s\n%s", m[1], out)
	}
}

// systemd accepts every setting of the units, and finds their executables.
func TestUnitsAreUnderstood(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	targets, err := filepath.Glob("/usr/lib/systemd/system/*.target")
	if err != nil || len(targets) == 0 {
		t.Skip("the targets of systemd are not here")
	}
	root := t.TempDir()
	for to, from := range map[string][]string{
		"usr/lib/systemd/system": append(targets, "deploy/systemd/access-analyzer-exporter.service", "deploy/systemd/access-analyzer-exporter.socket"),
		"usr/bin":                {binary(t)},
		"bin":                    {"/bin/kill"},
	} {
		if err := os.MkdirAll(filepath.Join(root, to), 0o755); err != nil {
			t.Fatal(err)
		}
		output(t, "cp", append(append([]string{"--dereference"}, from...), filepath.Join(root, to))...)
	}
	if out := output(t, analyze, "verify", "--root="+root, "access-analyzer-exporter.service", "access-analyzer-exporter.socket"); out != "" {
		t.Error(out)
	}
}

// The first connection to the socket starts the exporter, which answers it.
func TestSocketStartsTheExporter(t *testing.T) {
	activate := tool(t, "systemd-socket-activate", "systemd")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Without credentials it calls nothing.
	environment := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
	args := []string{"--listen=" + address}
	for _, e := range environment {
		args = append(args, "--setenv="+e)
	}
	c := exec.CommandContext(t.Context(), activate, append(args, binary(t), "--web.systemd-socket", "--config.file=deploy/systemd/config.yaml")...)
	c.Env = []string{} // no credentials of the user who runs the tests
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed: there is nothing to learn from it
	})
	lines := bufio.NewScanner(log)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "Listening on "+address) {
		t.Fatalf("it says %q", lines.Text())
	}
	go func() {
		for lines.Scan() { // so that it never waits for a reader
		}
	}()
	client := http.Client{Timeout: 20 * time.Second}
	answer, err := client.Get("http://" + address + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("it answers %s (%v)", answer.Status, err)
	}
}

// What a release, the chart and the image say of where they come from is said
// in one file.
func TestReleaseIsOfThisProject(t *testing.T) {
	b, err := os.ReadFile("deploy/urls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var urls struct{ Repository string }
	if err := yaml.Unmarshal(b, &urls); err != nil {
		t.Fatal(err)
	}
	owner := strings.TrimPrefix(urls.Repository, "https://github.com/")
	for file, want := range map[string][]string{
		".goreleaser.yaml": {"homepage: " + urls.Repository + "\n", "images: [ghcr.io/" + owner + "]", "(" + urls.Repository + "/blob/{{ .Tag }}/CHANGELOG.md)"},
		"Dockerfile":       {`org.opencontainers.image.source="` + urls.Repository + `"`},
		"deploy/systemd/access-analyzer-exporter.service": {"Documentation=" + urls.Repository + "\n"},
		"deploy/systemd/access-analyzer-exporter.socket":  {"Documentation=" + urls.Repository + "\n"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s does not have %q", file, w)
			}
		}
	}
}

// Binaries of the archives and of `make build` differ in nothing but who
// built them.
func TestReleaseBuildsAsTheMakefileDoes(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Builds []struct{ Env, Flags, Ldflags []string }
	}
	if err := yaml.Unmarshal(b, &release); err != nil {
		t.Fatal(err)
	}
	builds := release.Builds[0]
	for name, text := range map[string]string{"Makefile": string(makefile), "Dockerfile": string(dockerfile)} {
		for _, want := range append(slices.Clone(builds.Flags), append(slices.Clone(builds.Env), builds.Ldflags[0])...) {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not build with %s", name, want)
			}
		}
	}
	stamp := regexp.MustCompile(`version\.(\w+)=`)
	for _, flag := range builds.Ldflags[1:] {
		name := stamp.FindStringSubmatch(flag)[1]
		if !strings.Contains(string(makefile), "\t"+name+"=") || !strings.Contains(string(dockerfile), "version."+name+"=") {
			t.Errorf("the release stamps %s, Makefile and Dockerfile do not both", name)
		}
	}
}

// A key that goreleaser does not know is an error there, at the worst moment.
// Here is what its schema has of the sections in use.
func TestReleaseUsesKnownKeys(t *testing.T) {
	b, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release, known map[string]any
	if err := yaml.Unmarshal(b, &release); err != nil {
		t.Fatal(err)
	}
	b, err = os.ReadFile("deploy/packaging/testdata/goreleaser-keys.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &known); err != nil {
		t.Fatal(err)
	}
	for section, value := range release {
		keys, ok := known[section].([]any)
		if !ok {
			t.Errorf("goreleaser has no %s", section)
			continue
		}
		entries, list := value.([]any)
		if !list {
			entries = []any{value}
		}
		for _, entry := range entries {
			e, isMap := entry.(map[string]any)
			for key := range e {
				if isMap && !slices.Contains(keys, any(key)) {
					t.Errorf("goreleaser has no %s.%s", section, key)
				}
			}
		}
	}
}
