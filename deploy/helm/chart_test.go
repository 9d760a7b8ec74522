package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/strvals"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	directory = "access-analyzer-exporter"
	release   = "watch"
	fullname  = "watch-access-analyzer-exporter"
	namespace = "monitoring"
)

// strict rejects fields that a type does not have.
var strict = func() runtime.Decoder {
	if err := monitoringv1.AddToScheme(scheme.Scheme); err != nil {
		panic(err)
	}
	return serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
}()

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// render is helm template: the values over the defaults, checked against the
// schema, and the files that come of it.
func render(t *testing.T, values string) (map[string]string, error) {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal([]byte(values), &v); err != nil {
		t.Fatal(err)
	}
	c := load(t)
	all, err := chartutil.ToRenderValues(c, v, chartutil.ReleaseOptions{
		Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
	}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// document is one manifest, and the template that it came of.
type document struct{ file, text string }

// documents are the manifests that the chart makes of the values.
func documents(t *testing.T, values string) []document {
	t.Helper()
	files, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	var all []document
	for file, text := range files {
		if strings.HasSuffix(file, "NOTES.txt") {
			continue
		}
		for text := range strings.SplitSeq("\n"+text, "\n---\n") {
			if strings.TrimSpace(text) != "" {
				all = append(all, document{file, text})
			}
		}
	}
	return all
}

// objects are the rendered manifests by kind and name, each decoded strictly.
func objects(t *testing.T, values string) map[string]runtime.Object {
	t.Helper()
	all := map[string]runtime.Object{}
	for _, d := range documents(t, values) {
		if strings.Contains(d.text, "kind: GrafanaDashboard\n") {
			continue // TestGrafanaOperator
		}
		object, kind, err := strict.Decode([]byte(d.text), nil, nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", d.file, err, d.text)
			continue
		}
		var meta struct {
			Metadata struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal([]byte(d.text), &meta); err != nil {
			t.Fatal(err)
		}
		if meta.Metadata.Namespace != namespace {
			t.Errorf("%s %s is in namespace %q", kind.Kind, meta.Metadata.Name, meta.Metadata.Namespace)
		}
		all[kind.Kind+"/"+meta.Metadata.Name] = object
	}
	return all
}

func get[T runtime.Object](t *testing.T, all map[string]runtime.Object, key string) T {
	t.Helper()
	object, ok := all[key].(T)
	if !ok {
		t.Fatalf("no %s among %v", key, slices.Sorted(maps.Keys(all)))
	}
	return object
}

// pod is the pod of the workload, whichever kind it is.
func pod(t *testing.T, all map[string]runtime.Object, name string) corev1.PodTemplateSpec {
	t.Helper()
	if s, ok := all["StatefulSet/"+name].(*appsv1.StatefulSet); ok {
		return s.Spec.Template
	}
	return get[*appsv1.Deployment](t, all, "Deployment/"+name).Spec.Template
}

func valueSets(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Those that chart-testing installs.
	ofChart, err := filepath.Glob(directory + "/ci/*-values.yaml")
	if err != nil || len(ofChart) == 0 {
		t.Fatalf("no values in ci/ (%v)", err)
	}
	files = append(files, ofChart...)
	sets := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sets[strings.TrimSuffix(filepath.Base(file), ".yaml")] = string(b)
	}
	if len(sets) < 12 {
		t.Fatalf("%d sets of values, want at least 12", len(sets))
	}
	return sets
}

// TestEverySetOfValues lints the chart and renders it with each set, and holds
// what comes of it to the types of the Kubernetes API and to what is so with
// any values.
func TestEverySetOfValues(t *testing.T) {
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			var v map[string]any
			if err := yaml.Unmarshal([]byte(values), &v); err != nil {
				t.Fatal(err)
			}
			for _, m := range lint.All(directory, v, namespace, true).Messages {
				if m.Severity > support.InfoSev {
					t.Errorf("lint: %v", m)
				}
			}
			all := objects(t, values)
			name := fullname
			if override, ok := v["fullnameOverride"].(string); ok {
				name = override
			}
			p := pod(t, all, name)
			service := get[*corev1.Service](t, all, "Service/"+name)
			for k, want := range service.Spec.Selector {
				if p.Labels[k] != want {
					t.Errorf("the service selects %s=%s, the pods have %q", k, want, p.Labels[k])
				}
			}
			c := p.Spec.Containers[0]
			if s := c.SecurityContext; s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("the container is not confined: %+v", s)
			}
			if s := p.Spec.SecurityContext; s == nil || !*s.RunAsNonRoot || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("the pod is not confined: %+v", s)
			}
			if c.LivenessProbe == nil || c.ReadinessProbe == nil || c.Resources.Requests.Memory().IsZero() {
				t.Error("no probes or no resources")
			}
			volumes := map[string]bool{}
			for _, volume := range p.Spec.Volumes {
				volumes[volume.Name] = true
			}
			for _, mount := range c.VolumeMounts {
				if !volumes[mount.Name] {
					t.Errorf("%s is mounted and there is no such volume", mount.Name)
				}
				if mount.SubPath != "" {
					t.Errorf("%s is mounted as a file: it is never updated", mount.Name)
				}
			}
		})
	}
}

func TestOneOrMany(t *testing.T) {
	all := objects(t, "")
	d := get[*appsv1.Deployment](t, all, "Deployment/"+fullname)
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("%d replicas, %+v", *d.Spec.Replicas, d.Spec.Strategy)
	}
	if args := strings.Join(pod(t, all, fullname).Spec.Containers[0].Args, " "); strings.Contains(args, "--shard") {
		t.Errorf("one exporter has shard flags: %s", args)
	}

	all = objects(t, "shards: 3")
	s := get[*appsv1.StatefulSet](t, all, "StatefulSet/"+fullname)
	if *s.Spec.Replicas != 3 || s.Spec.ServiceName != fullname || s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		t.Errorf("%d replicas, service %s, %s", *s.Spec.Replicas, s.Spec.ServiceName, s.Spec.PodManagementPolicy)
	}
	if _, ok := all["Deployment/"+fullname]; ok {
		t.Error("a Deployment as well")
	}
	c := s.Spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Args, "--shard.total=3") {
		t.Errorf("args %v", c.Args)
	}
	index := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "ACCESS_ANALYZER_EXPORTER_SHARD_INDEX" })
	if index < 0 || c.Env[index].ValueFrom.FieldRef.FieldPath != "metadata.name" {
		t.Errorf("env %v", c.Env)
	}
	if service := get[*corev1.Service](t, all, "Service/"+fullname); service.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("the service has an address: %s", service.Spec.ClusterIP)
	}
}

func TestConfigurationIsMountedAndReloaded(t *testing.T) {
	all := objects(t, `config: {accounts: {discovery: organization, include: ["012345678901"]}, assume_role: {name: audit}}`)
	m := get[*corev1.ConfigMap](t, all, "ConfigMap/"+fullname)
	var got map[string]map[string]any
	if err := yaml.Unmarshal([]byte(m.Data["config.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	if got["accounts"]["discovery"] != "organization" || fmt.Sprint(got["accounts"]["include"]) != "[012345678901]" || got["assume_role"]["name"] != "audit" {
		t.Errorf("config.yaml is\n%s", m.Data["config.yaml"])
	}
	p := pod(t, all, fullname)
	args := strings.Join(p.Spec.Containers[0].Args, " ")
	if !strings.Contains(args, p.Spec.Containers[0].VolumeMounts[0].MountPath+"/config.yaml") || !strings.Contains(args, "--config.auto-reload-interval=") {
		t.Errorf("args %s", args)
	}
	for name := range p.Annotations {
		if strings.Contains(name, "checksum") {
			t.Errorf("%s restarts pods that would have reloaded", name)
		}
	}
	if name := p.Spec.Volumes[0].ConfigMap.Name; name != fullname {
		t.Errorf("mounted is %s", name)
	}
	all = objects(t, "existingConfigMap: mine")
	if name := pod(t, all, fullname).Spec.Volumes[0].ConfigMap.Name; name != "mine" {
		t.Errorf("mounted is %s", name)
	}
	if _, ok := all["ConfigMap/"+fullname]; ok {
		t.Error("an unused ConfigMap")
	}
}

// Policies of checks are part of the configuration, or in a ConfigMap that is mounted
// where the configuration refers to.
func TestPolicyChecks(t *testing.T) {
	all := objects(t, valueSets(t)["policy-checks"])
	var got struct {
		Policies struct {
			Checks []struct {
				NoNewAccess string `json:"no_new_access"`
			}
		}
	}
	if err := yaml.Unmarshal([]byte(get[*corev1.ConfigMap](t, all, "ConfigMap/"+fullname).Data["config.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	inline, file := got.Policies.Checks[0].NoNewAccess, got.Policies.Checks[1].NoNewAccess
	if !json.Valid([]byte(inline)) {
		t.Errorf("the policy became %q", inline)
	}
	p := pod(t, all, fullname)
	mounted := slices.ContainsFunc(p.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.MountPath == filepath.Dir(file) && slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Name == m.Name && v.ConfigMap != nil && v.ConfigMap.Name == "policy-checks"
		})
	})
	if !mounted {
		t.Errorf("%s is on no volume: %+v", file, p.Spec.Containers[0].VolumeMounts)
	}
}

func TestCredentials(t *testing.T) {
	all := objects(t, "aws: {roleArn: 'arn:aws:iam::111122223333:role/hub', region: eu-west-1}")
	account := get[*corev1.ServiceAccount](t, all, "ServiceAccount/"+fullname)
	if account.Annotations["eks.amazonaws.com/role-arn"] != "arn:aws:iam::111122223333:role/hub" {
		t.Errorf("annotations %v", account.Annotations)
	}
	p := pod(t, all, fullname)
	if p.Spec.ServiceAccountName != fullname || *p.Spec.AutomountServiceAccountToken || *account.AutomountServiceAccountToken {
		t.Errorf("service account %s, token of the API mounted: %v", p.Spec.ServiceAccountName, *p.Spec.AutomountServiceAccountToken)
	}
	if !slices.Contains(p.Spec.Containers[0].Env, corev1.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}) {
		t.Errorf("env %v", p.Spec.Containers[0].Env)
	}
	all = objects(t, "serviceAccount: {create: false, name: theirs}")
	if name := pod(t, all, fullname).Spec.ServiceAccountName; name != "theirs" {
		t.Errorf("service account %s", name)
	}
	if _, ok := all["ServiceAccount/theirs"]; ok {
		t.Error("the service account that is not to be created is")
	}
}

func TestWebConfiguration(t *testing.T) {
	all := objects(t, "web: {existingSecret: tls, scheme: https}\nserviceMonitor: {enabled: true, tlsConfig: {insecureSkipVerify: true}}")
	p := pod(t, all, fullname)
	c := p.Spec.Containers[0]
	const file, health = "--web.config.file=/etc/access-analyzer-exporter/web/web.yaml", "--web.health-listen-address=127.0.0.1:10290"
	if !slices.Contains(c.Args, file) || !slices.Contains(c.Args, health) || p.Spec.Volumes[1].Secret.SecretName != "tls" || c.VolumeMounts[1].MountPath != "/etc/access-analyzer-exporter/web" {
		t.Errorf("args %v, volumes %v", c.Args, p.Spec.Volumes)
	}
	// A missing Secret keeps the pod from starting: nothing serves without what
	// was asked for.
	if optional := p.Spec.Volumes[1].Secret.Optional; optional != nil && *optional {
		t.Error("the Secret is optional")
	}
	if exec := c.LivenessProbe.Exec; exec == nil || !slices.Contains(exec.Command, health) || slices.Contains(exec.Command, "--ready") {
		t.Errorf("liveness %+v", c.LivenessProbe)
	}
	if exec := c.ReadinessProbe.Exec; exec == nil || !slices.Contains(exec.Command, health) || !slices.Contains(exec.Command, "--ready") {
		t.Errorf("readiness %+v", c.ReadinessProbe)
	}
	if m := get[*monitoringv1.ServiceMonitor](t, all, "ServiceMonitor/"+fullname); m.Spec.Endpoints[0].Scheme.String() != "https" || !*m.Spec.Endpoints[0].TLSConfig.InsecureSkipVerify {
		t.Errorf("endpoints %+v", m.Spec.Endpoints)
	}
}

func TestExternalIDFromASecret(t *testing.T) {
	all := objects(t, "config: {assume_role: {name: audit}}\nexternalId: {existingSecret: trust, key: id}")
	m := get[*corev1.ConfigMap](t, all, "ConfigMap/"+fullname)
	var got map[string]map[string]any
	if err := yaml.Unmarshal([]byte(m.Data["config.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	p := pod(t, all, fullname)
	mount, volume := p.Spec.Containers[0].VolumeMounts[1], p.Spec.Volumes[1]
	if got["assume_role"]["external_id_file"] != mount.MountPath+"/id" || got["assume_role"]["name"] != "audit" {
		t.Errorf("config.yaml is\n%s", m.Data["config.yaml"])
	}
	if mount.Name != volume.Name || !mount.ReadOnly || volume.Secret.SecretName != "trust" || volume.Secret.Items[0].Key != "id" {
		t.Errorf("mount %+v, volume %+v", mount, volume)
	}
	if p = pod(t, objects(t, ""), fullname); len(p.Spec.Volumes) != 1 {
		t.Errorf("volumes %v", p.Spec.Volumes)
	}
}

func TestServiceMonitorKeepsLabels(t *testing.T) {
	all := objects(t, "serviceMonitor: {enabled: true, labels: {release: prometheus}}")
	m := get[*monitoringv1.ServiceMonitor](t, all, "ServiceMonitor/"+fullname)
	e := m.Spec.Endpoints[0]
	service := get[*corev1.Service](t, all, "Service/"+fullname)
	if !e.HonorLabels || e.Port != service.Spec.Ports[0].Name || m.Labels["release"] != "prometheus" {
		t.Errorf("%+v with labels %v", e, m.Labels)
	}
	for k, v := range m.Spec.Selector.MatchLabels {
		if service.Labels[k] != v {
			t.Errorf("it selects %s=%s, the service has %q", k, v, service.Labels[k])
		}
	}
	// What the rules know the job by: without a jobLabel it is the service.
	if m.Spec.JobLabel != "" || !regexp.MustCompile(`.*access-analyzer-exporter.*`).MatchString(service.Name) {
		t.Errorf("the job is %s", service.Name)
	}
}

// The chart links to what Grafana is given elsewhere, so that there is no second copy.
func TestDashboardsAreTheOnesOfTheProject(t *testing.T) {
	all := objects(t, "dashboards: {enabled: true, annotations: {grafana_folder: AWS}}")
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards (%v)", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := fullname + "-" + strings.TrimPrefix(strings.TrimSuffix(filepath.Base(file), ".json"), "access-analyzer-")
		m := get[*corev1.ConfigMap](t, all, "ConfigMap/"+name)
		if m.Labels["grafana_dashboard"] != "1" || m.Annotations["grafana_folder"] != "AWS" {
			t.Errorf("%s: labels %v, annotations %v", name, m.Labels, m.Annotations)
		}
		if !bytes.Equal(bytes.TrimSpace([]byte(m.Data[filepath.Base(file)])), bytes.TrimSpace(b)) {
			t.Errorf("%s is not %s", name, file)
		}
		if size := len(b); size > 1<<20 {
			t.Errorf("%s has %d bytes, a ConfigMap holds 1 MiB", file, size)
		}
	}
	for key := range objects(t, "") {
		if kind, _, _ := strings.Cut(key, "/"); slices.Contains([]string{"PrometheusRule", "ServiceMonitor", "NetworkPolicy", "PodDisruptionBudget"}, kind) {
			t.Errorf("%s is there without having been asked for", key)
		}
	}
}

// TestPortal checks that links of dashboards go through the access portal of the
// configuration, whichever operator loads them. deploy/mixin tests all links.
func TestPortal(t *testing.T) {
	const portal = `"url": "https://example.awsapps.com/start/#/console?account_id=${__data.fields.account_id}&role_name=Security%2BAudit&destination=https%3A%2F%2F${__data.fields.console:percentencode}%23%2Fanalyzers"`
	const config = "config: {aws: {sso_start_url: 'https://example.awsapps.com/start', sso_role: Security+Audit}}"
	for _, values := range []string{
		"{dashboards: {enabled: true}, " + config + "}",
		"{dashboards: {grafanaOperator: {enabled: true}}, " + config + "}",
		"{dashboards: {enabled: true}, existingConfigMap: own, prometheusRule: {" + config + "}}",
	} {
		found := 0
		for _, d := range documents(t, values) {
			if strings.Contains(d.text, `"https://${__data.fields.console}`) {
				t.Errorf("%s has a link to the console itself with %s", d.file, values)
			}
			found += strings.Count(d.text, portal)
		}
		if found == 0 {
			t.Errorf("no link goes through the portal with %s", values)
		}
	}
}

func TestNetworkPolicy(t *testing.T) {
	all := objects(t, "networkPolicy: {enabled: true, from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prometheus}}}], extraEgress: [{ports: [{port: 4318}]}]}")
	n := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy/"+fullname)
	p := pod(t, all, fullname)
	for k, v := range n.Spec.PodSelector.MatchLabels {
		if p.Labels[k] != v {
			t.Errorf("it selects %s=%s, the pods have %q", k, v, p.Labels[k])
		}
	}
	if len(n.Spec.PolicyTypes) != 2 || len(n.Spec.Ingress) != 1 || len(n.Spec.Ingress[0].From) != 1 || n.Spec.Ingress[0].Ports[0].Port.String() != p.Spec.Containers[0].Ports[0].Name {
		t.Errorf("%+v", n.Spec)
	}
	var ports []string
	for _, rule := range n.Spec.Egress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	if got := strings.Join(ports, " "); got != "53 53 443 80 4318" {
		t.Errorf("it lets out to %s", got)
	}
	// The role of the node has more permissions than the exporter needs.
	for values, want := range map[string]int{"networkPolicy: {enabled: true}": 2, "networkPolicy: {enabled: true, nodeMetadata: true}": 4} {
		n := get[*networkingv1.NetworkPolicy](t, objects(t, values), "NetworkPolicy/"+fullname)
		to := n.Spec.Egress[2].To
		metadata := slices.ContainsFunc(to, func(p networkingv1.NetworkPolicyPeer) bool {
			return strings.HasPrefix(p.IPBlock.CIDR, "169.254.169.254/")
		})
		if len(to) != want || metadata != (want == 4) {
			t.Errorf("%s: it lets out to %v", values, to)
		}
	}
}

func TestPodDisruptionBudget(t *testing.T) {
	all := objects(t, "podDisruptionBudget: {enabled: true, maxUnavailable: 25%}\nshards: 4")
	b := get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/"+fullname)
	if b.Spec.MaxUnavailable.String() != "25%" || b.Spec.Selector.MatchLabels["app.kubernetes.io/instance"] != release {
		t.Errorf("%+v", b.Spec)
	}
}

func TestNamesLabelsAndVariables(t *testing.T) {
	all := objects(t, `
nameOverride: my-access-analyzer-exporter
commonLabels: {team: security}
image: {registry: registry.example.org, repository: exporter, tag: mine}
service: {labels: {a: b}, annotations: {c: d}}
env: {HTTPS_PROXY: "http://proxy.example.org:3128"}
replicas: 2
extraManifests:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: extra, namespace: "{{ .Release.Namespace }}"}}
  - |
    apiVersion: v1
    kind: Secret
    metadata:
      name: {{ include "exporter.name" . }}-extra
      namespace: {{ .Release.Namespace }}
`)
	const name = "watch-my-access-analyzer-exporter"
	d := get[*appsv1.Deployment](t, all, "Deployment/"+name)
	p := d.Spec.Template
	if *d.Spec.Replicas != 2 || d.Labels["team"] != "security" || p.Labels["team"] != "security" || p.Labels["app.kubernetes.io/name"] != "my-access-analyzer-exporter" {
		t.Errorf("%d replicas, labels %v and %v", *d.Spec.Replicas, d.Labels, p.Labels)
	}
	if d.Spec.Selector.MatchLabels["team"] != "" {
		t.Error("the selector, which cannot be changed, has a common label")
	}
	c := p.Spec.Containers[0]
	if c.Image != "registry.example.org/exporter:mine" || len(c.Env) != 1 || c.Env[0].Name != "HTTPS_PROXY" {
		t.Errorf("image %s, env %v", c.Image, c.Env)
	}
	if s := get[*corev1.Service](t, all, "Service/"+name); s.Labels["a"] != "b" || s.Annotations["c"] != "d" {
		t.Errorf("labels %v, annotations %v", s.Labels, s.Annotations)
	}
	get[*corev1.ConfigMap](t, all, "ConfigMap/extra")
	get[*corev1.Secret](t, all, "Secret/"+name+"-extra")
}

// TestService checks each type of Service, and that helm test and the notes use its port. A
// headless one does not translate the port.
func TestService(t *testing.T) {
	for _, test := range []struct{ values, kind, address, port string }{
		{"", "ClusterIP", "None", "10289"},
		{"service: {port: 80}", "ClusterIP", "None", "10289"},
		{"service: {port: 80, clusterIP: ''}", "ClusterIP", "", "80"},
		{"service: {type: NodePort}", "NodePort", "", "10289"},
		{"service: {type: LoadBalancer, port: 80}", "LoadBalancer", "", "80"},
	} {
		s := get[*corev1.Service](t, objects(t, test.values), "Service/"+fullname).Spec
		if string(s.Type) != test.kind || s.ClusterIP != test.address || s.Ports[0].TargetPort.StrVal != "http" {
			t.Errorf("%q: %+v", test.values, s)
		}
		files, err := render(t, test.values)
		if err != nil {
			t.Fatal(err)
		}
		want := fullname + "." + namespace + ":" + test.port
		for _, file := range []string{"/templates/tests/health.yaml", "/templates/NOTES.txt"} {
			if !strings.Contains(files[directory+file], want+"\n") && !strings.Contains(files[directory+file], want+" ") {
				t.Errorf("%q: %s does not have %s", test.values, file, want)
			}
		}
	}
}

// TestMonitoringNamespace creates the operator's objects in another namespace, from where
// the ServiceMonitor selects that of the release.
func TestMonitoringNamespace(t *testing.T) {
	files, err := render(t, "{serviceMonitor: {enabled: true, namespace: prometheus}, prometheusRule: {enabled: true, namespace: prometheus}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"servicemonitor.yaml", "prometheusrule.yaml"} {
		if text := files[directory+"/templates/"+file]; !strings.Contains(text, "  namespace: prometheus\n") {
			t.Errorf("%s:\n%.400s", file, text)
		}
	}
	var m monitoringv1.ServiceMonitor
	if err := yaml.UnmarshalStrict([]byte(files[directory+"/templates/servicemonitor.yaml"]), &m); err != nil {
		t.Fatal(err)
	}
	if got := m.Spec.NamespaceSelector.MatchNames; !slices.Equal(got, []string{namespace}) {
		t.Errorf("selects the namespaces %v", got)
	}
}

// TestHelmTest queries the health of the exporter through its Service.
func TestHelmTest(t *testing.T) {
	p := get[*corev1.Pod](t, objects(t, "web: {existingSecret: s, scheme: https}"), "Pod/"+fullname+"-test")
	args := strings.Join(p.Spec.Containers[0].Args, " ")
	if p.Annotations["helm.sh/hook"] != "test" || !strings.Contains(args, "--web.listen-address="+fullname+"."+namespace+":10289") ||
		!strings.Contains(args, "--web.config.file=") || len(p.Spec.Volumes) != 1 {
		t.Errorf("args %s, annotations %v", args, p.Annotations)
	}
}

// TestGrafanaOperator renders the dashboards as the resources of the Grafana operator.
// https://grafana.github.io/grafana-operator/docs/api/#grafanadashboardspec
func TestGrafanaOperator(t *testing.T) {
	found := 0
	for _, d := range documents(t, "dashboards: {grafanaOperator: {enabled: true, folder: Security}}") {
		var dashboard struct {
			APIVersion, Kind string
			Metadata         struct {
				Name, Namespace string
				Labels          map[string]string
			}
			Spec struct {
				AllowCrossNamespaceImport bool
				Folder                    string
				InstanceSelector          struct{ MatchLabels map[string]string }
				JSON                      string
			}
		}
		if !strings.Contains(d.text, "kind: GrafanaDashboard\n") {
			continue
		}
		found++
		if err := yaml.UnmarshalStrict([]byte(d.text), &dashboard); err != nil {
			t.Fatal(err)
		}
		spec := dashboard.Spec
		if !json.Valid([]byte(spec.JSON)) || spec.Folder != "Security" || spec.InstanceSelector.MatchLabels["dashboards"] != "grafana" || dashboard.Metadata.Namespace != namespace {
			t.Errorf("%s: %.200s", dashboard.Metadata.Name, d.text)
		}
	}
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if found != len(files) || found == 0 {
		t.Errorf("%d dashboards of %d files", found, len(files))
	}
}

func TestInvalidValues(t *testing.T) {
	for values, want := range map[string]string{
		"shards: 0":                "/shards",
		"shards: two":              "/shards",
		"shards: 1.5":              "/shards",
		"replica: 2":               "replica",
		"replicas: 0":              "/replicas",
		"{replicas: 2, shards: 2}": "a shard has one replica",
		"nameOverride: watcher":    "must contain access-analyzer-exporter",
		"env: {AWS_PROFILE: 1}":    "/env/AWS_PROFILE",
		"dashboards: {enabled: true, grafanaOperator: {enabled: true}}": "loaded twice",
		"config: {acounts: {}}":                                                            "acounts",
		"config: {accounts: {discovery: all}}":                                             "/config/accounts/discovery",
		"config: {accounts: {include: [12345]}}":                                           "/config/accounts/include/0",
		"config: {stale_after: 3600}":                                                      "/config/stale_after",
		"config: {assume_role: {external_id: 012345678901}}":                               "/config/assume_role/external_id",
		"config: {assume_role: {external_id_file: 1}}":                                     "/config/assume_role/external_id_file",
		"config: {assume_role: {name: 7}}":                                                 "/config/assume_role/name",
		"config: {accounts: {static: [{id: 012345678901}]}}":                               "/config/accounts/static/0/id",
		"config: {accounts: {organization_admins: [123456789012]}}":                        "/config/accounts/organization_admins/0",
		"config: {coverage: {exemptions: [{account: 012345678901}]}}":                      "/config/coverage/exemptions/0/account",
		"config: {policies: {enabled: \"yes\"}}":                                           "/config/policies/enabled",
		"config: {events: {queue_url: 1}}":                                                 "/config/events/queue_url",
		"config: {regions: {include: [1]}}":                                                "/config/regions/include/0",
		"config: {assume_role: {external_id: an-id}}\nexternalId: {existingSecret: other}": "one of them would be ignored",
		"config: {sweep: {}}\nexistingConfigMap: x":                                        "one of them would be ignored",
		"image: {digest: latest}":                                                          "/image/digest",
		"image: {pullPolicy: Sometimes}":                                                   "/image/pullPolicy",
		"aws: {roleArn: hub}":                                                              "/aws/roleArn",
		"aws: {region: Ireland}":                                                           "/aws/region",
		"log: {level: loud}":                                                               "/log/level",
		"web: {scheme: https}":                                                             "/web/existingSecret",
		"podDisruptionBudget: {maxUnavailable: 0}":                                         "/podDisruptionBudget/maxUnavailable",
		"serviceMonitor: {interval: often}":                                                "/serviceMonitor/interval",
		"extraArgs: [shard.total]":                                                         "/extraArgs/0",
		"extraArgs: ['--shard.total=3']":                                                   "/extraArgs/0",
		"extraEnv: [{value: x}]":                                                           "/extraEnv/0",
		"serviceAccount: {create: false}":                                                  "serviceAccount.create=false needs serviceAccount.name",
		"fullnameOverride: exporter":                                                       "must contain access-analyzer-exporter",
		"resources: {memory: 1Gi}":                                                         "memory",
		"podLabels: {tier: 1}":                                                             "/podLabels/tier",
		"terminationGracePeriodSeconds: 0":                                                 "/terminationGracePeriodSeconds",
		"topologySpreadConstraints: {maxSkew: 1}":                                          "/topologySpreadConstraints",
		"dashboards: {enabled: 'yes'}":                                                     "/dashboards/enabled",
		"networkPolicy: {from: {ipBlock: 10.0.0.0}}":                                       "/networkPolicy/from",
		"serviceAccount: {create: false, name: a}\naws: {roleArn: 'arn:aws:iam::111122223333:role/hub'}": "leave aws.roleArn empty",
		"fullnameOverride: access-analyzer-exporter-for-the-whole-of-an-organization":                    "longer than 52 characters",
	} {
		_, err := render(t, values)
		if err == nil {
			t.Errorf("%s is accepted", values)
			continue
		}
		message := strings.NewReplacer("config.accounts.include.0", "/config/accounts/include/0").Replace(err.Error())
		if !strings.Contains(message, want) && !strings.Contains(message, strings.ReplaceAll(strings.TrimPrefix(want, "/"), "/", ".")) {
			t.Errorf("%s: the message does not have %q:\n%v", values, want, err)
		}
	}
}

// The schema has the sections of the configuration, so that one that is
// misspelt does not wait for the pod to say so.
func TestSchemaHasTheConfiguration(t *testing.T) {
	var schema struct {
		Properties struct {
			Config struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(load(t).Schema, &schema); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(schema.Properties.Config.Properties)), slices.Sorted(maps.Keys(config)); !slices.Equal(got, want) {
		t.Errorf("the schema has %v, config.yaml %v", got, want)
	}
}

func TestSchemaHasEveryValue(t *testing.T) {
	c := load(t)
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema.Properties, "global")
	if got, want := slices.Sorted(maps.Keys(schema.Properties)), slices.Sorted(maps.Keys(c.Values)); !slices.Equal(got, want) {
		t.Errorf("the schema has %v, values.yaml %v", got, want)
	}
}

func TestVersionIsTheExporters(t *testing.T) {
	b, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	c := load(t)
	if version := strings.TrimSpace(string(b)); c.Metadata.AppVersion != version || c.Metadata.Version != version {
		t.Errorf("the chart has version %s of exporter %s, VERSION says %s", c.Metadata.Version, c.Metadata.AppVersion, version)
	}
	b, err = os.ReadFile("../urls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var urls struct{ Repository string }
	if err := yaml.Unmarshal(b, &urls); err != nil {
		t.Fatal(err)
	}
	if c.Metadata.Home != urls.Repository || c.Metadata.Sources[0] != urls.Repository {
		t.Errorf("the chart is at home at %s, ../urls.yaml says %s", c.Metadata.Home, urls.Repository)
	}
	_, path, _ := strings.Cut(urls.Repository, "github.com/")
	image := c.Values["image"].(map[string]any)
	if want := "ghcr.io/" + path; fmt.Sprint(image["registry"], "/", image["repository"]) != want {
		t.Errorf("the image is not %s", want)
	}
}

func TestNotesHaveTheNextStep(t *testing.T) {
	for values, want := range map[string]string{
		"":          "config.accounts.discovery=organization",
		"shards: 2": "rollout status statefulset/" + fullname,
		"web: {existingSecret: s, scheme: https}":              "curl --insecure https://",
		"aws: {roleArn: 'arn:aws:iam::111122223333:role/hub'}": "The exporter runs as arn:aws:iam::111122223333:role/hub.",
		"serviceMonitor: {enabled: false}":                     "Prometheus does not scrape the exporter yet",
	} {
		files, err := render(t, values)
		if err != nil {
			t.Fatal(err)
		}
		if notes := files[directory+"/templates/NOTES.txt"]; !strings.Contains(notes, want) {
			t.Errorf("%s: the notes do not have %q:\n%s", values, want, notes)
		}
	}
}

// What docs/install.md says to write into values.yaml is accepted, and gives
// the previous configuration.
func TestInstallationGuideHolds(t *testing.T) {
	b, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(config:.*?)```").FindSubmatch(b)
	if m == nil {
		t.Fatal("no values in docs/install.md")
	}
	objects := objects(t, string(m[1])+"fullnameOverride: access-analyzer-exporter # the release has this name\n")
	for _, key := range []string{"Deployment", "ServiceAccount", "ServiceMonitor", "PrometheusRule"} {
		if _, ok := objects[key+"/access-analyzer-exporter"]; !ok {
			t.Errorf("there is no %s among %v", key, slices.Sorted(maps.Keys(objects)))
		}
	}
	for _, m := range regexp.MustCompile(`--set ([^\s`+"`"+`]+)`).FindAllSubmatch(b, -1) {
		values, err := strvals.Parse(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := render(t, asJSON(t, values)); err != nil {
			t.Errorf("--set %s: %v", m[1], err)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
