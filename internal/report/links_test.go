package report

import (
	"os"
	"strings"
	"testing"
)

func TestLinksAreThoseOfDeploy(t *testing.T) {
	text, err := os.ReadFile("../../deploy/urls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"repository": Homepage, "runbooks": strings.Replace(Runbooks, Homepage, "${repository}", 1)} {
		if !strings.Contains(string(text), "\n"+key+": "+want+"\n") {
			t.Errorf("deploy/urls.yaml has another %s than %s", key, want)
		}
	}
}
