package health

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	// payloadLimit bounds what the streams of a unit put into its payload, bytes
	// of JSON: all payloads go out with every check-in, and to Fleet.
	payloadLimit = 4 << 10
	// errorLimit bounds a stream's text in it.
	errorLimit = 300
)

// payloads are the streams of a unit in the shape that Beats report
// (AGENT.md 2.5), and how many there was no room for. The worst come
// first: with counters in the first half of the room, then without.
func (h *Input) payloads() (streams map[string]any, leftOut int) {
	order := slices.Clone(h.order)
	slices.SortStableFunc(order, func(a, b string) int {
		return cmp.Compare(h.streams[b].now.weight(), h.streams[a].now.weight())
	})
	streams = make(map[string]any, len(order))
	used := 0
	for i, id := range order {
		p := h.streams[id].payload()
		if used+size(id, p) > payloadLimit/2 {
			p = h.streams[id].status()
		}
		if used += size(id, p); used > payloadLimit {
			return streams, len(order) - i
		}
		streams[id] = p
	}
	return streams, 0
}

// size is how much JSON a stream's entry takes.
func size(id string, p map[string]any) int {
	b, err := json.Marshal(p)
	if err != nil {
		return payloadLimit
	}
	return len(b) + len(id) + 4
}

// status is the part of a stream's payload that Beats have too.
func (s *Stream) status() map[string]any {
	text := ""
	if s.now.state >= Degraded {
		text = s.now.text
	}
	if len(text) > errorLimit {
		text = strings.ToValidUTF8(text[:errorLimit], "") + "..." // half a character would lose the whole report
	}
	return map[string]any{"status": s.now.state.String(), "error": text}
}

// payload is a stream's status with its counters. Only types that structpb
// takes: any other loses the whole report.
func (s *Stream) payload() map[string]any {
	p := s.status()
	p["records"] = s.counts.Records
	p["documents"] = s.counts.Documents
	p["duplicates"] = s.counts.Duplicates
	Published(p, s.counts.Published)
	p["dropped"] = s.counts.Dropped
	p["quarantined"] = s.counts.Quarantined
	p["unknown"] = s.counts.Unknown
	if !s.counts.Newest.IsZero() {
		p["newest_record"] = Stamp(s.counts.Newest)
	}
	if !s.lastSuccess.IsZero() {
		p["last_success"] = Stamp(s.lastSuccess)
	}
	if s.counts.Backlog > 0 {
		p["backlog_seconds"] = int(s.counts.Backlog.Seconds())
	}
	if end := s.counts.CredentialsEnd; !end.IsZero() {
		p["credentials_end"] = Stamp(end)
		p["credentials_days_left"] = max(0, int(time.Until(end).Hours()/24))
	}
	if s.counts.Quota != nil {
		p["quota_left"] = s.counts.Quota.HourLeft
	}
	return p
}

// Published adds what became of documents: stored, existing, minimal and
// bare add up to all of them.
func Published(p map[string]any, r inputs.Result) map[string]any {
	p["stored"] = r.Stored
	p["existing"] = r.Existing
	p["minimal"] = r.Minimal
	p["bare"] = r.Bare
	p["failure_store"] = r.KeptAside // the name is what dashboards and scripts know
	return p
}

// Stamp is a time as payloads and diagnostics have it.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
