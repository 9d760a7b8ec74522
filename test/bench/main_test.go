package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

var (
	accounts    = flag.Int("scale.accounts", 1000, "how many accounts, of 17 Regions each")
	latency     = flag.Duration("scale.latency", 0, "of every call")
	concurrency = flag.Int("scale.concurrency", 256, "calls in flight")
	sweeps      = flag.Int("scale.sweeps", 5, "sweeps after the first")
	profile     = flag.String("scale.profile", "", "file for the CPU profile of the exporter")
	heap        = flag.String("scale.heap", "", "file for the heap profile of the exporter at the end")
)

// enterVariable is assume_role.enter for the exporter.
const enterVariable = "SCALE_ENTER"

// partVariable selects the part that a process of the test binary runs.
const partVariable = "SCALE_PART"

// TestMain runs the part that the environment selects. The simulated AWS, the
// exporter and its baselines are separate processes, so that each is measured
// alone and has its own garbage collector.
func TestMain(m *testing.M) {
	flag.Parse()
	switch os.Getenv(partVariable) {
	case "aws":
		playAWS()
	case "exporter":
		playExporter()
	case "bare":
		playBare(false)
	case "sdk":
		playBare(true)
	default:
		os.Exit(m.Run())
	}
}

// targets is the number of targets.
func targets() float64 { return float64(*accounts * len(simaws.DefaultRegions)) }

// process is a running part. It answers each line on its stdin with one JSON
// value on its stdout, and ends with its stdin.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *json.Decoder
}

// begin starts a part with the flags of this process and additional environment
// variables, and decodes its first JSON value into hello.
func begin(b *testing.B, part string, env map[string]string, hello any) *process {
	b.Helper()
	p := &process{cmd: exec.Command(os.Args[0], os.Args[1:]...)}
	p.cmd.Env = append(os.Environ(), partVariable+"="+part)
	for k, v := range env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = p.stdin.Close()
		_ = p.cmd.Wait()
	})
	p.out = json.NewDecoder(stdout)
	if err := p.out.Decode(hello); err != nil {
		b.Fatalf("%s: %v", part, err)
	}
	return p
}

// ask sends a line and decodes the answer.
func (p *process) ask(b *testing.B, line string, answer any) {
	b.Helper()
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		b.Fatal(err)
	}
	if err := p.out.Decode(answer); err != nil {
		b.Fatal(err)
	}
}

// processor is the CPU time of this process, user and system.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident returns the resident memory of this process and its maximum since the
// start, in bytes; 0 where /proc does not exist.
func resident() (now, peak float64) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		field := strings.Fields(line)
		switch field[0] {
		case "VmRSS:":
			now, _ = strconv.ParseFloat(field[1], 64)
		case "VmHWM:":
			peak, _ = strconv.ParseFloat(field[1], 64)
		}
	}
	return now * 1024, peak * 1024
}
