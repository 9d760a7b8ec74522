package simaws

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ScenarioKeys are all keys that a scenario may have, for the test that the
// example shows them.
func ScenarioKeys() []string {
	var keys []string
	seen := map[reflect.Type]bool{}
	var collect func(reflect.Type)
	collect = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			collect(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for field := range t.Fields() {
				name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
				if name != "" {
					keys = append(keys, name)
				}
				collect(field.Type)
			}
		}
	}
	collect(reflect.TypeFor[scenarioFile]())
	return keys
}

// FuzzParseScenario looks for input that brings the parser or the script down.
func FuzzParseScenario(f *testing.F) {
	example, err := os.ReadFile("scenario.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add(demo)
	f.Add([]byte("accounts: [{id: \"111111111111\", name: a}]\nanalyzers: [{account: a, name: a, type: ACCOUNT, findings: [{count: 9}]}]\n"))
	f.Add([]byte("accounts: &a [*a]\n"))
	maxFindings = 100
	f.Fuzz(func(t *testing.T, data []byte) {
		now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
		w, err := ParseScenario(data, now)
		if err != nil {
			if w != nil {
				t.Error("there is a world in spite of the error")
			}
			return
		}
		s := New(w, Options{Now: func() time.Time { return now }})
		now = now.Add(time.Minute)
		s.View(func(w *World) {
			for _, a := range w.Analyzers {
				if w.Account(a.AccountID) == nil {
					t.Errorf("analyzer %s belongs to nobody", a.ARN())
				}
			}
		})
	})
}
