package collector

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// layout is what encoding needs to know of a family and what never changes.
type layout struct {
	Family
	// position tells where a label of the table stands among the labels sorted
	// by name, which is the order in which they are exposed.
	position []int
	// sorted are the names of the labels in that order.
	sorted []string
	// before holds the text between the values of a series: before the first
	// label value, between two, and before the number.
	before []string
	// names holds the name field of each label in protobuf.
	names []string
}

// layouts are those of the families that come from a Snapshot, sorted by name
// as client_golang sorts them.
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

// series are those of one family: in the order in which client_golang exposes
// them, and no label set twice, because one duplicate costs the whole scrape.
//
// They live only while a family is being encoded, in three slices that the
// next family uses again.
type series struct {
	*layout
	values []float64
	// labels holds len(position) label values for each series.
	labels []string
	// order lists the series sorted by label values.
	order []int32
	// size counts while counting is on: so much room is made at once.
	size     int
	counting bool
}

// gather fills s with the series that the family has in the snapshot.
func (s *series) gather(l *layout, snapshot *inventory.Snapshot) {
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

// add takes one series, its label values in the order of the table.
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

// addTime takes a point in time; the zero time is one that is not known, and
// adds nothing.
func (s *series) addTime(t time.Time, labels ...string) {
	if t.IsZero() {
		return
	}
	s.add(seconds(t), labels...)
}

// seconds since the Unix epoch. UnixNano would not do: it ends in 2262, and
// an exemption may end in 9999.
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

// merge makes one series of those with the same labels.
func (s *series) merge() {
	kept := s.order[:0]
	for _, i := range s.order {
		if n := len(kept); n > 0 && slices.Equal(s.at(kept[n-1]), s.at(i)) {
			if s.counts {
				s.values[kept[n-1]] += s.values[i]
			}
			continue
		}
		kept = append(kept, i)
	}
	s.order = kept
}
