package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// board is what the tests read of a dashboard in the form that Grafana imports.
type board struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	Description   string  `json:"description"`
	Refresh       string  `json:"refresh"`
	Editable      bool    `json:"editable"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Links         []struct {
		Title       string `json:"title"`
		URL         string `json:"url"`
		Placement   string `json:"placement"`
		KeepTime    bool   `json:"keepTime"`
		IncludeVars bool   `json:"includeVars"`
	} `json:"links"`
	Annotations struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	FieldConfig struct {
		Overrides []struct {
			Matcher    struct{ ID, Options any } `json:"matcher"`
			Properties []struct {
				ID    string `json:"id"`
				Value any    `json:"value"`
			} `json:"properties"`
		} `json:"overrides"`
		Defaults struct {
			Unit       string `json:"unit"`
			NoValue    string `json:"noValue"`
			Thresholds struct {
				Steps []struct {
					Value *float64 `json:"value"`
				} `json:"steps"`
			} `json:"thresholds"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	GridPos struct{ X, Y, W, H int } `json:"gridPos"`
	Options struct {
		Legend struct {
			ShowLegend  bool   `json:"showLegend"`
			DisplayMode string `json:"displayMode"`
		} `json:"legend"`
	} `json:"options"`
	Targets         []target `json:"targets"`
	Transformations []struct {
		ID      string `json:"id"`
		Options struct {
			RenameByName map[string]string `json:"renameByName"`
			LimitField   string            `json:"limitField"`
		} `json:"options"`
	} `json:"transformations"`
}

type target struct {
	Expr         string     `json:"expr"`
	Instant      bool       `json:"instant"`
	Range        bool       `json:"range"`
	Format       string     `json:"format"`
	LegendFormat string     `json:"legendFormat"`
	RefID        string     `json:"refId"`
	Datasource   datasource `json:"datasource"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Label       string          `json:"label"`
	Description string          `json:"description"`
	Hide        int             `json:"hide"`
	Datasource  datasource      `json:"datasource"`
	Query       json.RawMessage `json:"query"`
	Regex       string          `json:"regex"`
	Refresh     int             `json:"refresh"`
	AllValue    string          `json:"allValue"`
	IncludeAll  bool            `json:"includeAll"`
	Multi       bool            `json:"multi"`
}

// boards reads the committed dashboards for Prometheus.
func boards(t *testing.T) []board {
	t.Helper()
	return editions[0].boards(t)
}

func (in edition) boards(t *testing.T) []board {
	t.Helper()
	var read []board
	for _, s := range all() {
		data, err := os.ReadFile(in.file(s.uid))
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatalf("%s: %v", s.uid, err)
		}
		read = append(read, b)
	}
	return read
}

// charts are the panels that show something: all but the headings.
func (b board) charts() []panel {
	return slices.DeleteFunc(slices.Clone(b.Panels), func(p panel) bool { return p.Type == "row" })
}

func TestJSONIsCurrent(t *testing.T) {
	for _, in := range editions {
		for _, s := range all() {
			want, err := s.render(in.datasource)
			if err != nil {
				t.Fatalf("%s: %v", s.uid, err)
			}
			got, err := os.ReadFile(in.file(s.uid))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what the code makes: run `go generate ./...` in this module", in.file(s.uid))
			}
		}
		entries, err := os.ReadDir(in.directory)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != len(all()) {
			t.Errorf("%s has %d files for %d dashboards", in.directory, len(entries), len(all()))
		}
	}
}

// The editions differ in the type of the data source only, so that what is tested of the
// first holds for all.
func TestEditionsDifferInDataSourceOnly(t *testing.T) {
	first := editions[0]
	for _, in := range editions[1:] {
		for _, s := range all() {
			got, err := os.ReadFile(in.file(s.uid))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(first.file(s.uid))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(got), `"`+in.datasource+`"`); n != strings.Count(string(want), `"`+first.datasource+`"`) || n == 0 {
				t.Errorf("%s names the data source %d times", in.file(s.uid), n)
			}
			if back := strings.ReplaceAll(string(got), `"`+in.datasource+`"`, `"`+first.datasource+`"`); back != string(want) {
				t.Errorf("%s differs from %s", in.file(s.uid), first.file(s.uid))
			}
		}
	}
}
