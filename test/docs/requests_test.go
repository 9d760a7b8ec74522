package docs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// continued matches the end of a line whose command continues on the next one.
var continued = regexp.MustCompile(`(\|) *\n *| *\\\n *`)

// commandsWith returns the lines of shell blocks, in each document, that assign
// variables or hold the word. Blocks without the word are left out.
func commandsWith(t *testing.T, word string) map[string][]string {
	t.Helper()
	assignment := regexp.MustCompile(`^[A-Z_]+=[^$(]+$`)
	blocks := map[string][]string{}
	for path, text := range documents(t) {
		for _, m := range shellFence.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], word) {
				continue
			}
			var script strings.Builder
			for line := range strings.Lines(continued.ReplaceAllString(m[1], "$1 ")) {
				if strings.Contains(line, word) || assignment.MatchString(strings.TrimSpace(line)) {
					script.WriteString(strings.TrimSpace(line) + "\n")
				}
			}
			blocks[path] = append(blocks[path], script.String())
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("no document has %q", word)
	}
	return blocks
}

// runBlock runs commands in a directory of the test and returns their output.
func runBlock(t *testing.T, path, prelude, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool.Path(t, "bash"), "-euo", "pipefail")
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(prelude + script)
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v: %s\n%s", path, err, out, script)
	}
	return string(out)
}

// TestRequestsInDocumentsSucceed runs every curl command for the exporter, with what
// follows it in the pipeline, against one where an account of the example is
// uncovered.
func TestRequestsInDocumentsSucceed(t *testing.T) {
	tool.Path(t, "curl")
	tool.Path(t, "jq")
	server := simaws.New(lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha), simaws.Options{})
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	for name, value := range server.Env() {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	config := lab.WriteFile(t, "accounts: {discovery: organization}\nassume_role: {name: exporter}\n"+
		"coverage: {unused: {required: true}, internal: {required: true}}\n")
	p := lab.Launch(t, "--config.file="+config, "--web.enable-lifecycle", "--web.enable-pprof", "--log.level=error")
	if !tool.Await(t, func() bool {
		response, err := http.Get(p.URL + "/-/ready")
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	}) {
		t.Fatal("not ready")
	}
	requests := 0
	const prelude = "curl() { command curl --fail --silent --show-error \"$@\"; }\n"
	for path, scripts := range commandsWith(t, "curl ") {
		for _, script := range scripts {
			if !strings.Contains(script, "localhost:10289") {
				continue // of releases
			}
			var ours []string
			for line := range strings.Lines(script) {
				if strings.Contains(line, "localhost:10289") || !strings.Contains(line, "curl ") {
					ours = append(ours, line)
				}
			}
			script = strings.NewReplacer("localhost:10289", p.Address, "111122223333", lab.Alpha).
				Replace(strings.Join(ours, ""))
			if strings.Contains(script, "grep '_scrape_error{'") {
				continue // nothing fails here
			}
			requests++
			out := runBlock(t, path, prelude, script)
			if strings.Contains(script, "state=uncovered") && strings.TrimSpace(out) == "" {
				t.Errorf("%s: no output of\n%s", path, script)
			}
		}
	}
	if requests < 20 {
		t.Errorf("only %d commands ran", requests)
	}
}

// TestSilencesInDocumentsAreAccepted runs every command that adds a silence, and
// checks that its alert and its labels exist.
func TestSilencesInDocumentsAreAccepted(t *testing.T) {
	amtool := tool.Path(t, "amtool")
	rules, err := os.ReadFile(filepath.Join(lab.Root, "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := documents(t)["docs/metrics.md"]
	var mu sync.Mutex
	silences := 0
	alertmanager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v2/status" {
			_, _ = w.Write([]byte("{}"))
			return
		}
		var silence struct {
			Comment  string
			Matchers []struct{ Name, Value string }
		}
		if err := json.NewDecoder(r.Body).Decode(&silence); err != nil || r.URL.Path != "/api/v2/silences" {
			t.Errorf("%s: %v", r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		silences++
		for _, m := range silence.Matchers {
			switch {
			case m.Name == "alertname" && !strings.Contains(string(rules), "alert: "+m.Value+"\n"):
				t.Errorf("there is no alert %s", m.Value)
			case m.Name != "alertname" && m.Name != "job" && m.Name != "instance" && !strings.Contains(metrics, "| `"+m.Name+"` |") && !strings.Contains(string(rules), m.Name+": "):
				t.Errorf("there is no label %s", m.Name)
			}
		}
		if silence.Comment == "" {
			t.Error("a silence has no comment")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"silenceID": "11111111-2222-3333-4444-555555555555"}`))
	}))
	t.Cleanup(alertmanager.Close)
	prelude := "amtool() { " + amtool + " --alertmanager.url=" + alertmanager.URL + " \"$@\"; }\n"
	for path, scripts := range commandsWith(t, "amtool silence add ") {
		for _, script := range scripts {
			runBlock(t, path, prelude, script)
		}
	}
	if silences < 15 {
		t.Errorf("only %d silences were added", silences)
	}
}
