package collector

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// A scrape, WriteText and a pedantic registry of client_golang must all return
// the golden file.
func TestGolden(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(fixtures)) {
		t.Run(name, func(t *testing.T) {
			snapshot := fixtures[name]
			path := filepath.Join("testdata", name+".prom")
			if *update {
				var b bytes.Buffer
				if err := WriteText(&b, snapshot); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for way, text := range map[string]func(*testing.T, *inventory.Snapshot) []byte{
				"scrape": scraped, "terminal": written, "client_golang": gathered,
			} {
				if got := text(t, snapshot); !bytes.Equal(got, want) {
					t.Errorf("%s differs from %s%s", way, path, difference(got, want))
				}
			}
		})
	}
}

func scraped(t *testing.T, s *inventory.Snapshot) []byte {
	e := New()
	e.live = prometheus.ToTransactionalGatherer(prometheus.NewRegistry())
	e.Publish(s)
	header, body := serve(t, e)("", http.Header{"Accept-Encoding": {"gzip"}})
	return unpack(t, header, body)
}

func written(t *testing.T, s *inventory.Snapshot) []byte {
	var b bytes.Buffer
	if err := WriteText(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gathered(t *testing.T, s *inventory.Snapshot) []byte {
	families, err := pedantic(s).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := encode(expfmt.NewEncoder(&b, expfmt.FmtText), families); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
