package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// The first reader after a publication pays for the view; the others share it.
func BenchmarkView(b *testing.B) {
	for _, accounts := range []int{12, 500, 5000} {
		snap := webtest.Large(time.Now(), accounts)
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newView(snap, remedy.Setting{}, console.Links{})
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	h := Handler(options(webtest.Large(time.Now(), 5000)))
	for _, target := range []string{
		"/", "/?page_size=500", "/?state=unknown", "/?account=account-04321",
		"/api/v1/coverage", "/api/v1/coverage?page_size=500", "/api/v1/coverage?state=uncovered&page_size=500",
	} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			size := do(h, http.MethodGet, target).Body.Len()
			for b.Loop() {
				h.ServeHTTP(&discard{header: http.Header{}}, httptest.NewRequest(http.MethodGet, target, nil))
			}
			b.ReportMetric(float64(size), "B/answer")
		})
	}
}

// discard is a client that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
