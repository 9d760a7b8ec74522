package main

import (
	"context"
	"os"
	"time"
)

// changes tells each time that the content of a file has become another, at
// most once an interval; what could not be read is content of its own. With no
// file, or no interval, it never does.
//
// It compares content and asks for nothing to be told: a mounted ConfigMap is
// replaced by moving a link two directories up, which watching the file misses.
func changes(ctx context.Context, path string, interval time.Duration) <-chan struct{} {
	if path == "" || interval <= 0 {
		return nil
	}
	content := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	last := content()
	changed := make(chan struct{})
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now := content()
			if now == last {
				continue
			}
			last = now
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changed
}
