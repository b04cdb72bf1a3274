package defender

import (
	"fmt"
	"maps"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Mapper maps records outside a collect loop, with the same code. It is not
// safe for concurrent use.
type Mapper struct {
	envelope *envelope
	mapper   mapper
}

// ResourceNames are the resources by their names on the command line.
func ResourceNames() []string {
	names := make([]string, len(resources))
	for i, r := range resources {
		names[i] = r.name
	}
	return names
}

// NewMapper makes a mapper for a resource with a stream's settings; those that
// say how to reach the API are not needed.
func NewMapper(name string, settings map[string]any, agent inputs.Agent) (*Mapper, error) {
	for _, r := range resources {
		if r.name != name {
			continue
		}
		source := map[string]any{
			"tenant_id": "none", "client_id": "none", "client_secret": "none",
			"data_stream": map[string]any{"dataset": r.dataset},
		}
		maps.Copy(source, settings)
		c, err := decodeConfig(source, nil)
		if err != nil {
			return nil, err
		}
		e := newEnvelope(c, agent)
		return &Mapper{e, r.newMapper(e)}, nil
	}
	return nil, fmt.Errorf("resource %q: want one of %s", name, strings.Join(ResourceNames(), ", "))
}

// Map maps one record and calls emit for each of its documents; the document
// is the mapper's again when emit returns. clean tells that nothing had to be
// noted as pipeline_error. The error is emit's.
func (m *Mapper) Map(record []byte, emit func(*ecs.Document) error) (clean bool, err error) {
	record = repaired(record)
	clean = true
	each := func() error {
		clean = clean && len(m.envelope.faults) == 0
		if !process(m.envelope.processors, &m.envelope.doc) {
			return nil
		}
		return emit(&m.envelope.doc)
	}
	if !jsontext.Value(record).IsValid(lenient...) {
		m.envelope.quarantine(record, fmt.Errorf("not valid JSON"))
		return false, each()
	}
	if _, _, unreadable := m.mapper.read(record); unreadable != nil {
		m.envelope.quarantine(record, unreadable)
		return false, each()
	}
	err = m.mapper.documents(each)
	return clean, err
}
