package kafka

import (
	"errors"
	"slices"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// format is a format string of Beats: text with fields in it, as
// "logs-%{[data_stream.dataset]:other}". A field is one of the document, or
// @metadata._id, .raw_index, .input_id, .stream_id.
type format []part

// part is text, or a field.
type part struct {
	text     string
	field    string // empty: text
	optional bool   // text is the default of a field that is missing
}

// constant reports whether no document changes what the format gives.
func (f format) constant() bool {
	return !slices.ContainsFunc(f, func(p part) bool { return p.field != "" && !strings.HasPrefix(p.field, "data_stream.") })
}

// parseFormat reads a format string.
func parseFormat(text string) (format, error) {
	var f format
	for text != "" {
		before, rest, found := strings.Cut(text, "%{")
		if before != "" {
			f = append(f, part{text: before})
		}
		if !found {
			return f, nil
		}
		inner, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("has a %{ that no } ends")
		}
		p, err := parseField(inner)
		if err != nil {
			return nil, err
		}
		f, text = append(f, p), after
	}
	return f, nil
}

func parseField(inner string) (part, error) {
	name, otherwise, optional := strings.Cut(inner, "]:")
	if !optional {
		name = strings.TrimSuffix(name, "]")
	}
	if !strings.HasPrefix(inner, "[") || !optional && !strings.HasSuffix(inner, "]") || len(name) < 2 {
		return part{}, errors.New("wants fields as %{[name]} or %{[name]:otherwise}; times are not supported")
	}
	name = strings.ReplaceAll(name[1:], "][", ".")
	return part{field: name, text: otherwise, optional: optional}, nil
}

// appendTo appends what a format gives for a document, and names the first field
// that it lacks.
func (f format) appendTo(dst []byte, target *inputs.Target, d *inputs.Document) (out []byte, missing string) {
	for _, p := range f {
		if p.field == "" {
			dst = append(dst, p.text...)
			continue
		}
		value, ok := lookUp(p.field, target, d)
		switch {
		case ok:
			dst = append(dst, value...)
		case p.optional:
			dst = append(dst, p.text...)
		default:
			return dst, p.field
		}
	}
	return dst, ""
}

// lookUp returns a field as text; it is not ok for a list or an object.
func lookUp(field string, target *inputs.Target, d *inputs.Document) (value string, ok bool) {
	if value, ok = about(field, target, d); ok {
		return value, true
	}
	switch v := event.Field(d.JSON, field); v.Kind() {
	case '"', '0', 't', 'f':
		return ecs.Unquote(v), true
	default:
		return "", false
	}
}

// about is what is known of a document beside its fields.
func about(field string, target *inputs.Target, d *inputs.Document) (value string, ok bool) {
	switch field {
	case "data_stream.type":
		return target.DataStream.Type, true
	case "data_stream.dataset":
		return target.DataStream.Dataset, true
	case "data_stream.namespace":
		return target.DataStream.Namespace, true
	case "@metadata._id":
		return d.ID, true
	case "@metadata.raw_index":
		return target.Name(), true
	case "@metadata.input_id":
		return target.InputID, true
	case "@metadata.stream_id":
		return target.StreamID, true
	}
	return "", false
}
