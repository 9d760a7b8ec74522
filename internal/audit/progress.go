package audit

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 10 * time.Second
	// beside is what a bar leaves for numbers, even of a large fleet.
	beside         = 68
	minBar, maxBar = 8, 40
)

// Ask reports how far the sweeps have come.
type Ask func() []sweep.Progress

// Lines writes the progress of the sweeps: a line at intervals and one for each
// completed sweep, until the returned function is called. A sweep that reads throttled
// targets again is not completed.
func Lines(w io.Writer, ask Ask) (end func()) {
	reported := map[inventory.SweepKind]bool{}
	return watch(w, lineInterval, func() {
		for _, p := range ask() {
			if begun(p) && !reported[p.Kind] {
				reported[p.Kind] = completed(p)
				fmt.Fprintf(w, "%s: %s\n", title(p), describe(p, time.Now()))
			}
		}
	})
}

// Bars is Lines for a terminal of so many columns, with a bar for each sweep.
func Bars(w io.Writer, width int, ask Ask) (end func()) {
	b := newBars(w, width)
	stop := watch(w, barInterval, func() { b.show(ask(), time.Now()) })
	return func() {
		stop()
		b.writer.Stop()
		<-b.rendered
	}
}

// watch calls show at intervals and once more at the end.
func watch(w io.Writer, interval time.Duration, show func()) (end func()) {
	fmt.Fprintln(w, "Listing accounts and Regions")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show()
			case <-stop:
				show()
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// bars are a bar for each sweep that has begun.
type bars struct {
	writer   progress.Writer
	trackers map[inventory.SweepKind]*progress.Tracker
	rendered chan struct{}
}

func newBars(w io.Writer, width int) *bars {
	b := &bars{writer: progress.NewWriter(), trackers: map[inventory.SweepKind]*progress.Tracker{}, rendered: make(chan struct{})}
	b.writer.SetOutputWriter(w)
	b.writer.SetTerminalWidth(width)
	b.writer.SetTrackerLength(min(max(width-beside, minBar), maxBar))
	b.writer.SetUpdateFrequency(barInterval)
	style := b.writer.Style()
	style.Chars = progress.StyleChars{
		BoxLeft: "", BoxRight: "", Finished: "█", Finished25: "░", Finished50: "▒", Finished75: "▓", Unfinished: "░",
		Indeterminate: progress.StyleCharsBlocks.Indeterminate,
	}
	style.Options.Separator, style.Options.DoneString, style.Options.PercentFormat = " ", "", "%3.0f%%"
	style.Visibility = progress.StyleVisibility{Percentage: true, Tracker: true}
	go func() {
		defer close(b.rendered)
		b.writer.Render()
	}()
	return b
}

func (b *bars) show(all []sweep.Progress, now time.Time) {
	for _, p := range all {
		if !begun(p) {
			continue
		}
		t := b.trackers[p.Kind]
		if t == nil {
			t = &progress.Tracker{Total: int64(p.Total)}
			b.trackers[p.Kind] = t
			b.writer.AppendTracker(t)
		}
		if t.IsDone() {
			continue
		}
		t.UpdateMessage(fmt.Sprintf("%-9s %s", title(p), describe(p, now)))
		t.SetValue(int64(done(p)))
		if completed(p) {
			t.MarkAsDone()
		}
	}
}

func begun(p sweep.Progress) bool { return p.Total > 0 && (p.Running || p.Done > 0) }

func completed(p sweep.Progress) bool { return !p.Running && p.Throttled == 0 }

// done is without the targets that are read again.
func done(p sweep.Progress) int { return p.Done - p.Throttled }

func title(p sweep.Progress) string { return report.Capital(string(p.Kind)) }

// describe returns how many targets or analyzers are done and, while it runs, how many
// requests failed, the rate, the remaining time, and how long throttled targets may be
// read again. What failed in the end is in the
// report: targets that AWS throttled may have been read since.
func describe(p sweep.Progress, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d %s", done(p), p.Total, report.Unit(p.Kind))
	if p.Failed > 0 && p.Running {
		fmt.Fprintf(&b, ", %d failed", p.Failed)
	}
	if rate, left, ok := p.Rate(now); ok {
		b.WriteString(", " + report.Pace(rate, left))
	}
	if p.Throttled > 0 {
		fmt.Fprintf(&b, ", %d throttled: reading again, for at most %s", p.Throttled, report.About(p.Until.Sub(now)))
	}
	return b.String()
}
