package remedy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

//go:generate go test . -run ^TestDocument$ -update

func TestDocument(t *testing.T) {
	lab.Generated(t, "docs/operating.md", "failure reasons", remedy.Document(true))
	lab.Generated(t, "docs/runbooks/AccessAnalyzerCoverageUnknown.md", "failure reasons", remedy.Document(false))
}

// The meaning is a phrase and the fix has sentences, the last of which introduces
// the command.
func TestTable(t *testing.T) {
	for _, r := range inventory.Reasons {
		if remedy.Of(&inventory.Failure{Reason: r}, nil, remedy.Setting{}).Meaning == "" {
			t.Errorf("%s has no remedy", r)
		}
	}
	for _, e := range remedy.Entries() {
		if e.Reason != "" && !slices.Contains(inventory.Reasons, e.Reason) {
			t.Errorf("%s is not a reason", e.Reason)
		}
		for _, r := range []remedy.Remedy{e.Serve, e.Audit} {
			end := "."
			if r.Command != "" {
				end = ":"
			}
			if r.Meaning == "" || strings.HasSuffix(r.Meaning, ".") || !strings.HasSuffix(r.Fix, end) {
				t.Errorf("%s %s: meaning %q, fix %q, command %q", e.Reason, e.Detail, r.Meaning, r.Fix, r.Command)
			}
		}
		if strings.Contains(e.Audit.Fix, "next sweep") || strings.Contains(e.Audit.Fix, "in the log") {
			t.Errorf("an audit has no next sweep, and no log: %q", e.Audit.Fix)
		}
	}
}

func TestCommandHasTheConfigurationFile(t *testing.T) {
	denied := &inventory.Failure{Reason: inventory.AccessDenied}
	for _, test := range []struct {
		setting   remedy.Setting
		fix, want string
	}{
		{remedy.Setting{}, "This prints the policies (add the --config.file in use):", "access-analyzer-exporter iam-policy"},
		{remedy.Setting{Audit: true}, "This prints the policies:", "access-analyzer-exporter iam-policy"},
		{remedy.Setting{Audit: true, ConfigFile: "my file.yaml"}, "This prints the policies:", "access-analyzer-exporter iam-policy --config.file='my file.yaml'"},
	} {
		r := remedy.Of(denied, nil, test.setting)
		if !strings.HasSuffix(r.Fix, test.fix) || r.Command != test.want {
			t.Errorf("%+v: %q, %q", test.setting, r.Fix, r.Command)
		}
	}
}
