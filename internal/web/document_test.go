package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// What is written for programs that do not ask over HTTP is the same answer, on
// one page, with the findings of each account besides.
func TestWriteCoverageWritesWhatTheAPIAnswers(t *testing.T) {
	snap := webtest.Large(time.Now(), 300)
	var written bytes.Buffer
	if err := WriteCoverage(&written, snap, remedy.Setting{}, console.Links{}, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	answers := make([]map[string]any, 2)
	for i, text := range []string{written.String(), get(t, Handler(options(snap)), "/api/v1/coverage?page_size=500")} {
		if err := json.Unmarshal([]byte(text), &answers[i]); err != nil {
			t.Fatal(err)
		}
	}
	if page := answers[0]["page"]; !reflect.DeepEqual(page, map[string]any{"number": 1.0, "size": 300.0, "pages": 1.0, "accounts": 300.0}) {
		t.Errorf("page %v", page)
	}
	delete(answers[0], "page")
	delete(answers[1], "page")
	var findings []any
	for _, account := range answers[0]["accounts"].([]any) {
		if own, ok := account.(map[string]any)["findings"]; ok {
			findings = append(findings, own.([]any)...)
			delete(account.(map[string]any), "findings")
		}
	}
	active := map[any]float64{}
	for _, l := range findings {
		line := l.(map[string]any)
		active[[2]any{line["finding_type"], line["scope"]}] += line["active"].(float64)
	}
	totals := answers[0]["findings"].(map[string]any)["totals"].([]any)
	for _, l := range totals {
		line := l.(map[string]any)
		if sum := active[[2]any{line["finding_type"], line["scope"]}]; sum != line["active"] {
			t.Errorf("the accounts have %v of %v", sum, line)
		}
	}
	if len(totals) == 0 || len(findings) == 0 {
		t.Error("no findings")
	}
	if !reflect.DeepEqual(answers[0], answers[1]) {
		t.Errorf("written\n%v\nanswered\n%v", answers[0], answers[1])
	}
}
