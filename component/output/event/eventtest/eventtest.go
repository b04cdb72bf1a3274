package eventtest

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Document is what an event says.
type Document struct {
	Index, ID, OpType, Pipeline, InputID, StreamID, Beat, Version string // of @metadata
	JSON                                                          []byte // without @metadata
}

// layout is how an event is written.
type layout struct {
	Metadata struct {
		Beat     string `json:"beat"`
		Type     string `json:"type"`
		Version  string `json:"version"`
		Index    string `json:"raw_index"`
		OpType   string `json:"op_type"`
		ID       string `json:"_id"`
		Pipeline string `json:"pipeline"`
		InputID  string `json:"input_id"`
		StreamID string `json:"stream_id"`
	} `json:"@metadata"`
	Timestamp jsontext.Value `json:"@timestamp"`
	Rest      jsontext.Value `json:",embed"`
}

// ErrUnreadable is that of JSON that is no event.
var ErrUnreadable = errors.New("an event cannot be read")

// Read reads an event. What is no JSON, or lacks an id, a time or the type that each event
// has, is an error.
func Read(text []byte) (Document, error) {
	var e layout
	if err := json.Unmarshal(text, &e); err != nil {
		return Document{}, err
	}
	m := e.Metadata
	if m.ID == "" || m.Type != "_doc" || len(e.Timestamp) == 0 {
		return Document{}, ErrUnreadable
	}
	d := Document{Index: m.Index, ID: m.ID, OpType: m.OpType, Pipeline: m.Pipeline, InputID: m.InputID, StreamID: m.StreamID, Beat: m.Beat, Version: m.Version}
	d.JSON = append([]byte(`{"@timestamp":`), e.Timestamp...)
	if len(e.Rest) > len("{}") {
		d.JSON = append(append(d.JSON, ','), e.Rest[1:]...)
	} else {
		d.JSON = append(d.JSON, '}')
	}
	return d, nil
}
