package collector

import (
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// compression is the content coding of an answer.
type compression int

const (
	identity compression = iota
	gzip
	compressions
)

// String spells the coding as HTTP does.
func (c compression) String() string {
	return [...]string{"identity", "gzip"}[c]
}

// part is one or more whole families, encoded and compressed independently of
// the parts before and after it. Parts concatenated in any order form a valid
// response.
//
// A gzip part is a run of deflate blocks, and the whole response is one member:
// RFC 1952 allows several, but Chromium and curl decode only the first.
type part struct {
	// family is the name of the only family of a published part.
	family string
	// The encoded bytes are those between two offsets of the store.
	in       *store
	from, to int
	// crc is the checksum of the part before compression, and size its size.
	crc  uint32
	size int64
}

// packer encodes parts. It is not safe for concurrent use.
type packer struct {
	compressor compressor
	crc        uint32
	size       int64
}

// compressor encodes a part. Close ends the part at a byte boundary.
type compressor interface {
	io.Writer
	Reset(io.Writer)
	Close() error
}

const (
	// publishedLevel is for series that are compressed once and served many times.
	publishedLevel = 6
	// liveLevel is for the few kilobytes that are compressed for each scrape.
	liveLevel = flate.BestSpeed
)

func newPacker(c compression, level int) (*packer, error) {
	if c == identity {
		return &packer{compressor: &uncompressed{}}, nil
	}
	w, err := flate.NewWriter(nil, level)
	return &packer{compressor: deflate{w}}, err
}

// pack appends a part with the bytes that write produces to the store.
func (p *packer) pack(into *store, write func(io.Writer) error) (part, error) {
	made := part{in: into, from: into.size}
	p.crc, p.size = 0, 0
	p.compressor.Reset(into)
	if err := write(p); err != nil {
		return part{}, err
	}
	if err := p.compressor.Close(); err != nil {
		return part{}, err
	}
	made.to, made.crc, made.size = into.size, p.crc, p.size
	return made, nil
}

// Write implements io.Writer for the uncompressed bytes of a part.
func (p *packer) Write(b []byte) (int, error) {
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b)
	p.size += int64(len(b))
	return p.compressor.Write(b)
}

// deflate ends a part with an empty block, which pads the last byte, and
// leaves the stream open for the next part.
type deflate struct{ *flate.Writer }

func (d deflate) Close() error { return d.Flush() }

type uncompressed struct{ io.Writer }

func (v *uncompressed) Reset(w io.Writer) { v.Writer = w }
func (*uncompressed) Close() error        { return nil }

// store holds bytes in chunks of equal size, of which only the last may be
// shorter. Growing never copies the whole, and a response needs few writes:
// each may wake the reader.
type store struct {
	chunks [][]byte
	size   int
}

const chunkSize = 4 << 20

// Write implements io.Writer; it never fails.
func (s *store) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		switch {
		case s.size == 0:
			s.chunks = [][]byte{nil} // grows: most responses are far smaller than a chunk
		case s.size%chunkSize == 0:
			s.chunks = append(s.chunks, make([]byte, 0, chunkSize))
		}
		last := &s.chunks[len(s.chunks)-1]
		n := min(len(b), chunkSize-len(*last))
		*last = append(*last, b[:n]...)
		s.size += n
		b = b[n:]
	}
	return written, nil
}

// writeTo writes the bytes between two offsets.
func (s *store) writeTo(w io.Writer, from, to int) error {
	for from < to {
		start := from % chunkSize
		end := min(start+to-from, chunkSize)
		if _, err := w.Write(s.chunks[from/chunkSize][start:end]); err != nil {
			return err
		}
		from += end - start
	}
	return nil
}

// answer is a whole exposition: its parts, and the header and trailer of gzip.
type answer struct {
	head  []byte
	parts []part
	tail  []byte
}

// gzipHead has neither file name nor modification time, and an unknown
// operating system: https://www.rfc-editor.org/rfc/rfc1952
var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

func newAnswer(c compression, parts []part) answer {
	if c != gzip {
		return answer{parts: parts}
	}
	var whole checksum
	for i := range parts {
		whole.add(parts[i].crc, parts[i].size)
	}
	// An empty last block, the checksum and the size modulo 2³².
	tail := []byte{0x03, 0x00}
	tail = binary.LittleEndian.AppendUint32(tail, whole.crc)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(whole.size))
	return answer{head: gzipHead, parts: parts, tail: tail}
}

func (a answer) size() int {
	n := len(a.head) + len(a.tail)
	for i := range a.parts {
		n += a.parts[i].to - a.parts[i].from
	}
	return n
}

// writeTo writes the response. It stops at the first error of the writer.
func (a answer) writeTo(w io.Writer) error {
	if _, err := w.Write(a.head); err != nil {
		return err
	}
	for i := 0; i < len(a.parts); {
		run := a.parts[i]
		for i++; i < len(a.parts) && a.parts[i].in == run.in && a.parts[i].from == run.to; i++ {
			run.to = a.parts[i].to
		}
		if err := run.in.writeTo(w, run.from, run.to); err != nil {
			return err
		}
	}
	_, err := w.Write(a.tail)
	return err
}
