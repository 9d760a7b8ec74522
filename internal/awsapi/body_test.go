package awsapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// TestBodyThatDoesNotEnd has the causes of half a body: none of them is a proxy that
// changed the response.
func TestBodyThatDoesNotEnd(t *testing.T) {
	for name, test := range map[string]struct {
		// cut closes the connection in the middle of the body.
		cut bool
		// ctx returns the context of the call.
		ctx  func(sent <-chan struct{}) (context.Context, context.CancelFunc)
		want inventory.Reason
		// code is the label of the last attempt.
		code string
	}{
		"deadline": {
			false, func(<-chan struct{}) (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), time.Second)
			}, inventory.Timeout, "Timeout",
		},
		"canceled": {
			false, func(sent <-chan struct{}) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(context.Background())
				go func() { <-sent; cancel() }()
				return ctx, cancel
			}, inventory.Other, "Canceled",
		},
		"connection cut": {
			true, func(<-chan struct{}) (context.Context, context.CancelFunc) {
				return context.WithCancel(context.Background())
			}, inventory.Network, "ConnectionError",
		},
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan struct{}, 10)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.Header().Set("X-Amzn-RequestId", "5f3c8a52-0000-4000-8000-000000000001")
				_, _ = w.Write([]byte(`{"analyzers": [`))
				_ = http.NewResponseController(w).Flush()
				sent <- struct{}{}
				if test.cut {
					panic(http.ErrAbortHandler)
				}
				<-r.Context().Done()
			}))
			t.Cleanup(server.Close)
			t.Setenv("AWS_ENDPOINT_URL", server.URL)
			t.Setenv("AWS_ACCESS_KEY_ID", "x")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
			c := another(t)
			t.Cleanup(c.Close)
			var code string
			c.opts.Observe = func(_, _, observed string, _ time.Duration) { code = observed }
			ctx, cancel := test.ctx(sent)
			defer cancel()
			_, f := c.Analyzers(ctx, accountOf(hub), region)
			if f == nil || f.Reason != test.want {
				t.Errorf("%+v, want %s", f, test.want)
			}
			if code != test.code {
				t.Errorf("code %s, want %s", code, test.code)
			}
			if attempts := len(sent); test.cut && attempts != 3 {
				t.Errorf("%d attempts, want 3", attempts)
			}
		})
	}
}
