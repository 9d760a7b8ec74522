package collector

import (
	"io"
	"sync"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// encoding is one of the ways in which the same series can be sent.
type encoding struct {
	syntax      syntax
	compression compression
}

// publication is a snapshot and its encodings. Each is made when it is first
// asked for, by whoever asks first while the others wait, and goes when the
// last scrape of this publication has gone: no memory is held for a format
// that nobody scrapes, nor for snapshots that are over.
type publication struct {
	snapshot *inventory.Snapshot
	parts    map[encoding]func() ([]part, error)
}

func (e *Exporter) newPublication(s *inventory.Snapshot) *publication {
	p := &publication{snapshot: s, parts: map[encoding]func() ([]part, error){}}
	for in := range syntaxes {
		for c := range compressions {
			p.parts[encoding{in, c}] = sync.OnceValues(func() ([]part, error) {
				// One at a time, whatever the clients ask for: each takes a
				// processor and the memory for a family's labels.
				e.preparing.Lock()
				defer e.preparing.Unlock()
				return prepare(s, encoding{in, c})
			})
		}
	}
	return p
}

// prepare makes a part of each family that has series.
func prepare(s *inventory.Snapshot, as encoding) ([]part, error) {
	packer, err := newPacker(as.compression, publishedLevel)
	if err != nil {
		return nil, err
	}
	var (
		parts []part
		found series
		into  = new(store)
	)
	for _, l := range layouts {
		if found.gather(l, s); len(found.order) == 0 {
			continue
		}
		made, err := packer.pack(into, func(w io.Writer) error { return writeFamily(w, as.syntax, &found) })
		if err != nil {
			return nil, err
		}
		made.family = l.Name
		parts = append(parts, made)
	}
	return parts, nil
}

// WriteText writes the families that come from the snapshot in Prometheus'
// text format, as a scrape of it would show them.
func WriteText(w io.Writer, s *inventory.Snapshot) error {
	var found series
	for _, l := range layouts {
		if found.gather(l, s); len(found.order) == 0 {
			continue
		}
		if err := writeFamily(w, text, &found); err != nil {
			return err
		}
	}
	return nil
}
