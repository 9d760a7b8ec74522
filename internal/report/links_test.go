package report

import (
	"os"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
)

func TestLinksAreThoseOfDeploy(t *testing.T) {
	text, err := os.ReadFile("../../deploy/urls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nrepository: "+Homepage+"\n") {
		t.Errorf("deploy/urls.yaml has another repository than %s", Homepage)
	}
	if runbooks := rules.DefaultSettings().Runbooks; runbooks != Runbooks {
		t.Errorf("the runbooks of alerts are at %s, those of audits at %s", runbooks, Runbooks)
	}
}
