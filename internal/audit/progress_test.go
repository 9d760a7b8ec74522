package audit

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// sweeps are 100 targets at 2 a second, of which 3 fail, and then 5 analyzers in
// half a second, after 5 s of finding out what there is.
func sweeps() Ask {
	start := time.Now()
	return func() []sweep.Progress {
		at := time.Since(start) - 5*time.Second
		coverage, findings := sweep.Progress{Kind: inventory.CoverageSweep}, sweep.Progress{Kind: inventory.FindingsSweep}
		if at >= 0 {
			coverage.Total, coverage.Done = 100, min(100, int(at.Seconds()*2))
			coverage.Failed = min(3, coverage.Done)
			coverage.Running, coverage.StartedAt = coverage.Done < 100, start.Add(5*time.Second)
		}
		if after := at - 50*time.Second; after >= 0 {
			findings.Total, findings.Done = 5, min(5, int(after.Seconds()*10))
			findings.Running, findings.StartedAt = findings.Done < 5, start.Add(55*time.Second)
		}
		return []sweep.Progress{coverage, findings}
	}
}

func TestLinesAtIntervalsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		end := Lines(&out, sweeps())
		time.Sleep(56 * time.Second)
		end()
		const want = `Listing accounts and Regions
Coverage: 10/100 targets, 3 failed, 2.0/s, about 45 s left
Coverage: 30/100 targets, 3 failed, 2.0/s, about 35 s left
Coverage: 50/100 targets, 3 failed, 2.0/s, about 25 s left
Coverage: 70/100 targets, 3 failed, 2.0/s, about 15 s left
Coverage: 90/100 targets, 3 failed, 2.0/s, about 5.0 s left
Coverage: 100/100 targets
Findings: 5/5 analyzers
`
		if out.String() != want {
			t.Errorf("got\n%s", &out)
		}
	})
}

// A sweep that waits for AWS says so, instead of looking as if it hung.
func TestThrottledTargetsAreReadAgain(t *testing.T) {
	start := time.Now()
	waiting := func() []sweep.Progress {
		p := sweep.Progress{Kind: inventory.CoverageSweep, Total: 2, Done: 2}
		if time.Since(start) < 25*time.Second {
			p.Throttled, p.Until = 1, start.Add(5*time.Minute)
		}
		return []sweep.Progress{p}
	}
	for name, run := range map[string]func(out *bytes.Buffer) (end func()){
		"lines": func(out *bytes.Buffer) func() { return Lines(out, waiting) },
		"bars":  func(out *bytes.Buffer) func() { return Bars(out, 120, waiting) },
	} {
		synctest.Test(t, func(t *testing.T) {
			start = time.Now()
			var out bytes.Buffer
			end := run(&out)
			time.Sleep(40 * time.Second)
			end()
			const waits, done = "1/2 targets, 1 throttled: reading again, for at most 4", "2/2 targets\n"
			if !strings.Contains(out.String(), waits) || !strings.HasSuffix(strings.TrimRight(out.String(), " \n\x1b[K")+"\n", done) {
				t.Errorf("%s: got\n%q", name, &out)
			}
		})
	}
}

func TestBarsMoveAndStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		end := Bars(&out, 80, sweeps())
		time.Sleep(56 * time.Second)
		end()
		for _, want := range []string{
			" 10% █", " 50% ██████░░░░░░ Coverage  50/100 targets, 3 failed, 2.0/s, about 25 s left\n",
			"Coverage  100/100 targets", "Findings  5/5 analyzers",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("never shown: %q in\n%q", want, out.String())
			}
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; strings.Contains(last, "█") {
			t.Errorf("a bar is left over: %q", last)
		}
	})
}
