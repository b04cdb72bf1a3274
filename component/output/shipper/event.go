package shipper

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Field numbers of the protocol's messages (api/shipper.proto and its imports).
const (
	requestUUID, requestEvent = 1, 2

	eventTimestamp, eventSource, eventDataStream, eventMetadata, eventFields = 1, 2, 3, 4, 5

	structEntry, entryName, entryValue = 1, 1, 2

	valueNull, valueFloat64, valueInt64, valueUint64, valueText, valueBool, valueStruct, valueList = 1, 2, 5, 7, 8, 9, 10, 11

	listElement = 1
)

// encoder writes PublishRequest messages of documents, straight from their JSON,
// which package ecs has encoded and is well-formed. What all events of a target
// share is encoded once. It is not safe for concurrent use.
type encoder struct {
	origin   []byte // source and data stream of an event
	metadata []byte // but for _id
	scanner  ecs.Scanner
}

var errNoObject = errors.New("not an object")

func newEncoder(t inputs.Target) *encoder {
	e := &encoder{}
	e.origin = appendTexts(e.origin, eventSource, t.InputID, t.StreamID)
	e.origin = appendTexts(e.origin, eventDataStream, t.DataStream.Type, t.DataStream.Dataset, t.DataStream.Namespace)
	for _, m := range [...]struct{ name, value string }{
		{"raw_index", t.Name()}, {"op_type", "create"}, {"input_id", t.InputID}, {"stream_id", t.StreamID}, {"pipeline", t.Options["pipeline"]},
	} {
		if m.value != "" || m.name != "pipeline" {
			e.metadata = appendEntry(e.metadata, m.name, m.value)
		}
	}
	return e
}

// request begins a request; events are appended to it.
func (e *encoder) request(dst []byte, uuid string) []byte { return appendText(dst, requestUUID, uuid) }

// event appends the event of one document. @timestamp is the event's timestamp
// and no field: the shipper writes it in front of the fields.
func (e *encoder) event(dst []byte, d inputs.Document) ([]byte, error) {
	dst, event := open(dst, requestEvent)
	dst, timestamp := open(dst, eventTimestamp)
	at := d.Timestamp.Truncate(time.Millisecond) // as in the document
	dst = appendVarint(dst, 1, uint64(at.Unix()))
	dst = appendVarint(dst, 2, uint64(at.Nanosecond()))
	dst = shut(dst, timestamp)
	dst = append(dst, e.origin...)
	dst, metadata := open(dst, eventMetadata)
	dst = append(dst, e.metadata...)
	dst = appendEntry(dst, "_id", d.ID)
	dst = shut(dst, metadata)
	dst, fields := open(dst, eventFields)
	e.scanner = ecs.NewScanner(d.JSON)
	if e.scanner.Peek() != '{' {
		return nil, errNoObject
	}
	dst = e.object(dst, `"@timestamp"`)
	return shut(shut(dst, fields), event), nil
}

// object appends the members of the object that comes next to a Struct, but for
// the one named skip.
func (e *encoder) object(dst []byte, skip string) []byte {
	for e.scanner.Enter(); e.scanner.More(); {
		name := e.scanner.Value()
		if string(name) == skip {
			e.scanner.Value()
			continue
		}
		var entry, value int
		dst, entry = open(dst, structEntry)
		dst = appendQuoted(dst, entryName, name)
		dst, value = open(dst, entryValue)
		dst = shut(shut(e.value(dst), value), entry)
	}
	return dst
}

func (e *encoder) list(dst []byte) []byte {
	for e.scanner.Enter(); e.scanner.More(); {
		var element int
		dst, element = open(dst, listElement)
		dst = shut(e.value(dst), element)
	}
	return dst
}

// value appends the value that comes next to a Value.
func (e *encoder) value(dst []byte) []byte {
	var start int
	switch e.scanner.Peek() {
	case '{':
		dst, start = open(dst, valueStruct)
		return shut(e.object(dst, ""), start)
	case '[':
		dst, start = open(dst, valueList)
		return shut(e.list(dst), start)
	}
	raw := e.scanner.Value()
	switch raw.Kind() {
	case '"':
		return appendQuoted(dst, valueText, raw)
	case '0':
		return appendNumber(dst, ecs.Alias(raw))
	case 't':
		return appendVarint(dst, valueBool, 1)
	case 'f':
		return appendVarint(dst, valueBool, 0)
	default:
		return appendVarint(dst, valueNull, 0)
	}
}

// appendNumber keeps an integer an integer; only what does not fit becomes a
// float.
func appendNumber(dst []byte, raw string) []byte {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return appendVarint(dst, valueInt64, uint64(n))
	}
	if n, err := strconv.ParseUint(raw, 10, 64); err == nil {
		return appendVarint(dst, valueUint64, n)
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil { // out of range: kept as text rather than lost
		return appendText(dst, valueText, strings.ToValidUTF8(raw, "\uFFFD"))
	}
	dst = protowire.AppendTag(dst, valueFloat64, protowire.Fixed64Type)
	return protowire.AppendFixed64(dst, math.Float64bits(n))
}

// appendQuoted appends the text of a JSON string, with its UTF-8 repaired:
// protobuf takes no other.
func appendQuoted(dst []byte, number protowire.Number, raw jsontext.Value) []byte {
	if len(raw) >= len(`""`) {
		if text := ecs.Alias(raw[1 : len(raw)-1]); ecs.IsPlain(text) {
			return appendText(dst, number, text)
		}
	}
	dst, start := open(dst, number)
	dst, _ = jsontext.AppendUnquote(dst, raw) // an error only says that UTF-8 was repaired
	return shut(dst, start)
}

// appendEntry appends a text to a Struct.
func appendEntry(dst []byte, name, value string) []byte {
	dst, entry := open(dst, structEntry)
	dst = appendText(dst, entryName, name)
	dst, start := open(dst, entryValue)
	dst = appendText(dst, valueText, value)
	return shut(shut(dst, start), entry)
}

// appendTexts appends a message of texts, numbered from 1.
func appendTexts(dst []byte, number protowire.Number, texts ...string) []byte {
	dst, start := open(dst, number)
	for i, text := range texts {
		dst = appendText(dst, protowire.Number(i+1), text)
	}
	return shut(dst, start)
}

func appendText(dst []byte, number protowire.Number, text string) []byte {
	dst = protowire.AppendTag(dst, number, protowire.BytesType)
	return protowire.AppendString(dst, text)
}

func appendVarint(dst []byte, number protowire.Number, n uint64) []byte {
	dst = protowire.AppendTag(dst, number, protowire.VarintType)
	return protowire.AppendVarint(dst, n)
}

// open begins a field of unknown length, which shut ends.
func open(dst []byte, number protowire.Number) (out []byte, start int) {
	dst = protowire.AppendTag(dst, number, protowire.BytesType)
	dst = append(dst, 0) // the length, where it is below 128
	return dst, len(dst)
}

func shut(dst []byte, start int) []byte {
	n := len(dst) - start
	if n < 0x80 {
		dst[start-1] = byte(n)
		return dst
	}
	var length [10]byte
	size := len(protowire.AppendVarint(length[:0], uint64(n)))
	dst = append(dst, length[:size-1]...) // room
	copy(dst[start-1+size:], dst[start:start+n])
	copy(dst[start-1:], length[:size])
	return dst
}
