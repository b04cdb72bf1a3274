package defender

// documents maps what an alert's documents share once, and each evidence item
// on top of it.
func (m *alertMapper) documents(emit func() error) error {
	m.faults = m.faults[:0]
	m.shared()
	items := m.items.values
	if m.config.Evidence == "whole" || len(items) == 0 {
		m.noteBeyond(&m.items)
		m.document(items, "", 0)
		return emit()
	}
	ground, faults, lossy, kept := m.doc.Keep(), len(m.faults), m.lossy, m.kept
	again := func() {
		m.doc.Rewind(ground)
		m.faults, m.lossy, m.kept = m.faults[:faults], lossy, kept
		m.unknown += len(m.alerts.unknown) + m.alerts.beyond
	}
	room := maxExpansion
	for i := range items {
		if i > 0 {
			again()
		}
		if room -= m.sizeOf(items[i]); room < 0 && i > 0 {
			m.items.beyond += len(items) - i
			m.items.values = items[:i]
			break
		}
		m.document(items[i:i+1], "item", m.contentOf().rank(i))
		if err := emit(); err != nil {
			return err
		}
	}
	if m.items.beyond == 0 {
		return nil
	}
	again()
	m.noteBeyond(&m.items)
	m.document(nil, "beyond", 0)
	return emit()
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
	size := perDocument + len(m.record) - len(m.alert.Evidence) + 2*len(item)
	if m.config.PreserveOriginalEvent || m.lossy || len(m.faults) > 0 {
		size += len(m.record)
	}
	return size
}
