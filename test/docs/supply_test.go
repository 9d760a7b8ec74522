package docs_test

//go:generate go test . -run "^TestThirdPartyNotices$" -update

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// noticesFile is in the archives, the packages and the image.
const noticesFile = "THIRD_PARTY_NOTICES"

// TestThirdPartyNotices reads the license of every module that is in the binary, and
// compares the file with their texts. go generate rewrites it.
func TestThirdPartyNotices(t *testing.T) {
	// Modules that are only in the binary for other platforms have the same licenses.
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./"+lab.Root)
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]string{
		"Apache-2.0": "Apache License",
		"MIT":        "Permission is hereby granted, free of charge",
		"BSD":        "Redistribution and use in source and binary forms",
	}
	// Modules by the text of their license, which many share.
	modules := map[string][]string{"": {}}
	for line := range strings.Lines(string(out)) {
		module, dir, ok := strings.Cut(strings.TrimSpace(line), "\t")
		text := license(dir)
		if !ok || slices.Contains(modules[text], module) {
			continue
		}
		known := false
		for _, phrase := range accepted {
			known = known || strings.Contains(strings.Join(strings.Fields(text), " "), phrase)
		}
		if !known {
			t.Errorf("%s has a license that is not in the list of accepted ones: %.200q", module, text)
		}
		modules[text] = append(modules[text], module)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	standard := license(strings.TrimSpace(string(root)))
	modules[standard] = append(modules[standard], "the Go standard library")
	delete(modules, "")
	var parts []string
	count := 0
	for text, names := range modules {
		count += len(names)
		slices.Sort(names)
		parts = append(parts, strings.Join(names, "\n")+"\n\n"+strings.TrimSpace(text)+"\n")
	}
	if count < 20 {
		t.Errorf("only %d modules", count)
	}
	slices.Sort(parts)
	const rule = "\n----------------------------------------------------------------------\n\n"
	lab.Golden(t, filepath.Join(lab.Root, noticesFile), []byte("access-analyzer-exporter contains these modules under the licenses that follow them.\n"+rule+strings.Join(parts, rule)))
}

// TestNoticesAreDistributed requires the file in archives, packages and image.
func TestNoticesAreDistributed(t *testing.T) {
	for file, want := range map[string]string{
		".goreleaser.yaml": "\n      - " + noticesFile + "\n",
		"Dockerfile":       "COPY LICENSE " + noticesFile + " ",
		".dockerignore":    "!" + noticesFile + "\n",
	} {
		text, err := os.ReadFile(filepath.Join(lab.Root, file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s does not have %q", file, want)
		}
	}
}

// license returns the texts of a module's license and of its notice, if there is one. A
// module within a repository may leave them to the directories above.
func license(dir string) string {
	text := nearest(dir, "LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING")
	if notice := nearest(dir, "NOTICE", "NOTICE.txt"); notice != "" {
		text += "\n" + notice
	}
	return text
}

// nearest returns the first of the files in the directory or in up to three above.
func nearest(dir string, names ...string) string {
	for range 4 {
		for _, name := range names {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				return strings.TrimSpace(string(text)) + "\n"
			}
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// TestWorkflowsArePinned checks that actions are named by hash, because a tag can
// be moved to other code.
func TestWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(lab.Root, ".github", "workflows", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(\S+)(.*)$`)
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			if found++; !pinned.MatchString(m[1]) || !strings.Contains(m[2], "# v") {
				t.Errorf("%s: %s%s: write the hash of a commit, and its version as a comment", file, m[1], m[2])
			}
		}
	}
	if found == 0 {
		t.Error("no action was found")
	}
}

// TestWorkflowsRunWhatReleasesRequire requires that a workflow runs each target of
// RELEASING.md, so that a release does not find what a pull request broke.
func TestWorkflowsRunWhatReleasesRequire(t *testing.T) {
	var workflows strings.Builder
	files, err := filepath.Glob(filepath.Join(lab.Root, ".github", "workflows", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(lab.Root, ".ci", "run")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		workflows.Write(text)
	}
	targets := regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(documents(t)["RELEASING.md"], -1)
	if len(targets) < 5 {
		t.Errorf("only %d targets", len(targets))
	}
	for _, m := range targets {
		// Tests compare what generate writes with the files.
		if m[1] != "generate" && !regexp.MustCompile(`\bmake `+m[1]+`\n`).MatchString(workflows.String()) {
			t.Errorf("no workflow runs make %s", m[1])
		}
	}
}

// TestDependabotUpdatesEveryModule requires that each Go module and lock file is updated.
func TestDependabotUpdatesEveryModule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(lab.Root, ".github", "dependabot.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directories []string `yaml:"directories"`
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	updated := map[string]bool{}
	for _, u := range config.Updates {
		for _, directory := range u.Directories {
			updated[u.Ecosystem+directory] = true
		}
	}
	ecosystems := map[string]string{"go.mod": "gomod", "package-lock.json": "npm"}
	for _, root := range documentRoots {
		err := fs.WalkDir(os.DirFS(lab.Root), root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if ecosystem := ecosystems[filepath.Base(path)]; ecosystem != "" && !updated[ecosystem+"/"+filepath.Dir(path)] {
				t.Errorf(".github/dependabot.yml does not have %s", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !updated["gomod/"] {
		t.Error(".github/dependabot.yml does not have go.mod")
	}
}

// TestBaseImageIsPinned checks that the base image is named by digest, and that no
// other frontend of BuildKit is downloaded for the build; the tests of deploy/compose
// check its images.
func TestBaseImageIsPinned(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(lab.Root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	bases := regexp.MustCompile(`(?m)^FROM (?:--\S+ )?(\S+)`).FindAllStringSubmatch(string(text), -1)
	pinned := regexp.MustCompile(`^golang:[\d.]+@sha256:[0-9a-f]{64}$`)
	if len(bases) != 2 || !pinned.MatchString(bases[0][1]) || bases[1][1] != "scratch" {
		t.Errorf("base images %q", bases)
	}
	if bytes.Contains(text, []byte("syntax=")) {
		t.Error("the Dockerfile needs no frontend other than that of BuildKit, which a tag does not pin")
	}
}

// TestImagesInDocumentsArePinned checks that commands run the images that
// deploy/compose names by digest.
func TestImagesInDocumentsArePinned(t *testing.T) {
	compose, err := os.ReadFile(filepath.Join(lab.Root, "deploy", "compose", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	image, found := regexp.MustCompile(`\b(?:prom|grafana)/[a-z]+:v?\d[^\s\x60"]*`), 0
	for path, text := range documents(t) {
		for _, m := range shellFence.FindAllStringSubmatch(text, -1) {
			for _, name := range image.FindAllString(m[1], -1) {
				if found++; !strings.Contains(name, "@sha256:") || !bytes.Contains(compose, []byte(name)) {
					t.Errorf("%s: image %s is not in compose.yaml", path, name)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no image was found")
	}
}

// TestCollectorImageIsPinned checks that both ways of deployment to ECS run the same
// image by default.
func TestCollectorImageIsPinned(t *testing.T) {
	pinned := regexp.MustCompile(`public\.ecr\.aws/aws-observability/aws-otel-collector@sha256:[0-9a-f]{64}\b`)
	var first string
	for _, file := range []string{"ecs/cloudformation/service.yaml", "terraform/modules/ecs/variables.tf", "terraform/modules/ecs-task/variables.tf"} {
		text, err := os.ReadFile(filepath.Join(lab.Root, "deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		image := pinned.FindString(string(text))
		if first = cmp.Or(first, image); image == "" || image != first {
			t.Errorf("%s: image %q, want %q", file, image, first)
		}
	}
}

// TestDistribution fills the Homebrew formula and the Nix flake in from checksums.
func TestDistribution(t *testing.T) {
	const version = "1.2.3"
	sums := map[string]string{}
	var checksums strings.Builder
	for i, platform := range []string{"darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64"} {
		sums[platform] = strings.Repeat(fmt.Sprint(i), 64)
		fmt.Fprintf(&checksums, "%s  access-analyzer-exporter_%s_%s.tar.gz\n", sums[platform], version, platform)
	}
	script, directory := filepath.Join(lab.Root, "tools", "distribution"), t.TempDir()
	run := func(checksums string) ([]byte, error) {
		return exec.Command(tool.Path(t, "bash"), script, lab.WriteFile(t, checksums), version, directory).CombinedOutput()
	}
	if out, err := run(checksums.String()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for file, lines := range map[string][]string{
		"access-analyzer-exporter.rb": {
			`url "https://github.com/access-analyzer-exporter/access-analyzer-exporter/releases/download/v1.2.3/access-analyzer-exporter_1.2.3_darwin_arm64.tar.gz"` + "\n      sha256 \"" + sums["darwin_arm64"] + `"`,
			`version "1.2.3"`, `#{bin}/access-analyzer-exporter --version`,
		},
		"flake.nix": {
			`aarch64-linux = { name = "linux_arm64"; sha256 = "` + sums["linux_arm64"] + `"; };`,
			`access-analyzer-exporter_1.2.3_${archive.name}.tar.gz`, `-D access-analyzer-exporter $out/bin/access-analyzer-exporter`,
		},
	} {
		text, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range lines {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not have %s:\n%s", file, want, text)
			}
		}
		if n := strings.Count(string(text), "{") - strings.Count(string(text), "}"); n != 0 {
			t.Errorf("%s: %d braces are not closed", file, n)
		}
	}
	if out, err := run("no archives\n"); err == nil || !strings.Contains(string(out), "has no access-analyzer-exporter_1.2.3_darwin_arm64.tar.gz") {
		t.Errorf("%v\n%s", err, out)
	}
}
