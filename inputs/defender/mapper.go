package defender

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// Mapper maps records outside a collect loop, with the same code. It is not
// safe for concurrent use.
type Mapper struct{ mapper *mapping.Mapper }

// ResourceNames are the resources by their names on the command line.
func ResourceNames() []string {
	names := make([]string, len(resources))
	for i, r := range resources {
		names[i] = r.name
	}
	return names
}

// Datasets are those of the resources, in the same order.
func Datasets() []string {
	datasets := make([]string, len(resources))
	for i, r := range resources {
		datasets[i] = r.dataset
	}
	return datasets
}

// NewMapper makes a mapper for a resource with a stream's settings; those that
// say how to reach the API are not needed. Records without a time get that of now.
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
		started := time.Now()
		return &Mapper{newMapper(r, c, agent, func() time.Time { return started }, nil)}, nil
	}
	return nil, fmt.Errorf("resource %q: want one of %s", name, strings.Join(ResourceNames(), ", "))
}

// Began says when the read of a whole list began that the records to come are of,
// for those without a time of their own; without it that is now.
func (m *Mapper) Began(at time.Time) { m.mapper.Begin(mapping.Sweep{Started: at, Whole: true}) }

// Map maps one record and calls emit for each of its documents; the document
// is the mapper's again when emit returns. clean says that nothing had to be
// noted as pipeline_error. The error is emit's.
func (m *Mapper) Map(record []byte, emit func(*ecs.Document) error) (clean bool, err error) {
	record = mapping.Repair(record)
	var unreadable error
	if !mapping.Valid(record) {
		unreadable = errors.New("not valid JSON")
	}
	m.mapper.Read(record, unreadable)
	outcome, err := m.mapper.Documents(emit)
	return !outcome.Faulty, err
}
