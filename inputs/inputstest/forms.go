package inputstest

import (
	"fmt"
	"strings"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Forms is an inputs.Fallback that keeps nothing of a document but where it
// belongs: the id of a form is that of the document with the form's name behind
// it.
type Forms struct{}

var _ inputs.Fallback = Forms{}

// Minimal implements inputs.Fallback.
func (Forms) Minimal(d inputs.Document, original []byte, r inputs.Refusal) inputs.Document {
	return lesser(d, "minimal", fmt.Sprintf(`"event":{"original":%q},"error":{"message":%q}`, original, r.Type))
}

// Bare implements inputs.Fallback.
func (Forms) Bare(d inputs.Document, original []byte, _ inputs.Refusal) inputs.Document {
	return lesser(d, "bare", fmt.Sprintf(`"event":{"reason":"%d bytes"}`, len(original)))
}

// Record implements inputs.Fallback.
func (Forms) Record(d inputs.Document) string { return "record of " + d.ID }

func lesser(d inputs.Document, form, rest string) inputs.Document {
	json := `{"@timestamp":"` + d.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z") + `",`
	if _, after, ok := strings.Cut(string(d.JSON), `"data_stream":{`); ok {
		stream, _, _ := strings.Cut(after, "}")
		json += `"data_stream":{` + stream + "},"
	}
	return inputs.Document{ID: d.ID + "-" + form, Timestamp: d.Timestamp, JSON: []byte(json + rest + "}")}
}
