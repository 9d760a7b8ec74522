package helm

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// TestServerAccepts has a Kubernetes API server admit, as a dry run, all that
// the chart makes of each set of values: with its own validation and defaults,
// strict about fields, and with pods held to the restricted standard.
func TestServerAccepts(t *testing.T) {
	binaries := os.Getenv("KUBERNETES")
	if binaries == "" {
		t.Skip("an API server takes many minutes to build: make helm-server")
	}
	s := startServer(t, binaries)
	for name, values := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			for _, object := range manifests(t, values) {
				if err := s.dryRun(t.Context(), object); err != nil {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
			}
			if err := s.dryRunPod(t.Context(), values, t); err != nil {
				t.Errorf("its pod: %v", err)
			}
		})
	}
	t.Run("mistakes", func(t *testing.T) { s.rejectsMistakes(t) })
}

// rejectsMistakes shows that what the server accepts, it has looked at.
func (s *server) rejectsMistakes(t *testing.T) {
	values := valueSets(t)["everything"]
	for _, c := range []struct {
		kind string
		path []string
		set  any
		want string
	}{
		{"StatefulSet", []string{"spec", "replicaz"}, int64(1), "unknown field"},
		{"StatefulSet", []string{"spec", "template", "spec", "restartPolicy"}, "Never", "restartPolicy"},
		{"ServiceMonitor", []string{"spec", "endpointz"}, []any{}, "unknown field"},
		{"PrometheusRule", []string{"spec", "groups"}, "none", "spec.groups"},
		{"NetworkPolicy", []string{"spec", "policyTypes"}, []any{"Sideways"}, "policyTypes"},
		{"PodDisruptionBudget", []string{"spec", "maxUnavailable"}, "half", "maxUnavailable"},
	} {
		for _, object := range manifests(t, values) {
			if object.GetKind() != c.kind {
				continue
			}
			if err := unstructured.SetNestedField(object.Object, c.set, c.path...); err != nil {
				t.Fatal(err)
			}
			if err := s.dryRun(t.Context(), object); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s with %s: %v: %v", c.kind, strings.Join(c.path, "."), c.set, err)
			}
		}
	}
	err := s.dryRunPod(t.Context(), "podSecurityContext: {runAsNonRoot: false}", t)
	if err == nil || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("a pod that may be root: %v", err)
	}
}

// manifests are what the chart makes of the values.
func manifests(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, d := range documents(t, values) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(d.text), &object.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, object)
	}
	return all
}

// server is a Kubernetes API server with the resources of the Prometheus
// operator, and with a namespace that is held to the restricted standard.
type server struct {
	objects   dynamic.Interface
	typed     *kubernetes.Clientset
	resources map[schema.GroupVersionKind]string
}

// strictDryRun is admission without effect.
var strictDryRun = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}

func (s *server) dryRun(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	resource := kind.GroupVersion().WithResource(s.resources[kind])
	_, err := s.objects.Resource(resource).Namespace(object.GetNamespace()).Create(ctx, object, strictDryRun)
	return err
}

// dryRunPod asks for a pod as the workload would make it: no controller is
// there to make one.
func (s *server) dryRunPod(ctx context.Context, values string, t *testing.T) error {
	t.Helper()
	name := fullname
	for _, object := range manifests(t, values) {
		if slices.Contains([]string{"Deployment", "StatefulSet"}, object.GetKind()) {
			name = object.GetName()
		}
	}
	template := pod(t, objects(t, values), name)
	// Pods are rejected until their service account exists, which a dry run does not create.
	accounts := s.typed.CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: template.Spec.ServiceAccountName}}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	p := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	p.Name = name + "-0"
	_, err := s.typed.CoreV1().Pods(namespace).Create(ctx, p, strictDryRun)
	return errors.Join(err, accounts.Delete(ctx, account.Name, metav1.DeleteOptions{}))
}

// startServer runs etcd and an API server on the loopback interface, from
// binaries, where the definitions of the operator's resources are too.
func startServer(t *testing.T, binaries string) *server {
	t.Helper()
	dir := t.TempDir()
	etcd, peers := "http://"+freeAddress(t), "http://"+freeAddress(t)
	run(t, filepath.Join(binaries, "etcd"), "--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd, "--listen-peer-urls="+peers,
		"--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)

	const token = "of-this-test-alone"
	key, tokens := filepath.Join(dir, "key.pem"), filepath.Join(dir, "tokens.csv")
	writeKey(t, key)
	if err := os.WriteFile(tokens, []byte(token+",tester,tester,system:masters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	run(t, filepath.Join(binaries, "kube-apiserver"), "--etcd-servers="+etcd, "--bind-address="+host, "--secure-port="+port,
		"--cert-dir="+filepath.Join(dir, "certificates"), "--token-auth-file="+tokens, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+key,
		"--service-account-signing-key-file="+key, "--service-cluster-ip-range=10.0.0.0/24", "--v=0")

	config := &rest.Config{Host: "https://" + address, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{objects: objects, typed: typed}
	s.await(t, "the API server", func(ctx context.Context) bool {
		return typed.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	})
	s.define(t, filepath.Join(binaries, "crds"))
	restricted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if _, err := typed.CoreV1().Namespaces().Create(t.Context(), restricted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// define makes the server know the operator's resources, and learns what
// resources there are.
func (s *server) define(t *testing.T, definitions string) {
	t.Helper()
	resource := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	for _, plural := range []string{"servicemonitors", "prometheusrules"} {
		b, err := os.ReadFile(filepath.Join(definitions, "monitoring.coreos.com_"+plural+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(b, &definition.Object); err != nil {
			t.Fatal(err)
		}
		if _, err := s.objects.Resource(resource).Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, "the operator's resources", func(context.Context) bool {
		_, lists, err := s.typed.Discovery().ServerGroupsAndResources()
		s.resources = map[schema.GroupVersionKind]string{}
		for _, list := range lists {
			for _, r := range list.APIResources {
				if !strings.Contains(r.Name, "/") {
					s.resources[schema.FromAPIVersionAndKind(list.GroupVersion, r.Kind)] = r.Name
				}
			}
		}
		monitoring := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}
		return err == nil && s.resources[monitoring.WithKind("ServiceMonitor")] != "" && s.resources[monitoring.WithKind("PrometheusRule")] != ""
	})
}

func (s *server) await(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 3*time.Minute, true,
		func(ctx context.Context) (bool, error) { return holds(ctx), nil })
	if err != nil {
		t.Fatalf("gave up waiting for %s: %v", what, err)
	}
}

// writeKey is what service accounts' tokens are signed with.
func writeKey(t *testing.T, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress is an unused address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a program until the test ends.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), log.String())
		}
	})
}
