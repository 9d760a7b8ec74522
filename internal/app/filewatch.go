package app

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

// fileChanges sends whenever the content of a configuration file, or of its
// assume_role.external_id_file, or of a policies.checks[].no_new_access, has changed,
// at most once an interval. A read error counts as content. Without a path, a regular
// file or an interval it returns nil.
//
// It compares content instead of using inotify: Kubernetes updates a mounted
// ConfigMap by replacing a symbolic link two directories up, which a watch on
// the file misses.
func fileChanges(ctx context.Context, path string, interval time.Duration) <-chan struct{} {
	if path == "" || interval <= 0 {
		return nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil // a pipe can be read once
	}
	content := func() string {
		b, err := config.ReadFile(path, config.MaxSize)
		if err != nil {
			return err.Error()
		}
		if bytes.Contains(b, []byte("external_id_file")) || bytes.Contains(b, []byte("no_new_access")) {
			c, err := config.Load(path)
			if err != nil {
				return string(b) + "\n" + err.Error()
			}
			all := []string{string(b), c.AssumeRole.ExternalID}
			for _, check := range c.Policies.Checks {
				all = append(all, check.Reference)
			}
			return strings.Join(all, "\n")
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
			current := content()
			if current == last {
				continue
			}
			last = current
			select {
			case changed <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return changed
}
