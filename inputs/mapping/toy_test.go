package mapping

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// incident is a record of no vendor, and toyMapper what a resource is to this
// package.
type incident struct {
	ID      Field `json:"id"`
	Title   Field `json:"title"`
	Level   Field `json:"levelOfRisk"`
	Created Field `json:"createdAt"`
	Machine Field `json:"machineId"`
	Tenant  Field `json:"tenantId"`
	Parts   List  `json:"parts"`
}

type part struct {
	Name Field `json:"name"`
}

type toyMapper struct {
	*Envelope
	incident         incident
	part             part
	incidents, parts *Decoder
	event, rest      Table
}

// toyTime is the clock of records without a time.
var toyTime = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// newToy makes a mapper; change may change the settings.
func newToy(change func(*Settings)) (*Mapper, *toyMapper) {
	s := Settings{
		Vendor: Vendor{Path: [...]string{"toy", "incident"}, Snake: true}, Module: "toy", Input: "toys",
		DataStream: inputs.DataStream{Type: "logs", Dataset: "toy.incident", Namespace: "default"}, Tenant: "t1",
		Tags: []string{"forwarded"}, Agent: inputs.Agent{ID: "agent-id", Name: "n", Type: "t", Version: "v", EphemeralID: "e"},
		Now: func() time.Time { return toyTime },
	}
	if change != nil {
		change(&s)
	}
	m := &toyMapper{Envelope: NewEnvelope(s)}
	m.incidents = m.Decoder("", &m.incident)
	m.parts = m.Decoder("parts", &m.part).OrScalar(&m.part.Name)
	m.event = Table{To("id", &m.incident.ID, m.Text), To("created", &m.incident.Created, m.Date)}
	m.rest = Table{Own(&m.incident.Level, m.Long), Own(&m.incident.Parts.Field, m.names)}
	return NewMapper(m.Envelope, m), m
}

func (m *toyMapper) names(*Field) ecs.Value { return m.Map(&m.incident.Parts, m.partName) }

func (m *toyMapper) partName(element Raw) ecs.Value {
	if !m.Object(m.parts, element) {
		return ecs.Value{}
	}
	m.Keep(m.parts)
	return m.Text(&m.part.Name)
}

func (m *toyMapper) Read(record Raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.incidents.Decode(record); err != nil {
		return "", time.Time{}, err
	}
	created, _ := m.incident.Created.Time()
	return m.incident.ID.Text(), created, nil
}

func (m *toyMapper) Documents(emit func() error) error {
	root, event := m.Begin()
	event.Set("kind", ecs.Text("alert"))
	event.Set("severity", ecs.Int(73))
	m.event.Fill(event)
	root.Set("message", m.Text(&m.incident.Title))
	machine := m.Text(&m.incident.Machine)
	root.Object("host").Set("id", machine)
	root.Object("cloud").Object("instance").Set("id", machine)
	root.Object("cloud").Object("account").Set("id", m.Text(&m.incident.Tenant))
	m.rest.Fill(m.Vendor())
	m.Keep(m.incidents)
	m.Finish(m.FirstTime(&m.incident.Created), []byte(m.incident.ID.Text()), m.Record())
	return emit()
}
