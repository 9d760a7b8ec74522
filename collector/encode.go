package collector

import (
	"bytes"
	"io"
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
)

// syntax is an exposition format.
type syntax int

const (
	text syntax = iota
	openMetrics
	protobuf
	syntaxes
)

// flushAt is the number of bytes that are buffered before compression.
const flushAt = 32 << 10

// writeFamily writes a family as expfmt does. expfmt needs a dto for each series,
// label and value: half a million series allocate gigabytes for each
// publication.
func writeFamily(w io.Writer, in syntax, s *series) error {
	b := appendHead(make([]byte, 0, flushAt+flushAt/4), in, s)
	for _, i := range s.order {
		switch in {
		case protobuf:
			b = s.appendProto(b, s.at(i), s.values[i])
		default:
			b = s.appendText(b, s.at(i), s.values[i], in)
		}
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

func appendHead(b []byte, in syntax, s *series) []byte {
	if in == protobuf {
		return s.appendProtoHead(b)
	}
	help := helpEscapes
	if in == openMetrics {
		help = labelEscapes
	}
	b = append(b, "# HELP "+s.Name+" "+help.Replace(s.Help)+"\n"...)
	return append(b, "# TYPE "+s.Name+" "+string(s.Type)+"\n"...)
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// appendText appends a line: https://prometheus.io/docs/instrumenting/exposition_formats/
func (l *layout) appendText(b []byte, labels []string, value float64, in syntax) []byte {
	for i, v := range labels {
		b = append(b, l.before[i]...)
		if strings.ContainsAny(v, "\\\n\"") {
			v = labelEscapes.Replace(v)
		}
		b = append(b, v...)
	}
	b = append(b, l.before[len(labels)]...)
	return append(appendNumber(b, value, in), '\n')
}

// appendNumber formats a number as expfmt does; OpenMetrics requires a decimal
// point or an exponent.
func appendNumber(b []byte, value float64, in syntax) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, value, 'g', -1, 64)
	if in == openMetrics && !bytes.ContainsAny(b[start:], "e.") {
		b = append(b, ".0"...)
	}
	return b
}

// Fields of io.prometheus.client, from
// https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
const (
	familyName, familyHelp, familyType, familyMetric protowire.Number = 1, 2, 3, 4
	metricLabel, metricGauge                         protowire.Number = 1, 2
	labelPairName, labelPairValue                    protowire.Number = 1, 2
	gaugeValue                                       protowire.Number = 1
)

func protoString(field protowire.Number, s string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s))
}

// appendProtoHead appends the length of the whole family, and all its fields
// but the metrics.
func (s *series) appendProtoHead(b []byte) []byte {
	head := protoString(familyName, s.Name) + protoString(familyHelp, s.Help)
	size := len(head) + protowire.SizeTag(familyType) + protowire.SizeVarint(uint64(dto.MetricType_GAUGE))
	for _, i := range s.order {
		size += protowire.SizeTag(familyMetric) + protowire.SizeBytes(s.protoSize(s.at(i)))
	}
	b = protowire.AppendVarint(b, uint64(size))
	b = append(b, head...)
	b = protowire.AppendTag(b, familyType, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(dto.MetricType_GAUGE))
}

// All field numbers are below 16, so that each tag is one byte.
const (
	tagSize   = 1
	gaugeSize = tagSize + 8
)

// protoSize returns the size of a Metric.
func (l *layout) protoSize(labels []string) int {
	size := tagSize + protowire.SizeBytes(gaugeSize)
	for i, v := range labels {
		size += tagSize + protowire.SizeBytes(l.pairSize(i, v))
	}
	return size
}

func (l *layout) pairSize(label int, value string) int {
	return len(l.names[label]) + tagSize + protowire.SizeBytes(len(value))
}

func (l *layout) appendProto(b []byte, labels []string, value float64) []byte {
	b = protowire.AppendTag(b, familyMetric, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(l.protoSize(labels)))
	for i, v := range labels {
		b = protowire.AppendTag(b, metricLabel, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(l.pairSize(i, v)))
		b = append(b, l.names[i]...)
		b = protowire.AppendTag(b, labelPairValue, protowire.BytesType)
		b = protowire.AppendString(b, v)
	}
	b = protowire.AppendTag(b, metricGauge, protowire.BytesType)
	b = protowire.AppendVarint(b, gaugeSize)
	b = protowire.AppendTag(b, gaugeValue, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, math.Float64bits(value))
}
