package event

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// pipelineOption is the option of a target that names its ingest pipeline.
const pipelineOption = "pipeline"

// Encoder writes the events of one target. It is not safe for concurrent use.
type Encoder struct {
	target inputs.Target
	head   []byte // up to the _id's value
}

// NewEncoder makes an Encoder. beat is what is in @metadata.beat, where
// Logstash's older examples find the index; any document of the target has the
// version.
func NewEncoder(target inputs.Target, beat string, d inputs.Document) *Encoder {
	e := &Encoder{target: target, head: []byte(`{"@metadata":{`)}
	for _, m := range [...]struct{ name, value string }{
		{"beat", strings.ToLower(beat)}, {"type", "_doc"}, {"version", agentVersion(d.JSON)},
		{"raw_index", target.Name()}, {"op_type", "create"},
		{"input_id", target.InputID}, {"stream_id", target.StreamID}, {"pipeline", target.Options[pipelineOption]},
	} {
		if m.value != "" {
			e.head = append(append(append(e.head, '"'), m.name...), `":`...)
			e.head = append(appendText(e.head, m.value), ',')
		}
	}
	e.head = append(e.head, `"_id":`...)
	return e
}

// Fits reports whether the Encoder is one of that target.
func (e *Encoder) Fits(target inputs.Target) bool {
	return e != nil && e.target.DataStream == target.DataStream && e.target.Index == target.Index &&
		e.target.InputID == target.InputID && e.target.StreamID == target.StreamID &&
		e.target.Options[pipelineOption] == target.Options[pipelineOption]
}

// Append appends the event of a document.
func (e *Encoder) Append(dst []byte, d inputs.Document) []byte {
	dst = appendText(append(dst, e.head...), d.ID)
	dst = append(dst, '}')
	rest := d.JSON[1:]
	if len(rest) > 1 {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

func appendText(dst []byte, text string) []byte {
	if ecs.IsPlain(text) {
		return append(append(append(dst, '"'), text...), '"')
	}
	dst, _ = jsontext.AppendQuote(dst, text) // an error only says that UTF-8 was repaired
	return dst
}

// agentVersion is agent.version of a document; empty where it has none.
func agentVersion(document []byte) string {
	if v := Field(document, "agent.version"); v.Kind() == '"' {
		return ecs.Unquote(v)
	}
	return ""
}

// Field is the value at a dotted path of an encoded document, nil where there is
// none. A name may itself have dots.
func Field(document []byte, path string) jsontext.Value {
	s := ecs.NewScanner(document)
	if s.Peek() != '{' {
		return nil
	}
	for s.Enter(); s.More(); {
		name := ecs.Unquote(s.Value())
		v := s.Value()
		if name == path {
			return v
		}
		if rest, ok := strings.CutPrefix(path, name+"."); ok {
			if inner := Field(v, rest); inner != nil {
				return inner
			}
		}
	}
	return nil
}
