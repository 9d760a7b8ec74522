package collector

import (
	"io"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// sendTimeout bounds the time that a client takes to read a response. A slower
// one would keep the encodings of an old snapshot in memory.
const sendTimeout = time.Minute

// accepted are the supported formats in order of preference.
var accepted = []expfmt.Format{
	expfmt.FmtOpenMetrics_1_0_0,
	expfmt.FmtOpenMetrics_0_0_1,
	expfmt.FmtProtoDelim,
	expfmt.FmtText,
}

// ServeHTTP serves the last published snapshot. It neither calls AWS nor waits
// for a sweep. The body is that of promhttp; as there, the parameter name[]
// selects families.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	format, coding := expfmt.NegotiateAccept(r.Header, accepted...), negotiateCompression(r.Header)
	body, err := e.answer(format, coding, r.URL.Query()["name[]"])
	if err != nil {
		http.Error(w, "cannot encode metrics: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Add("Vary", "Accept")
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Type", string(format))
	if coding != identity {
		h.Set("Content-Encoding", coding.String())
	}
	h.Set("Content-Length", strconv.Itoa(body.size()))
	if r.Method == http.MethodHead {
		return
	}
	// Without a deadline in the ResponseWriter only the bound is lost.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTimeout))
	_ = body.writeTo(w) // fails if the client has disconnected
}

// answer joins the families of one publication with the live ones, sorted by
// name.
func (e *Exporter) answer(format expfmt.Format, coding compression, names []string) (answer, error) {
	unwanted := func(name string) bool { return len(names) > 0 && !slices.Contains(names, name) }

	var prepared []part
	if p := e.published.Load(); p != nil {
		all, err := p.parts[encoding{syntaxOf(format), coding}]()
		if err != nil {
			return answer{}, err
		}
		prepared = slices.DeleteFunc(slices.Clone(all), func(p part) bool { return unwanted(p.family) })
	}

	packers := <-e.livePackers
	defer func() { e.livePackers <- packers }()
	own, done, err := e.live.Gather()
	defer done()
	if err != nil {
		return answer{}, err
	}
	own = slices.DeleteFunc(own, func(f *dto.MetricFamily) bool { return unwanted(f.GetName()) })
	parts, err := packers.merge(own, prepared, format, coding)
	return newAnswer(coding, parts), err
}

// packers encode the live families of one scrape at a time.
type packers [compressions]*packer

// merge encodes the live families and returns them with the prepared ones in the
// order of their names.
func (p *packers) merge(own []*dto.MetricFamily, prepared []part, format expfmt.Format, coding compression) ([]part, error) {
	if p[coding] == nil {
		var err error
		if p[coding], err = newPacker(coding, liveLevel); err != nil {
			return nil, err
		}
	}
	into, parts := new(store), make([]part, 0, 2*len(prepared)+1)
	for _, next := range prepared {
		n := 0
		for n < len(own) && own[n].GetName() < next.family {
			n++
		}
		if n > 0 {
			before, err := p[coding].pack(into, func(w io.Writer) error {
				return encode(expfmt.NewEncoder(w, format), own[:n])
			})
			if err != nil {
				return nil, err
			}
			parts, own = append(parts, before), own[n:]
		}
		parts = append(parts, next)
	}
	rest, err := p[coding].pack(into, func(w io.Writer) error {
		encoder := expfmt.NewEncoder(w, format)
		if err := encode(encoder, own); err != nil {
			return err
		}
		return encoder.(expfmt.Closer).Close() // writes "# EOF" for OpenMetrics
	})
	return append(parts, rest), err
}

func encode(encoder expfmt.Encoder, families []*dto.MetricFamily) error {
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

func syntaxOf(f expfmt.Format) syntax {
	switch f.FormatType() {
	case expfmt.TypeOpenMetrics:
		return openMetrics
	case expfmt.TypeProtoDelim:
		return protobuf
	}
	return text
}

// negotiateCompression returns the coding with the highest quality value, the
// first of equals, as promhttp does.
func negotiateCompression(h http.Header) compression {
	best, quality := identity, 0.0
	for c := range compressions {
		for coding, q := range codings(h) {
			if q > quality && (coding == "*" || coding == c.String()) {
				best, quality = c, q
			}
		}
	}
	return best
}

// codings yields each accepted coding and its quality value, from 0 to 1.
// https://www.rfc-editor.org/rfc/rfc9110#field.accept-encoding
func codings(h http.Header) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for item := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
			coding, weight, weighted := strings.Cut(item, ";")
			q := 1.0
			if weighted {
				// An invalid weight is 0: not acceptable.
				q, _ = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			}
			if !yield(strings.TrimSpace(coding), q) {
				return
			}
		}
	}
}
