package defender

import (
	"strconv"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// Documents implements mapping.RecordMapper. It maps what an alert's documents
// share once, and each evidence item on top of it.
func (m *alertMapper) Documents(emit func() error) error {
	m.shared()
	l := &m.alert.Evidence
	if m.whole || len(l.Elements) == 0 {
		m.NoteBeyond(l)
		m.document(l.Elements, "", 0)
		return emit()
	}
	layer, items := m.Share(), l.Elements
	again := func() {
		m.Again(layer)
		m.CountUnknown(m.alerts)
	}
	room := maxExpansion
	for i := range items {
		if i > 0 {
			again()
		}
		if room -= m.sizeOf(items[i]); room < 0 && i > 0 {
			l.Beyond += len(items) - i
			l.Elements = items[:i]
			break
		}
		m.document(items[i:i+1], "item", m.Rank(i))
		if err := emit(); err != nil {
			return err
		}
	}
	if l.Beyond == 0 {
		return nil
	}
	again()
	m.NoteBeyond(l)
	m.document(nil, "beyond", 0)
	return emit()
}

// shared maps what does not depend on the evidence.
func (m *alertMapper) shared() {
	a := &m.alert
	m.id, m.time = append(m.id[:0], a.ID.Text()...), m.timestamp()
	m.related.reset()
	root, event := m.Begin()
	event.Set("kind", ecs.Text("alert"))
	event.Set("timezone", ecs.Text("UTC"))
	event.Set("provider", ecs.Text("defender_endpoint"))
	setObserver(root).Set("name", m.Text(&a.DetectionSource))
	m.attack.reset()
	m.attack.given = m.Map(&a.MITRETechniques, m.techniqueID)
	m.setThreat(root.Object("threat"))
	m.setHost(root)
	m.setEvent(event)
	m.setRule(root)
	m.vendor.Fill(m.Vendor())
	m.Vendor().Set("incidentUrl", m.portal.page("incidents", a.IncidentID.Text(), m.tenant()))
	m.Keep(m.alerts)
	m.readRelatedUser()
	m.related.share()
}

// document makes one document of the alert with the given evidence; part and
// number distinguish it from the alert's other documents.
func (m *alertMapper) document(items []raw, part string, number int) {
	root := m.Doc.Root()
	m.related.again()
	m.person = false
	m.types, m.categories = m.types[:0], append(m.categories[:0], "host")
	if m.alert.Category.Is("malware") {
		m.categories.Add("malware")
	}
	if m.whole {
		m.Vendor().Set(m.alert.Evidence.Own, m.Map(&m.alert.Evidence, m.wholeEvidence))
	} else if len(items) > 0 {
		m.splitEvidence(root, items[0])
	}
	m.setKind(root.Object("event"))
	m.setUser(root.Object("user"))
	m.related.set(&m.Doc, root.Object("related"))
	m.part = strconv.AppendInt(append(m.part[:0], part...), int64(number), 10)
	m.Finish(m.time, m.id, m.part)
}

// timestamp is @timestamp: the creation, or with timestamp_source: update the
// last update; any other time where that one is missing.
func (m *alertMapper) timestamp() time.Time {
	a := &m.alert
	if m.updateIsFirst {
		return m.FirstTime(&a.LastUpdateTime, &a.CreationTime, &a.LastEventTime, &a.FirstEventTime)
	}
	return m.FirstTime(&a.CreationTime, &a.LastUpdateTime, &a.LastEventTime, &a.FirstEventTime)
}

const (
	// maxItems is how many evidence items of an alert have a document each, and
	// maxExpansion how many bytes the documents of an alert may have, about: each
	// has what they share, so that a record of 12 MiB could become terabytes. One
	// more document, without evidence, says what is left out and has the original.
	maxItems     = 1 << 18
	maxExpansion = 512 << 20
	// perDocument is about what a document has of its own, in bytes.
	perDocument = 1 << 10
)

// sizeOf is about what the document of an evidence item has, in bytes.
func (m *alertMapper) sizeOf(item raw) int {
	size := perDocument + len(m.Record()) - len(m.alert.Evidence.Value) + 2*len(item)
	if m.KeepsOriginal() {
		size += len(m.Record())
	}
	return size
}
