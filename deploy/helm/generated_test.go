package helm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yamlnode "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

//go:generate go test -run "TestReadme|TestKustomizeBase" -update .

var update = flag.Bool("update", false, "rewrite the generated files")

// generated compares a file with what it has to be, or writes it.
func generated(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is outdated: run `go generate ./...` in deploy/helm", file)
	}
}

// valueRows returns the rows of the table of values: every value that has no keys of its
// own, or is described as a whole. Descriptions are comments in the form of helm-docs.
func valueRows(prefix string, mapping *yamlnode.Node) (rows []string) {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name, description := prefix+key.Value, described(key.HeadComment)
		if value.Kind == yamlnode.MappingNode && len(value.Content) > 0 && value.Style&yamlnode.FlowStyle == 0 && description == "" {
			rows = append(rows, valueRows(name+".", value)...)
			continue
		}
		b, err := yaml.YAMLToJSON([]byte(flow(value)))
		if err != nil {
			panic(err)
		}
		rows = append(rows, fmt.Sprintf("| %s | `%s` | %s |", name, strings.TrimSpace(string(b)), description))
	}
	return rows
}

func flow(n *yamlnode.Node) string {
	b, err := yamlnode.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// described returns a comment in the form of helm-docs in one line.
func described(comment string) string {
	_, text, ok := strings.Cut(comment, "# -- ")
	if !ok {
		return ""
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if strings.HasPrefix(line, "   ") {
			break // an example
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.ReplaceAll(strings.Join(lines, " "), "|", `\|`)
}

// valuesTable returns the rows of the table of values.
func valuesTable(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(directory, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yamlnode.Node
	if err := yamlnode.Unmarshal(b, &document); err != nil {
		t.Fatal(err)
	}
	return valueRows("", document.Content[0])
}

func TestReadme(t *testing.T) {
	c := load(t)
	readme := "<!-- Written by \"go generate\" in deploy/helm from Chart.yaml and values.yaml. -->\n\n# " + c.Metadata.Name + "\n\n" +
		c.Metadata.Description + ". Kubernetes " + strings.TrimSuffix(c.Metadata.KubeVersion, "-0") + ".\n\n" +
		"```sh\nhelm install access-analyzer-exporter oci://ghcr.io/access-analyzer-exporter/charts/access-analyzer-exporter \\\n" +
		"  --namespace monitoring --create-namespace --values values.yaml\nhelm test access-analyzer-exporter --namespace monitoring\n```\n\n" +
		"The [installation guide](https://github.com/access-analyzer-exporter/access-analyzer-exporter/blob/main/docs/install.md#kubernetes) has the values for an organization and the roles that it requires.\n\n" +
		"## Values\n\n| Key | Default | Description |\n|-----|---------|-------------|\n" +
		strings.Join(valuesTable(t), "\n") + "\n"
	generated(t, filepath.Join(directory, "README.md"), readme)
}

// TestValuesAreDescribed requires a description of each row of the table of values.
func TestValuesAreDescribed(t *testing.T) {
	for _, row := range valuesTable(t) {
		if strings.HasSuffix(row, "|  |") {
			t.Errorf("no description: %s", row)
		}
	}
}

// TestIconAndImages holds the annotations for Artifact Hub to the files and the version.
func TestIconAndImages(t *testing.T) {
	m := load(t).Metadata
	_, icon, ok := strings.Cut(m.Icon, "/main/")
	if _, err := os.Stat(filepath.Join("../..", icon)); !ok || err != nil {
		t.Errorf("icon %s: %v", m.Icon, err)
	}
	if want := "access-analyzer-exporter:" + m.AppVersion + "\n"; !strings.Contains(m.Annotations["artifacthub.io/images"], want) {
		t.Errorf("the annotation does not have the image %s", want)
	}
	if got, want := m.Annotations["artifacthub.io/prerelease"], fmt.Sprint(strings.Contains(m.Version, "-")); got != want {
		t.Errorf("prerelease is %s for version %s", got, m.Version)
	}
	for _, link := range regexp.MustCompile(`/(?:blob|tree)/main/(\S+)`).FindAllStringSubmatch(m.Annotations["artifacthub.io/links"], -1) {
		if _, err := os.Stat(filepath.Join("../..", link[1])); err != nil {
			t.Error(err)
		}
	}
}

// ofHelm are the labels of Helm, and the namespace, which kustomization.yaml sets: a
// patch without one would not match.
var ofHelm = regexp.MustCompile(`(?m)^ *(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n|^  namespace: ` + namespace + `\n`)

// plain returns the manifests of a kind of objects without the marks of Helm.
func plain(t *testing.T, values string, keep func(file string) bool) string {
	t.Helper()
	all := documents(t, values)
	slices.SortFunc(all, func(a, b document) int { return strings.Compare(a.file+a.text, b.file+b.text) })
	var texts []string
	for _, d := range all {
		if !strings.Contains(d.file, "/tests/") && keep(filepath.Base(d.file)) {
			texts = append(texts, strings.TrimSpace(ofHelm.ReplaceAllString(d.text, ""))+"\n")
		}
	}
	return "# Written by \"go generate\" in deploy/helm from the chart.\n" + strings.Join(texts, "---\n")
}

func TestKustomizeBase(t *testing.T) {
	const values = "{fullnameOverride: access-analyzer-exporter, serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}"
	operator := []string{"servicemonitor.yaml", "prometheusrule.yaml"}
	rename := strings.NewReplacer("app.kubernetes.io/instance: "+release, "app.kubernetes.io/instance: access-analyzer-exporter")
	generated(t, "../kustomize/base/exporter.yaml", rename.Replace(plain(t, values, func(file string) bool { return !slices.Contains(operator, file) })))
	generated(t, "../kustomize/prometheus-operator/operator.yaml", rename.Replace(plain(t, values, func(file string) bool { return slices.Contains(operator, file) })))
}

// TestKustomize builds all directories and holds what comes of it to the types of the
// Kubernetes API.
func TestKustomize(t *testing.T) {
	for _, overlay := range []string{"base", "prometheus-operator", "organization"} {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kustomize/"+overlay)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range built.Resources() {
			text, err := resource.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			object, kind, err := strict.Decode(text, nil, nil)
			if err != nil {
				t.Errorf("%s: %v\n%s", overlay, err, text)
				continue
			}
			if overlay != "organization" {
				continue
			}
			switch object := object.(type) {
			case *corev1.ConfigMap:
				if !strings.Contains(object.Data["config.yaml"], "discovery: organization") {
					t.Errorf("the configuration is not that of the overlay:\n%s", text)
				}
			case *corev1.ServiceAccount:
				if object.Annotations["eks.amazonaws.com/role-arn"] == "" {
					t.Errorf("no role:\n%s", text)
				}
			}
			if kind.Group == "monitoring.coreos.com" && resource.GetLabels()["release"] != "prometheus" {
				t.Errorf("%s is not selected by Prometheus", kind.Kind)
			}
		}
	}
}

// TestGitOpsExamples renders the chart with the values of the examples for Flux and Argo CD.
func TestGitOpsExamples(t *testing.T) {
	for file, path := range map[string][]string{
		"flux.yaml":   {"spec", "values"},
		"argocd.yaml": {"spec", "source", "helm", "valuesObject"},
	} {
		b, err := os.ReadFile("../gitops/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for text := range strings.SplitSeq(string(b), "\n---\n") {
			var values any
			if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, key := range path {
				if m, ok := values.(map[string]any); ok {
					values = m[key]
				}
			}
			if values == nil {
				continue
			}
			found = true
			all := objects(t, asJSON(t, values))
			if _, ok := all["PrometheusRule/"+fullname]; !ok {
				t.Errorf("%s: there are no rules among %v", file, all)
			}
		}
		if !found {
			t.Errorf("%s has no values", file)
		}
	}
}
