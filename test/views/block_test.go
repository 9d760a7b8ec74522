package views

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

const (
	interval  = time.Minute
	perChunk  = 120
	blockSpan = 24 * time.Hour
	// inMemory is how much of the end Prometheus has not written to a block yet.
	inMemory = 2 * time.Hour
)

// kind is how a series develops before its last value.
type kind int

const (
	constant kind = iota
	// drifting series rise by one each day.
	drifting
	// current series have the time of the latest sweep or count.
	current
	// gapped series were 0 for an hour each day: an outage of coverage.
	gapped
	// recorded series have a sample an hour.
	recorded
)

func kindOf(l labels.Labels, n int) kind {
	switch name := l.Get(model.MetricNameLabel); {
	case strings.Contains(name, "last_success") || strings.Contains(name, "last_completed"):
		return current
	case name == "aws_access_analyzer_findings" && n%20 == 0:
		return drifting
	case name == "aws_access_analyzer_coverage" && n%50 == 0:
		return gapped
	case strings.HasPrefix(name, "access_state:"), strings.HasPrefix(name, "account_type:"):
		return recorded
	}
	return constant
}

// step is the time between two samples.
func (k kind) step() time.Duration {
	if k == recorded {
		return time.Hour
	}
	return interval
}

func (k kind) at(t time.Time, last float64, end time.Time) float64 {
	switch k {
	case drifting:
		return max(0, last-float64(end.Sub(t)/(24*time.Hour)))
	case current:
		return float64(t.Truncate(15 * time.Minute).Unix())
	case gapped:
		if t.Hour() == 3 {
			return 0
		}
	}
	return last
}

// week writes a week and two hours before end as Prometheus has them: a block a day, and
// what is in memory as a write-ahead log. Series of one kind and value have the same
// chunks in a block, which are encoded once.
func week(dir string, samples []sample, end time.Time) error {
	slices.SortFunc(samples, func(a, b sample) int { return labels.Compare(a.labels, b.labels) })
	for day := 7; day > 0; day-- {
		if err := block(dir, samples, end.Add(-inMemory-time.Duration(day)*blockSpan), end); err != nil {
			return err
		}
	}
	return head(dir, samples, end)
}

// head writes what is in memory at the end.
func head(dir string, samples []sample, end time.Time) (err error) {
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.DisableCompactions()
	refs := make([]storage.SeriesRef, len(samples))
	for at := end.Add(-inMemory); at.Before(end); at = at.Add(interval) {
		app := db.Appender(context.Background())
		for i, s := range samples {
			k := kindOf(s.labels, i)
			if at.Sub(end)%k.step() != 0 {
				continue
			}
			if refs[i], err = app.Append(refs[i], s.labels, at.UnixMilli(), k.at(at, s.value, end)); err != nil {
				return errors.Join(err, app.Rollback())
			}
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func block(dir string, samples []sample, start, end time.Time) error {
	id := ulid.MustNew(uint64(start.UnixMilli()), strings.NewReader(fmt.Sprintf("%032d", start.Unix())))
	dir = filepath.Join(dir, id.String())
	written, err := chunks.NewWriter(filepath.Join(dir, "chunks"))
	if err != nil {
		return err
	}
	idx, err := index.NewWriter(context.Background(), filepath.Join(dir, "index"))
	if err != nil {
		return err
	}
	for _, symbol := range symbols(samples) {
		if err := idx.AddSymbol(symbol); err != nil {
			return err
		}
	}
	type history struct {
		kind kind
		last float64
	}
	encoded := map[history][]chunks.Meta{}
	for i, s := range samples {
		h := history{kindOf(s.labels, i), s.value}
		if encoded[h] == nil {
			if encoded[h], err = encode(h.kind, h.last, start, end); err != nil {
				return err
			}
		}
		metas := slices.Clone(encoded[h])
		if err := written.WriteChunks(metas...); err != nil {
			return err
		}
		if err := idx.AddSeries(storage.SeriesRef(i+1), s.labels, metas...); err != nil {
			return err
		}
	}
	if err := idx.Close(); err != nil {
		return err
	}
	if err := written.Close(); err != nil {
		return err
	}
	n := uint64(blockSpan / interval)
	meta, err := json.Marshal(tsdb.BlockMeta{
		Version: 1, ULID: id, MinTime: start.UnixMilli(), MaxTime: start.Add(blockSpan).UnixMilli(),
		Stats:      tsdb.BlockStats{NumSamples: n * uint64(len(samples)), NumSeries: uint64(len(samples)), NumChunks: n / perChunk * uint64(len(samples))},
		Compaction: tsdb.BlockMetaCompaction{Level: 1, Sources: []ulid.ULID{id}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "meta.json"), meta, 0o600)
}

func encode(k kind, last float64, start, end time.Time) ([]chunks.Meta, error) {
	step := k.step()
	var metas []chunks.Meta
	for from := start; from.Before(start.Add(blockSpan)); from = from.Add(perChunk * interval) {
		c := chunkenc.NewXORChunk()
		app, err := c.Appender()
		if err != nil {
			return nil, err
		}
		at := from
		for ; at.Before(from.Add(perChunk * interval)); at = at.Add(step) {
			app.Append(0, at.UnixMilli(), k.at(at, last, end))
		}
		metas = append(metas, chunks.Meta{Chunk: c, MinTime: from.UnixMilli(), MaxTime: at.Add(-step).UnixMilli()})
	}
	return metas, nil
}

// symbols are all names and values of labels, sorted.
func symbols(samples []sample) []string {
	all := map[string]bool{"": true}
	for _, s := range samples {
		s.labels.Range(func(l labels.Label) { all[l.Name], all[l.Value] = true, true })
	}
	return slices.Sorted(maps.Keys(all))
}
