package shipper

import (
	"bytes"
	"cmp"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// encoder makes events of documents. What all events of a call share is made
// once; values are cut from slabs, since there is a handful of them per field.
// It is not safe for concurrent use.
type encoder struct {
	source     *messages.Source
	dataStream *messages.DataStream
	metadata   map[string]*messages.Value // but for _id
	names      map[string]string          // field names seen: they repeat in every document
	decoder    *jsontext.Decoder
	values     []messages.Value
	texts      []messages.Value_StringValue
	numbers    []messages.Value_Int64Value
}

// tolerant reads what an API may send; UTF-8 is repaired where text is taken.
var tolerant = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

var errNoObject = errors.New("not an object")

// slab is how many values are allocated at once.
const slab = 256

func newEncoder(t inputs.Target) *encoder {
	e := &encoder{
		source: &messages.Source{InputId: t.InputID, StreamId: t.StreamID},
		dataStream: &messages.DataStream{
			Type: t.DataStream.Type, Dataset: t.DataStream.Dataset, Namespace: t.DataStream.Namespace,
		},
		names:   map[string]string{},
		decoder: new(jsontext.Decoder),
	}
	e.metadata = map[string]*messages.Value{
		"raw_index": e.text(t.Name()),
		"op_type":   e.text("create"),
		"input_id":  e.text(t.InputID),
		"stream_id": e.text(t.StreamID),
	}
	if t.Pipeline != "" {
		e.metadata["pipeline"] = e.text(t.Pipeline)
	}
	return e
}

// event makes the event of one document. @timestamp is the event's timestamp
// and no field: the shipper writes it in front of the fields.
func (e *encoder) event(d inputs.Document) (*messages.Event, error) {
	e.decoder.Reset(bytes.NewBuffer(d.JSON), tolerant)
	fields, err := e.object("@timestamp")
	if err != nil {
		return nil, err
	}
	metadata := make(map[string]*messages.Value, len(e.metadata)+1)
	for name, value := range e.metadata {
		metadata[name] = value
	}
	metadata["_id"] = e.text(d.ID)
	return &messages.Event{
		Timestamp:  timestamppb.New(d.Timestamp.Truncate(1e6)), // milliseconds, as in the document
		Source:     e.source,
		DataStream: e.dataStream,
		Metadata:   &messages.Struct{Data: metadata},
		Fields:     fields,
	}, nil
}

// object reads an object and leaves out the member named skip.
func (e *encoder) object(skip string) (*messages.Struct, error) {
	if start, err := e.decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return nil, cmp.Or(err, errNoObject)
	}
	data := make(map[string]*messages.Value)
	for e.decoder.PeekKind() == '"' {
		raw, err := e.decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		name := e.name(raw)
		if name == skip {
			if err := e.decoder.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if data[name], err = e.value(); err != nil {
			return nil, err
		}
	}
	_, err := e.decoder.ReadToken()
	return &messages.Struct{Data: data}, err
}

func (e *encoder) list() (*messages.ListValue, error) {
	if _, err := e.decoder.ReadToken(); err != nil {
		return nil, err
	}
	list := &messages.ListValue{}
	for k := e.decoder.PeekKind(); k != ']' && k != 0; k = e.decoder.PeekKind() {
		v, err := e.value()
		if err != nil {
			return nil, err
		}
		list.Values = append(list.Values, v)
	}
	_, err := e.decoder.ReadToken()
	return list, err
}

func (e *encoder) value() (*messages.Value, error) {
	switch e.decoder.PeekKind() {
	case '{':
		object, err := e.object("")
		v := e.next()
		v.Kind = &messages.Value_StructValue{StructValue: object}
		return v, err
	case '[':
		list, err := e.list()
		v := e.next()
		v.Kind = &messages.Value_ListValue{ListValue: list}
		return v, err
	}
	raw, err := e.decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	switch raw.Kind() {
	case '"':
		return e.text(unquote(raw)), nil
	case '0':
		return e.number(string(raw)), nil
	}
	v := e.next()
	switch raw.Kind() {
	case 't', 'f':
		v.Kind = &messages.Value_BoolValue{BoolValue: raw.Kind() == 't'}
	default:
		v.Kind = &messages.Value_NullValue{}
	}
	return v, nil
}

func (e *encoder) next() *messages.Value {
	if len(e.values) == 0 {
		e.values = make([]messages.Value, slab)
	}
	v := &e.values[0]
	e.values = e.values[1:]
	return v
}

func (e *encoder) text(s string) *messages.Value {
	if len(e.texts) == 0 {
		e.texts = make([]messages.Value_StringValue, slab)
	}
	k := &e.texts[0]
	e.texts = e.texts[1:]
	k.StringValue = s
	v := e.next()
	v.Kind = k
	return v
}

// number keeps an integer an integer; only what does not fit becomes a float.
func (e *encoder) number(raw string) *messages.Value {
	v := e.next()
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		if len(e.numbers) == 0 {
			e.numbers = make([]messages.Value_Int64Value, slab)
		}
		k := &e.numbers[0]
		e.numbers = e.numbers[1:]
		k.Int64Value = n
		v.Kind = k
		return v
	}
	if n, err := strconv.ParseUint(raw, 10, 64); err == nil {
		v.Kind = &messages.Value_Uint64Value{Uint64Value: n}
		return v
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil { // out of range: kept as text rather than lost
		v.Kind = &messages.Value_StringValue{StringValue: raw}
		return v
	}
	v.Kind = &messages.Value_Float64Value{Float64Value: n}
	return v
}

// name is a member's name; equal names share their memory.
func (e *encoder) name(raw jsontext.Value) string {
	if name, ok := e.names[string(raw)]; ok {
		return name
	}
	name := unquote(raw)
	e.names[string(raw)] = name
	return name
}

// unquote is the text of a JSON string, with its UTF-8 repaired: protobuf takes
// no other.
func unquote(raw jsontext.Value) string {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	out, _ := jsontext.AppendUnquote(nil, raw) // an error only tells that UTF-8 was repaired
	return string(out)
}
