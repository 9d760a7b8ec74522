package paging

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
)

const teamsFile = "../../deploy/alertmanager/alertmanager-teams.yml"

// byTeam returns the rules that the command prints for labels of accounts, and the
// sample configuration of Alertmanager that routes by them.
func byTeam(t *testing.T) files {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	settings := "accounts:\n  discovery: organization\n  labels: {tags: [team]}\nassume_role: {name: audit}\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, note bytes.Buffer
	if code := cli.Run(t.Context(), []string{"rules", "--config.file=" + config}, &out, &note); code != 0 {
		t.Fatalf("exit code %d: %s", code, &note)
	}
	routes, err := os.ReadFile(teamsFile)
	if err != nil {
		t.Fatal(err)
	}
	return files{text(out.String()), text(routes)}
}

// teams has the labels of accounts: two teams, an account without the tag, and one
// whose tags are not known.
func teams(e *exporter) {
	of := map[string]string{id(0): "shop", id(1): "payments", id(2): "shop", id(3): ""}
	e.series = func(add add) {
		for account, team := range of {
			add(1, "aws_access_analyzer_account_labels", "account_id", account, "label_team", team)
		}
	}
}

// The losses of two teams, in the same minute, reach the receiver of each. Those of
// accounts without a known team go to the common one.
func TestLossesReachTheirTeams(t *testing.T) {
	c := inVirtualTime(t, byTeam(t), one(5, 1)(), func(c *chain) {
		teams(c.exporters[0])
		c.run(70)
		lose(c.exporters[0], 0, 0, 5)
		c.run(30)
	})
	for receiver, want := range map[string][]string{
		"page-shop":     {"85 Account name-" + id(0) + " is not covered in eu-test-0 Account name-" + id(2) + " is not covered in eu-test-0"},
		"page-payments": {"85 Account name-" + id(1) + " is not covered in eu-test-0"},
		"page":          {"85 Account name-" + id(3) + " is not covered in eu-test-0 Account name-" + id(4) + " is not covered in eu-test-0"},
	} {
		if got := c.pages(receiver); !slices.Equal(got, want) {
			t.Errorf("%s received\n%q\nwant\n%q", receiver, got, want)
		}
	}
}

// A loss keeps its team while a restarted exporter has not read the tags again.
func TestTeamSurvivesARestart(t *testing.T) {
	c := inVirtualTime(t, byTeam(t), one(2, 1)(), func(c *chain) {
		e := c.exporters[0]
		teams(e)
		c.run(70)
		lose(e, 0, 0, 1)
		c.run(30)
		e.series = nil
		c.run(40)
		teams(e)
		c.run(30)
	})
	if got := len(c.pages("page-shop")); got != 1 {
		t.Errorf("%d pages for the team: %q", got, c.pages("page-shop"))
	}
	for _, receiver := range []string{"page", "page-payments"} {
		if got := c.pages(receiver); len(got) > 0 {
			t.Errorf("%s received %q", receiver, got)
		}
	}
}
