package findings_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// public changes the public buckets of an owner, or adds them, by number.
func (l *lab) public(status string, numbers ...int) {
	l.clock.advance(time.Minute)
	l.server.Update(func(w *simaws.World) {
		a := w.Analyzers[0]
		for _, n := range numbers {
			arn := fmt.Sprintf("arn:aws:s3:::public-%d", n)
			i := slices.IndexFunc(a.Findings, func(f simaws.Finding) bool { return f.Resource == arn })
			if i < 0 {
				i = len(a.Findings)
				a.Findings = append(a.Findings, simaws.Finding{
					ID: fmt.Sprintf("%08x-0000-4000-9000-000000000000", n), Type: "ExternalAccess", Owner: "999999999999", ResourceType: "AWS::S3::Bucket",
					Resource: arn, Public: true, CreatedAt: l.clock.time().Add(time.Duration(n) * time.Second),
				})
			}
			a.Findings[i].Status, a.Findings[i].UpdatedAt = status, l.clock.time()
		}
	})
	l.clock.advance(29 * time.Minute)
}

// publicOf returns the numbers of the listed public buckets, and how many more
// there are.
func publicOf(counts *inventory.Findings) string {
	text := ""
	for _, f := range counts.Public {
		if f.AccountID == "999999999999" {
			text += f.Resource[len("arn:aws:s3:::public-"):] + " "
		}
	}
	return text + fmt.Sprintf("and %d", counts.PublicUnnamed["999999999999"])
}

// The oldest public resources are listed. When they no longer are public, the next
// oldest are listed instead; a new one never replaces an older one.
func TestOldestPublicResourcesAreListed(t *testing.T) {
	l := newLab(t)
	l.small()
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}, PublicResources: 2, FullInterval: 24 * time.Hour}
	c, s := l.counter(options), &findings.State{}
	l.public("ACTIVE", 1, 2, 3, 4, 5, 6, 7)
	for _, step := range []struct {
		name       string
		change     func()
		want, full string
	}{
		{"at first", func() {}, "1 2 and 5", "[first]"},
		{"one was archived", func() { l.public("ARCHIVED", 1) }, "2 3 and 4", "[]"},
		{"a new one", func() { l.public("ACTIVE", 8) }, "2 3 and 5", "[]"},
		{"the first is ACTIVE again", func() { l.public("ACTIVE", 1) }, "1 2 and 6", "[]"},
		{"one that is not listed was resolved", func() { l.public("RESOLVED", 5) }, "1 2 and 5", "[]"},
		{"more went than have names", func() { l.public("ARCHIVED", 1, 2, 3, 4) }, "6 7 and 1", "[unnamed]"},
		{"after that", func() { l.public("RESOLVED", 6) }, "7 8 and 0", "[]"},
		{"all went", func() { l.public("ARCHIVED", 7, 8) }, "and 0", "[]"},
		{"and one came", func() { l.public("ACTIVE", 9) }, "9 and 0", "[]"},
	} {
		step.change()
		counts := l.round(t, c, s)
		if got := publicOf(counts); got != step.want || reasons(l) != step.full || !same(counts, l.truth(options)) {
			t.Errorf("%s: %s, full counts %v, want %s, %s:%s", step.name, got, l.full, step.want, step.full, differences(counts, l.truth(options)))
		}
	}
}

// The names of public resources do not take memory for each finding.
func TestNamesAreBounded(t *testing.T) {
	l := newLab(t)
	w := newWorld("ORGANIZATION")
	for i := range 12_000 {
		created := l.clock.time().Add(-time.Duration(i*7919%12_000) * time.Second)
		w.Analyzers[0].Findings = append(w.Analyzers[0].Findings, simaws.Finding{
			ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), Type: "ExternalAccess", Status: "ACTIVE", Owner: "999999999999",
			ResourceType: "AWS::SQS::Queue", Resource: fmt.Sprintf("arn:aws:sqs:eu-west-1:999999999999:queue-%d", i), Public: true, CreatedAt: created, UpdatedAt: created,
		})
	}
	l.set(w)
	options := findings.Options{Statuses: []string{"ACTIVE"}, PublicResources: 100}
	s := &findings.State{}
	counts := l.round(t, l.counter(options), s)
	if !same(counts, l.truth(options)) || len(counts.Public) != 100 || s.Named() > 2*100+10 {
		t.Errorf("%d public findings are listed, and %d have names", len(counts.Public), s.Named())
	}
}
