package collector

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// FuzzEncode compares the encoding of a family with that of client_golang and
// expfmt.
func FuzzEncode(f *testing.F) {
	f.Add("", `a "b" \ c`+"\n", "\xff\xfe\xfd", "eu-west-1", 1.0, 0.0)
	f.Add("a", "a", "\u2028", "{}=,", 1763807400.25, -1.0)
	f.Add(strings.Repeat("x", 127), strings.Repeat("y", 128), strings.Repeat("z", 20_000), "\x00", 1e21, 5e-324)
	f.Add("é", "e\u0301", "\xed\xa0\x80", `\n`, 123456.0, math.MaxFloat64)
	f.Fuzz(func(t *testing.T, a, b, c, d string, v, w float64) {
		for _, x := range []float64{v, w} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Skip("no fact has such a value")
			}
		}
		l := newLayout(Family{
			Name: "fuzzed", Help: "A \"quoted\" \\ help\nin two lines.", Type: Gauge, Labels: []string{"zone", "account", "middle"},
			emit: func(_ *inventory.Snapshot, to *series) {
				to.add(v, a, b, c)
				to.add(w, d, a, b)
			},
		})
		var found series
		found.gather(l, nil)

		desc := prometheus.NewDesc(l.Name, l.Help, l.Labels, nil)
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(expected{desc, [][]string{{a, b, c}, {d, a, b}}, []float64{v, w}})
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for in, format := range map[syntax]expfmt.Format{text: expfmt.FmtText, openMetrics: expfmt.FmtOpenMetrics_1_0_0, protobuf: expfmt.FmtProtoDelim} {
			var got, want bytes.Buffer
			if err := writeFamily(&got, in, &found); err != nil {
				t.Fatal(err)
			}
			if err := encode(expfmt.NewEncoder(&want, format), families); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%s:\n%q\nexpfmt:\n%q", format, got.Bytes(), want.Bytes())
			}
		}
	})
}

// expected are series that client_golang sorts and checks; of two with equal
// labels it has the first.
type expected struct {
	desc   *prometheus.Desc
	labels [][]string
	values []float64
}

func (e expected) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

func (e expected) Collect(ch chan<- prometheus.Metric) {
	seen := map[string]bool{}
	for i, labels := range e.labels {
		var valid []string
		for _, l := range labels {
			valid = append(valid, strings.ToValidUTF8(l, "\uFFFD"))
		}
		if key := strings.Join(valid, "\xff"); !seen[key] {
			seen[key] = true
			ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, e.values[i], valid...)
		}
	}
}

// A family larger than the buffer of the compressor and than a chunk.
func TestEncodeManySeries(t *testing.T) {
	s := fleet(320)
	ours, theirs := pair(t, s)
	for in, accept := range map[syntax]string{
		text:        "text/plain",
		openMetrics: "application/openmetrics-text;version=1.0.0",
		protobuf:    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	} {
		_, want := theirs("", headers(accept, ""))
		for c := range compressions {
			header, body := ours("", headers(accept, c.String()))
			if got := unpack(t, header, body); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %s", accept, c, difference(got, want))
			}
		}
		parts, err := prepare(s, encoding{in, identity})
		if err != nil {
			t.Fatal(err)
		}
		if end := parts[len(parts)-1].to; end < chunkSize {
			t.Errorf("%d bytes fit in one chunk", end)
		}
	}
}

func TestSeriesWithEqualLabelsAreMerged(t *testing.T) {
	emit := func(_ *inventory.Snapshot, to *series) {
		for _, v := range []float64{3, 4, 5} {
			to.add(v, "same")
			to.add(v, string(rune('a'+int(v))))
		}
	}
	for _, c := range []struct {
		counts bool
		want   float64
	}{{true, 12}, {false, 3}} {
		var found series
		found.gather(newLayout(Family{Name: "f", Labels: []string{"l"}, additive: c.counts, emit: emit}), nil)
		got := map[string]float64{}
		for _, i := range found.order {
			got[found.at(i)[0]] += found.values[i]
		}
		if len(found.order) != 4 || got["same"] != c.want {
			t.Errorf("counts %t: %d series, value %v, want 4 and %v", c.counts, len(found.order), got["same"], c.want)
		}
	}
}

func TestChecksumOfPiecesEqualsWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var (
			whole []byte
			sum   checksum
		)
		for range random.IntN(8) {
			piece := make([]byte, random.IntN(3)*random.IntN(5000))
			for i := range piece {
				piece[i] = byte(random.Uint32())
			}
			whole = append(whole, piece...)
			sum.add(crc32.ChecksumIEEE(piece), int64(len(piece)))
		}
		if want := crc32.ChecksumIEEE(whole); sum.crc != want || sum.size != int64(len(whole)) {
			t.Fatalf("%d bytes: %08x over %d, want %08x", len(whole), sum.crc, sum.size, want)
		}
	}
}

// An error of the writer, such as a closed terminal, is returned.
func TestWriteTextReportsErrors(t *testing.T) {
	if err := WriteText(broken{}, organization()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
