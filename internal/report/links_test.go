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
	if !strings.Contains(string(text), "\nrepository: "+Homepage+"\n") {
		t.Errorf("deploy/urls.yaml has another repository than %s", Homepage)
	}
}
