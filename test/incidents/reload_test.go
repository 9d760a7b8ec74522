package incidents_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestRemovedAccountsDisappear checks the first publication after a reload.
func TestRemovedAccountsDisappear(t *testing.T) {
	lab.Run(t, lab.Setup{Config: lab.Config, World: lab.Organization}, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		published := l.Exporter.Snapshot()
		if err := l.Reload(strings.Replace(lab.Config, "organization}", "organization, exclude: ['"+lab.Alpha+"']}", 1)); err != nil {
			t.Fatal(err)
		}
		for l.Exporter.Snapshot() == published {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		s := l.Scrape()
		for name, f := range s.Families {
			for _, m := range f.GetMetric() {
				if slices.ContainsFunc(m.GetLabel(), func(label *dto.LabelPair) bool { return label.GetValue() == lab.Alpha }) {
					t.Errorf("%s has a series of the removed account: %v", name, m.GetLabel())
				}
			}
		}
		if len(s.Coverage) != 9 {
			t.Errorf("coverage %v", s.Coverage)
		}
	})
}

// TestReloadWithoutAWS reloads while AWS is unreachable. The last known state
// stays, and the next sweep after that recovers.
func TestReloadWithoutAWS(t *testing.T) {
	lab.Run(t, lab.Setup{Config: lab.Config, World: lab.Organization}, func(l *lab.Lab) {
		truth := l.Truth()
		l.Until(5*time.Minute, nil)
		restore := l.Unreachable(errors.New("connection refused"), lab.Endpoint)
		if err := l.Reload(with("eu-south-1]", "eu-south-1, af-south-1]")); err != nil {
			t.Fatal(err)
		}
		l.Until(25*time.Minute, func(s lab.State) {
			s.Check(t, truth)
			if unknown := s.Unknown(truth); len(unknown) > 0 {
				t.Errorf("unknown after the reload: %v", unknown)
			}
			if len(s.Errors) == 0 {
				t.Error("no scrape_error while AWS is unreachable")
			}
		})
		restore()
		l.Until(45*time.Minute, nil)
		expectComplete(l, "after AWS is reachable again", truth)
	})
}
