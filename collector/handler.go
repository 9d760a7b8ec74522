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

// sendTimeout is how long a client may take to read an answer. One that reads
// slower would keep the encodings of a snapshot alive that is long over.
const sendTimeout = time.Minute

// accepted are the formats on offer, the preferred one first.
var accepted = []expfmt.Format{
	expfmt.FmtOpenMetrics_1_0_0,
	expfmt.FmtOpenMetrics_0_0_1,
	expfmt.FmtProtoDelim,
	expfmt.FmtText,
}

// ServeHTTP answers a scrape with what was last published. It calls nobody and
// waits for nothing but the encoding of what is in memory. The body is what
// promhttp would send; as there, the parameter name[] selects families.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
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
	// Not every ResponseWriter can, and those that cannot lose only the limit.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTimeout))
	_ = body.writeTo(w) // whoever does not read to the end has gone
}

// answer joins the families of one publication with the exporter's own, sorted
// by name.
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

// packers encode the exporter's own families for one scrape at a time.
type packers [compressions]*packer

// merge returns the parts of a whole answer: the exporter's own families
// encoded, and between them, where their names belong, the prepared ones.
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
		return encoder.(expfmt.Closer).Close() // OpenMetrics ends with a line of its own
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

// negotiateCompression chooses the coding that the client likes best, and of
// equals the first of ours, as promhttp does.
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

// codings yields what the client accepts and how gladly, from 0 to 1.
// https://www.rfc-editor.org/rfc/rfc9110#field.accept-encoding
func codings(h http.Header) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for item := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
			coding, weight, weighted := strings.Cut(item, ";")
			q := 1.0
			if weighted {
				// What cannot be read is 0: not acceptable.
				q, _ = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			}
			if !yield(strings.TrimSpace(coding), q) {
				return
			}
		}
	}
}
