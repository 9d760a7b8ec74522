package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"access-analyzer-exporter/internal/web/webtest"
)

// What is written for programs that do not ask over HTTP is the same answer,
// but for the page.
func TestWriteCoverageWritesWhatTheAPIAnswers(t *testing.T) {
	snap := webtest.Large(time.Now(), 300)
	var written bytes.Buffer
	if err := WriteCoverage(&written, snap, "1.2.3"); err != nil {
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
	if !reflect.DeepEqual(answers[0], answers[1]) {
		t.Errorf("written\n%v\nanswered\n%v", answers[0], answers[1])
	}
}
