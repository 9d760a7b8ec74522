package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnections(t *testing.T) {
	for _, test := range []struct{ files, concurrency, inFlight, idle int }{
		{1_048_576, 64, 64, 786_240}, // unlimited in effect
		{1024, 64, 64, 576},
		{1024, 10_000, 192, 192},
		{64, 64, 10, 10},
		{64, 4, 4, 28},
		{16, 64, 1, 1},
	} {
		t.Run(fmt.Sprint(test.files, " files for ", test.concurrency), func(t *testing.T) {
			inFlight, idle := connections(test.files, test.concurrency)
			if inFlight != test.inFlight || idle != test.idle {
				t.Errorf("%d calls and %d idle connections, want %d and %d", inFlight, idle, test.inFlight, test.idle)
			}
			if test.files > 60 && 3*inFlight+idle > test.files-test.files/4 {
				t.Errorf("no reserve of %d files", test.files)
			}
		})
	}
}

func TestServerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newServerLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
		for range 90 {
			l.Print("http: Accept error: accept tcp [::]:10289: accept4: too many open files; retrying in 1s")
			l.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
			time.Sleep(time.Second)
		}
		if n := strings.Count(out.String(), "\n"); n != 2 || strings.Count(out.String(), "level=WARN") != 2 || !strings.Contains(out.String(), "too many open files") {
			t.Errorf("%d lines in 90 seconds, want 2 warnings:\n%s", n, &out)
		}
	})
}
