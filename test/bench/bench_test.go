package bench

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

// startExporter starts an exporter and sweeps once, so that all caches are filled.
func startExporter(b *testing.B, a *awsProcess) *process {
	b.Helper()
	return startExporterWith(b, a, config.EnterAlways)
}

// startExporterWith is startExporter with a value of assume_role.enter.
func startExporterWith(b *testing.B, a *awsProcess, enter string) *process {
	b.Helper()
	var ready string
	env := maps.Clone(a.env)
	env[enterVariable] = enter
	p := begin(b, "exporter", env, &ready)
	p.round(b)
	return p
}

func (p *process) round(b *testing.B) round {
	b.Helper()
	var r round
	if p.ask(b, "round", &r); r.Failure != "" {
		b.Fatal(r.Failure)
	}
	return r
}

func median(rounds []round, of func(round) float64) float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// ratio is the median of the ratios between each round and the round of the
// baseline that ran next to it, so that other load slows both.
func ratio(rounds, baseline []round, of func(round) float64) float64 {
	var all []float64
	for i := range rounds {
		all = append(all, of(rounds[i])/of(baseline[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func cpu(r round) float64  { return r.CPU.Seconds() * 1e6 / targets() }
func wall(r round) float64 { return r.Wall.Seconds() }

// BenchmarkSweepCPU compares the CPU time of sweeps with that of a bare client
// that makes the same calls (T3), and both with the SDK and its defaults. The
// three alternate, and each round is compared with those next to it.
func BenchmarkSweepCPU(b *testing.B) {
	aws := startAWS(b)
	p := startExporter(b, aws)
	var ready string
	bare := begin(b, "bare", aws.env, &ready)
	bare.round(b)
	sdk := begin(b, "sdk", aws.env, &ready)
	sdk.round(b)
	for b.Loop() {
		var ours, theirs, least []round
		for range *sweeps {
			ours, theirs, least = append(ours, p.round(b)), append(theirs, bare.round(b)), append(least, sdk.round(b))
		}
		b.ReportMetric(median(least, cpu), "sdk-cpu-µs/target")
		b.ReportMetric(ratio(least, theirs, cpu), "sdk-x-bare")
		b.ReportMetric(median(ours, cpu), "cpu-µs/target")
		b.ReportMetric(median(theirs, cpu), "bare-cpu-µs/target")
		b.ReportMetric(ratio(ours, theirs, cpu), "x-bare(limit-2)")
		mallocs := func(r round) float64 { return float64(r.Mallocs) / targets() }
		b.ReportMetric(median(ours, mallocs), "allocs/target")
		b.ReportMetric(median(theirs, mallocs), "bare-allocs/target")
		bytes := func(r round) float64 { return float64(r.Allocated) / targets() }
		b.ReportMetric(median(ours, bytes), "B/target")
		b.ReportMetric(median(theirs, bytes), "bare-B/target")
	}
}

// BenchmarkSweepWall compares the duration of sweeps with the minimum that
// latency and concurrency permit for their calls (T2).
func BenchmarkSweepWall(b *testing.B) {
	aws := startAWS(b)
	p := startExporter(b, aws)
	aws.calls(b)
	for b.Loop() {
		var rounds []round
		for range *sweeps {
			rounds = append(rounds, p.round(b))
		}
		_, calls := aws.calls(b)
		least := calls / float64(*sweeps) * latency.Seconds() / float64(*concurrency)
		b.ReportMetric(median(rounds, wall), "s/sweep")
		b.ReportMetric(least, "least-s/sweep")
		b.ReportMetric(median(rounds, wall)/least, "x-least(limit-1.25)")
		b.ReportMetric(median(rounds, func(r round) float64 { return r.CPU.Seconds() / r.Wall.Seconds() }), "processors")
	}
}

// BenchmarkMemory compares the peak resident memory with 100 MB and 1.5 KB a
// target (T4), and the resident memory after the last tenth of the sweeps, each
// with a scrape, with that after the first tenth.
func BenchmarkMemory(b *testing.B) {
	aws := startAWS(b)
	p := startExporter(b, aws)
	for b.Loop() {
		var rounds []round
		for range *sweeps {
			rounds = append(rounds, p.round(b))
		}
		held := func(r round) float64 { return r.Resident }
		tenth := max(1, len(rounds)/10)
		limit := 100e6 + 1500*targets()
		peak := rounds[len(rounds)-1].Peak
		b.ReportMetric(median(rounds, held)/1e6, "MB")
		b.ReportMetric(peak/1e6, "MB-at-most")
		b.ReportMetric(peak/limit, "x-limit(100MB+1.5KB/target)")
		b.ReportMetric(median(rounds[len(rounds)-tenth:], held)/median(rounds[:tenth], held), "x-last-to-first")
		b.ReportMetric(float64(rounds[0].Series)/targets(), "series/target")
	}
}

// BenchmarkCalls counts the AWS API calls of sweeps (T6).
func BenchmarkCalls(b *testing.B) {
	aws := startAWS(b)
	p := startExporter(b, aws)
	aws.calls(b)
	for b.Loop() {
		for range *sweeps {
			p.round(b)
		}
		counts, _ := aws.calls(b)
		perTarget := float64(counts["ListAnalyzers"]) / float64(*sweeps) / targets()
		b.ReportMetric(perTarget, "ListAnalyzers/target(limit-1)")
		for operation, n := range counts {
			if operation != "ListAnalyzers" {
				b.ReportMetric(float64(n)/float64(*sweeps), operation+"/sweep")
			}
		}
	}
}

// BenchmarkEnter compares sweeps that read members only where no organization
// analyzer covers them with sweeps that read all. The two alternate.
func BenchmarkEnter(b *testing.B) {
	aws := startAWS(b)
	kinds := []string{config.EnterAlways, config.EnterUncovered}
	exporters := map[string]*process{}
	for _, enter := range kinds {
		exporters[enter] = startExporterWith(b, aws, enter)
	}
	aws.calls(b)
	for b.Loop() {
		rounds, calls := map[string][]round{}, map[string]float64{}
		for range *sweeps {
			for _, enter := range kinds {
				rounds[enter] = append(rounds[enter], exporters[enter].round(b))
				_, n := aws.calls(b)
				calls[enter] += n / float64(*sweeps)
			}
		}
		seconds := func(enter string) float64 { return median(rounds[enter], cpu) * targets() / 1e6 }
		held := func(enter string) float64 {
			return median(rounds[enter], func(r round) float64 { return r.Resident / 1e6 })
		}
		for _, enter := range kinds {
			b.ReportMetric(calls[enter], enter+"-calls/sweep")
			b.ReportMetric(seconds(enter), enter+"-cpu-s/sweep")
			b.ReportMetric(held(enter), enter+"-MB")
		}
		b.ReportMetric(calls[kinds[1]]/calls[kinds[0]], "x-calls")
		b.ReportMetric(seconds(kinds[1])/seconds(kinds[0]), "x-cpu")
	}
}

// BenchmarkGrowth prints a row of the table in docs/performance.md.
func BenchmarkGrowth(b *testing.B) {
	aws := startAWS(b)
	var ready string
	p := begin(b, "exporter", aws.env, &ready)
	for b.Loop() {
		first := p.round(b)
		_, firstCalls := aws.calls(b)
		var rounds []round
		for range *sweeps {
			rounds = append(rounds, p.round(b))
		}
		_, calls := aws.calls(b)
		last := rounds[len(rounds)-1]
		fmt.Printf("| %d | %.0f | %.0f | %.0f | %.2f s | %.2f s | %.0f MB | %d | %d kB |\n", *accounts, targets(),
			firstCalls, calls/float64(*sweeps), first.CPU.Seconds(), median(rounds, cpu)*targets()/1e6, last.Resident/1e6, last.Series, last.Scraped/1000)
	}
}
