package cli_test

import (
	"maps"
	"net/http"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// Responses that exporter-toolkit makes have the same headers as all others.
func TestUnauthorizedHasTheHeaders(t *testing.T) {
	lab.Simulate(t, lab.Standalone())
	file := lab.WebConfig(t, "basic_auth_users: {prometheus: $2b$04$abcdefghijklmnopqrstuuGYgpSAfSwOUIIQcYLJ0yqnDvVIGwDMW}\n")
	open, closed := lab.Launch(t), lab.Launch(t, "--web.config.file="+file)
	headers := func(p *lab.Program, want int) http.Header {
		t.Helper()
		p.Await(t, "the port", func() bool { status, _ := p.Get(t, "/missing"); return status != 0 })
		resp, err := http.Get(p.URL + "/missing")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Fatalf("status %d, want %d", resp.StatusCode, want)
		}
		for _, name := range []string{"Date", "Content-Length", "Www-Authenticate"} {
			resp.Header.Del(name)
		}
		return resp.Header
	}
	want := headers(open, http.StatusNotFound)
	if got := headers(closed, http.StatusUnauthorized); !maps.EqualFunc(got, want, func(a, b []string) bool { return len(a) == 1 && len(b) == 1 && a[0] == b[0] }) || want.Get("Content-Security-Policy") == "" {
		t.Errorf("401 has\n%v\nand other responses\n%v", got, want)
	}
}
