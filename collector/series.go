package collector

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// layout is the part of the encoding of a family that is the same for all
// snapshots.
type layout struct {
	Family
	// position maps an index in Labels to one in sorted, the order of the
	// exposition.
	position []int
	// sorted are the names of the labels in that order.
	sorted []string
	// before holds the constant text before each label value and, last, before
	// the sample value.
	before []string
	// names holds the name field of each label in protobuf.
	names []string
}

// layouts are those of the families from snapshots, sorted by name as
// client_golang sorts them.
var layouts = layoutsOf(families)

func layoutsOf(families []Family) []*layout {
	var all []*layout
	for _, f := range families {
		if f.FromSnapshot() {
			all = append(all, newLayout(f))
		}
	}
	slices.SortFunc(all, func(a, b *layout) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func newLayout(f Family) *layout {
	l := &layout{Family: f, sorted: slices.Sorted(slices.Values(f.Labels))}
	for _, name := range f.Labels {
		l.position = append(l.position, slices.Index(l.sorted, name))
	}
	text := f.Name
	for i, name := range l.sorted {
		if i == 0 {
			text += "{" + name + `="`
		} else {
			text = `",` + name + `="`
		}
		l.before = append(l.before, text)
		l.names = append(l.names, protoString(labelPairName, name))
		text = `"}`
	}
	l.before = append(l.before, text+" ")
	return l
}

// in returns the layout of the family in a snapshot.
func (l *layout) in(snapshot *inventory.Snapshot) *layout {
	if l.labelsOf == nil {
		return l
	}
	f := l.Family
	f.Labels = l.labelsOf(snapshot)
	return newLayout(f)
}

// series are the series of one family, in the order of client_golang and
// without duplicates: Prometheus rejects a scrape that has one.
//
// The slices are reused for the next family.
type series struct {
	*layout
	values []float64
	// labels holds len(position) label values for each series.
	labels []string
	// order lists the series sorted by label values.
	order []int32
	// size is the number of series, found by a first pass with counting on, so
	// that the slices are allocated once.
	size     int
	counting bool
}

// gather replaces s with the series of the family in the snapshot.
func (s *series) gather(l *layout, snapshot *inventory.Snapshot) {
	l = l.in(snapshot)
	s.layout, s.size, s.counting = l, 0, true
	l.emit(snapshot, s)
	s.counting = false
	s.values = slices.Grow(s.values[:0], s.size)
	s.labels = slices.Grow(s.labels[:0], s.size*len(l.position))
	s.order = slices.Grow(s.order[:0], s.size)
	l.emit(snapshot, s)
	slices.SortFunc(s.order, s.compare)
	s.merge()
}

// add appends a series; labels has the values in the order of Family.Labels.
func (s *series) add(value float64, labels ...string) {
	if s.counting {
		s.size++
		return
	}
	if len(labels) != len(s.position) {
		panic(fmt.Sprintf("%s has %d labels, not %d", s.Name, len(s.position), len(labels)))
	}
	s.order = append(s.order, int32(len(s.values)))
	s.values = append(s.values, value)
	start := len(s.labels)
	s.labels = s.labels[:start+len(labels)]
	for i, label := range labels {
		s.labels[start+s.position[i]] = strings.ToValidUTF8(label, "\uFFFD")
	}
}

// addTime appends a series with the Unix timestamp of t, unless t is zero.
func (s *series) addTime(t time.Time, labels ...string) {
	if t.IsZero() {
		return
	}
	s.add(seconds(t), labels...)
}

// seconds returns a Unix timestamp. UnixNano would overflow in 2262, and an
// exemption may end in 9999.
func seconds(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}

// at returns the label values of a series, sorted by label name.
func (s *series) at(i int32) []string {
	n := len(s.position)
	return s.labels[int(i)*n : int(i+1)*n]
}

func (s *series) compare(a, b int32) int {
	other := s.at(b)
	for i, v := range s.at(a) {
		if c := strings.Compare(v, other[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

// merge joins series with equal labels.
func (s *series) merge() {
	kept := s.order[:0]
	for _, i := range s.order {
		if n := len(kept); n > 0 && slices.Equal(s.at(kept[n-1]), s.at(i)) {
			if s.additive {
				s.values[kept[n-1]] += s.values[i]
			}
			continue
		}
		kept = append(kept, i)
	}
	s.order = kept
}
