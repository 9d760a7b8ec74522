package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// BenchmarkPeers lists the analyzers of one account in all its Regions with the
// exporter's audit and with a loop over the AWS CLI, on the same simulated AWS.
func BenchmarkPeers(b *testing.B) {
	cli, err := exec.LookPath("aws")
	if err != nil {
		b.Skip("there is no AWS CLI")
	}
	aws := startAWS(b)
	program := build(b)
	config := filepath.Join(b.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("findings: {enabled: false}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	var loop [][]string
	for _, region := range simaws.DefaultRegions {
		loop = append(loop, []string{cli, "accessanalyzer", "list-analyzers", "--region", region})
	}
	for _, peer := range []struct {
		name     string
		commands [][]string
	}{
		{"audit", [][]string{{program, "audit", "--config.file=" + config, "--output=json"}}},
		{"aws-cli", loop},
	} {
		b.Run(peer.name, func(b *testing.B) {
			aws.calls(b)
			for b.Loop() {
				start, cpu := time.Now(), time.Duration(0)
				for _, command := range peer.commands {
					cpu += runOnce(b, command, aws.env)
				}
				wall := time.Since(start)
				_, calls := aws.calls(b)
				b.ReportMetric(calls, "calls")
				b.ReportMetric(cpu.Seconds(), "cpu-s")
				b.ReportMetric(wall.Seconds(), "wall-s")
			}
		})
	}
}

// runOnce returns the CPU time of a command. The exit code of audit reflects its
// result, so only a command without output has failed.
func runOnce(b *testing.B, command []string, env map[string]string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), command[0], command[1:]...)
	cmd.Env = os.Environ()
	for k, v := range env {
		if v != "" { // the CLI rejects an empty AWS_PROFILE
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	out, err := cmd.Output()
	if cmd.ProcessState == nil || len(out) == 0 {
		b.Fatalf("%v: %v", command, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
