package collector

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// compression is the content coding of an answer.
type compression int

const (
	identity compression = iota
	gzip
	zstandard
	compressions
)

// String spells the coding as HTTP does.
func (c compression) String() string {
	return [...]string{"identity", "gzip", "zstd"}[c]
}

// part is a piece of an answer, ready to be sent: one or more whole families,
// encoded and compressed without regard to what stands before or after them.
// Parts joined in any order make a valid answer.
//
// For zstd a part is a frame, and readers take one frame after another. Of
// gzip the same is true on paper; but browsers stop after the first member, so
// a part is a run of deflate blocks, and a whole answer is one member.
type part struct {
	// family is the name of the one family in a prepared part.
	family string
	// It is what stands in the store between two offsets.
	in       *store
	from, to int
	// crc is the checksum of the part before compression, and size its size.
	crc  uint32
	size int64
}

// packer makes parts. It is not safe for concurrent use.
type packer struct {
	compressor compressor
	crc        uint32
	size       int64
}

// compressor is what the three codings have in common. Close ends the part at
// the edge of a byte.
type compressor interface {
	io.Writer
	Reset(io.Writer)
	Close() error
}

// speed is how much time is given to compression.
type speed struct {
	deflate int
	zstd    zstd.EncoderLevel
}

var (
	// thorough is for what is compressed once and sent many times.
	thorough = speed{deflate: 6, zstd: zstd.SpeedDefault}
	// hasty is for the few kilobytes that are compressed for every scrape.
	hasty = speed{deflate: flate.BestSpeed, zstd: zstd.SpeedFastest}
)

func newPacker(c compression, s speed) (*packer, error) {
	switch c {
	case gzip:
		w, err := flate.NewWriter(nil, s.deflate)
		return &packer{compressor: deflate{w}}, err
	case zstandard:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(s.zstd), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		return &packer{compressor: w}, err
	}
	return &packer{compressor: &verbatim{}}, nil
}

// pack makes a part of what write writes, and puts it at the end of the store.
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

// Write implements io.Writer: it takes what is to be compressed.
func (p *packer) Write(b []byte) (int, error) {
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b)
	p.size += int64(len(b))
	return p.compressor.Write(b)
}

// deflate ends a part with an empty block, which fills up the last byte, and
// leaves the stream open for more.
type deflate struct{ *flate.Writer }

func (d deflate) Close() error { return d.Flush() }

type verbatim struct{ io.Writer }

func (v *verbatim) Reset(w io.Writer) { v.Writer = w }
func (*verbatim) Close() error        { return nil }

// store holds bytes in chunks of one size, of which only the last may be
// shorter: what grows is never copied as a whole, and what has been prepared
// is sent in few writes, since each may wake up the reader.
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
			s.chunks = [][]byte{nil} // grows: most answers are far smaller
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

// writeTo writes what stands between two offsets.
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

// answer is a whole exposition: parts, and what has to stand around them.
type answer struct {
	head  []byte
	parts []part
	tail  []byte
}

// https://www.rfc-editor.org/rfc/rfc1952: no name, no time, no matter which
// system.
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

// writeTo stops where the reader does.
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
