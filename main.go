// Command access-analyzer-exporter exports coverage and findings of AWS IAM
// Access Analyzer, for every account and Region of an AWS organization, as
// Prometheus metrics.
package main

import (
	"context"
	_ "embed"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/prometheus/common/version"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	_ "github.com/access-analyzer-exporter/access-analyzer-exporter/internal/hangup" // early
)

// release is the version of a binary that was built without ldflags.
//
//go:embed VERSION
var release string

func main() {
	if version.Version == "" {
		version.Version = strings.TrimSpace(release)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
