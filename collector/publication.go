package collector

import (
	"io"
	"sync"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// encoding is a format and a compression.
type encoding struct {
	syntax      syntax
	compression compression
}

// publication is a snapshot and its encodings. The first scrape that requests an
// encoding creates it while others wait for it. The last scrape of a replaced
// publication releases it, so that memory is held only for formats in use.
type publication struct {
	snapshot *inventory.Snapshot
	parts    map[encoding]func() ([]part, error)
}

func (e *Exporter) newPublication(s *inventory.Snapshot) *publication {
	p := &publication{snapshot: s, parts: map[encoding]func() ([]part, error){}}
	for in := range syntaxes {
		for c := range compressions {
			p.parts[encoding{in, c}] = sync.OnceValues(func() ([]part, error) {
				// One at a time: each takes a processor and the memory for the
				// labels of a family.
				e.preparing.Lock()
				defer e.preparing.Unlock()
				return prepare(s, encoding{in, c})
			})
		}
	}
	return p
}

// prepare encodes a part for each family that has series.
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

// WriteText writes the families from the snapshot in the text format of
// Prometheus, as a scrape would return them.
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
