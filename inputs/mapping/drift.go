package mapping

import (
	"maps"
	"strings"
	"sync"
)

// Bounds of the drift report.
const (
	driftNames = 100
	driftName  = 64 // bytes of a name
)

// Drift counts members of records that are not known here, by name: what the
// API sends that it did not send when this was written. The zero Drift is ready
// to use.
type Drift struct {
	mu     sync.Mutex
	counts map[string]int
}

// note counts members; a nil Drift counts nothing.
func (d *Drift) note(members []member) {
	if d == nil || len(members) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		d.counts = map[string]int{}
	}
	for _, m := range members {
		// A clone: names alias the record.
		name := strings.ToValidUTF8(strings.Clone(m.name[:min(len(m.name), driftName)]), "")
		if _, known := d.counts[name]; !known && len(d.counts) >= driftNames {
			name = "..."
		}
		d.counts[name]++
	}
}

// Report is how often each name was met. It may be changed.
func (d *Drift) Report() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		return map[string]int{}
	}
	return maps.Clone(d.counts)
}
