package ecs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// fakeAWS replays the lines of answers, one for each call of describe, and logs its
// arguments. An answer that begins with an exclamation mark is an error.
const fakeAWS = `#!/bin/sh
echo "$*" >>"$FAKE/calls"
case "$2" in
describe-*)
	read -r answer <"$FAKE/answers"
	sed -i 1d "$FAKE/answers"
	case "$answer" in
	!*) echo "$answer" >&2; exit 254 ;;
	*) echo "$answer" ;;
	esac
	;;
esac
`

func TestUploadRules(t *testing.T) {
	for name, test := range map[string]struct {
		answers []string
		calls   []string // the operations
		fails   bool
		output  string
	}{
		"new": {
			[]string{"! An error occurred (ResourceNotFoundException)", "CREATING None", "ACTIVE None"},
			[]string{"describe", "create", "describe", "describe"},
			false, "is active in ws-1",
		},
		"changed": {
			[]string{"ACTIVE None", "UPDATING None", "ACTIVE None"},
			[]string{"describe", "put", "describe", "describe"},
			false, "is active in ws-1",
		},
		"rejected": {
			[]string{"ACTIVE None", "UPDATE_FAILED group access-analyzer-coverage has 31 rules, the limit is 20"},
			[]string{"describe", "put", "describe"},
			true, "UPDATE_FAILED: group access-analyzer-coverage has 31 rules, the limit is 20\nupload-rules: for smaller groups, set rules.group_limit",
		},
		"denied": {
			[]string{"! An error occurred (AccessDeniedException): aps:DescribeRuleGroupsNamespace"},
			[]string{"describe"},
			true, "AccessDeniedException",
		},
		"never active": {
			slices.Repeat([]string{"CREATING None"}, 61),
			append([]string{"describe", "put"}, slices.Repeat([]string{"describe"}, 60)...), true, "still CREATING",
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			for file, content := range map[string]string{
				"aws": fakeAWS, "sleep": "#!/bin/sh\n", "answers": strings.Join(test.answers, "\n") + "\n",
			} {
				if err := os.WriteFile(filepath.Join(directory, file), []byte(content), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.CommandContext(t.Context(), tool.Path(t, "bash"), "./upload-rules", "ws-1")
			command.Env = append(os.Environ(), "FAKE="+directory, "PATH="+directory+":"+os.Getenv("PATH"))
			out, err := command.CombinedOutput()
			if (err != nil) != test.fails || !strings.Contains(string(out), test.output) {
				t.Errorf("%v\n%s", err, out)
			}
			var calls []string
			for line := range strings.Lines(string(read(t, filepath.Join(directory, "calls")))) {
				operation, _, _ := strings.Cut(strings.Fields(line)[1], "-")
				calls = append(calls, operation)
				if !strings.Contains(line, "--workspace-id ws-1 --name access-analyzer-exporter") {
					t.Errorf("called with %s", line)
				}
			}
			if !slices.Equal(calls, test.calls) {
				t.Errorf("calls %v, want %v", calls, test.calls)
			}
		})
	}
}

func TestUploadDashboards(t *testing.T) {
	var mu sync.Mutex
	var titles []string
	status := http.StatusOK
	grafana := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Overwrite bool
			Dashboard struct{ Title string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !body.Overwrite || r.URL.Path != "/api/dashboards/db" || r.Header.Get("Authorization") != "Bearer glsa_1" {
			t.Errorf("%s %v: %v", r.URL, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		titles = append(titles, body.Dashboard.Title)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"message": "answer of Grafana"}`))
	}))
	defer grafana.Close()
	upload := func() (string, error) {
		command := exec.CommandContext(t.Context(), tool.Path(t, "bash"), "./upload-dashboards", grafana.URL+"/")
		tool.Path(t, "curl")
		command.Env = append(os.Environ(), "GRAFANA_TOKEN=glsa_1")
		out, err := command.CombinedOutput()
		return string(out), err
	}
	dashboards, err := filepath.Glob("../../grafana/dashboards-amp/*.json")
	if err != nil || len(dashboards) == 0 {
		t.Fatalf("%v: %v", dashboards, err)
	}
	out, err := upload()
	mu.Lock()
	if err != nil || len(titles) != len(dashboards) {
		t.Errorf("uploaded %v: %v\n%s", titles, err, out)
	}
	status = http.StatusForbidden
	mu.Unlock()
	if out, err := upload(); err == nil || !strings.Contains(out, "answer of Grafana") {
		t.Errorf("%v\n%s", err, out)
	}
}
