package monitor

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Overview is what a process does at a moment.
type Overview struct {
	At      time.Time `json:"at"`
	Started time.Time `json:"started"`
	Ended   bool      `json:"ended,omitzero"` // in order: nothing runs any more
	PID     int       `json:"pid"`
	Version string    `json:"version"` // of this program
	Units   []Unit    `json:"units"`
}

// Unit is an input or an output.
type Unit struct {
	ID      string   `json:"id"`
	Type    string   `json:"type"`
	Output  bool     `json:"output,omitzero"`
	State   string   `json:"state"`
	Healthy bool     `json:"-"`
	Reason  string   `json:"reason"`
	Streams []Stream `json:"streams,omitempty"` // of an input
}

// Stream is a stream of an input. Numbers count since the process started.
type Stream struct {
	ID      string `json:"id"`
	Dataset string `json:"dataset"`
	State   string `json:"state"`
	Healthy bool   `json:"-"`
	Reason  string `json:"reason"`

	LagSeconds   int        `json:"lag_seconds"`
	LastSuccess  *time.Time `json:"last_success,omitempty"`
	NewestRecord *time.Time `json:"newest_record,omitempty"`

	Records      int  `json:"records"`    // read
	Duplicates   int  `json:"duplicates"` // of them, published before
	Quarantined  int  `json:"quarantined"`
	Documents    int  `json:"documents"`
	Stored       int  `json:"stored"`
	Existing     int  `json:"existing"` // already there
	Minimal      int  `json:"minimal"`
	Bare         int  `json:"bare"`
	FailureStore int  `json:"failure_store"`
	Dropped      int  `json:"dropped"`              // by the policy's processors
	QuotaLeft    *int `json:"quota_left,omitempty"` // calls of this hour

	// HeldUntil is when the source may be asked again, where it said so.
	HeldUntil *time.Time `json:"held_until,omitempty"`
	// CredentialsDaysLeft is for how many days secret or certificate are still valid.
	CredentialsDaysLeft *int `json:"credentials_days_left,omitempty"`
}

// StreamOf is a stream as an overview shows it.
func StreamOf(s inputs.StreamStatus, now time.Time) Stream {
	shown := Stream{
		ID: s.Key.Stream, Dataset: s.Key.Dataset, State: s.State, Healthy: s.Healthy, Reason: s.Reason,
		LagSeconds: int(s.Lag(now).Seconds()), LastSuccess: moment(s.LastSuccess), NewestRecord: moment(s.Newest),
		Records: s.Records, Duplicates: s.Duplicates, Quarantined: s.Quarantined, Documents: s.Documents,
		Stored: s.Published.Stored, Existing: s.Published.Existing, Minimal: s.Published.Minimal, Bare: s.Published.Bare,
		FailureStore: s.Published.KeptAside, Dropped: s.Dropped,
	}
	if end := s.CredentialsEnd; !end.IsZero() {
		days := max(0, int(end.Sub(now).Hours()/24))
		shown.CredentialsDaysLeft = &days
	}
	if s.Quota != nil {
		shown.QuotaLeft, shown.HeldUntil = &s.Quota.HourLeft, moment(s.Quota.HeldUntil)
	}
	return shown
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// sum adds the numbers of all streams up.
func (o Overview) sum() (all Stream, streams, healthy int) {
	for _, u := range o.Units {
		for _, s := range u.Streams {
			streams++
			if s.Healthy {
				healthy++
			}
			all.Records += s.Records
			all.Duplicates += s.Duplicates
			all.Quarantined += s.Quarantined
			all.Documents += s.Documents
			all.Stored += s.Stored
			all.Existing += s.Existing
			all.Minimal += s.Minimal
			all.Bare += s.Bare
			all.LagSeconds = max(all.LagSeconds, s.LagSeconds)
			if s.QuotaLeft != nil && (all.QuotaLeft == nil || *s.QuotaLeft < *all.QuotaLeft) {
				all.QuotaLeft = s.QuotaLeft
			}
		}
	}
	return all, streams, healthy
}

// states are those of all units and streams, with their words.
func (o Overview) states() []string {
	var states []string
	for _, u := range o.Units {
		states = append(states, u.ID, u.State, u.Reason)
		for _, s := range u.Streams {
			states = append(states, s.ID, s.State, s.Reason)
		}
	}
	return states
}

// Worst is the state of the unit that is worst off: what decides whether all is
// well. It is empty where nothing runs.
func (o Overview) Worst() string {
	worst, weight := "", 0
	for _, u := range o.Units {
		if w := weights[u.State]; w > weight {
			worst, weight = u.State, w
		}
	}
	return worst
}

var weights = map[string]int{"HEALTHY": 1, "CONFIGURING": 2, "DEGRADED": 3, "FAILED": 4}

func (o Overview) encode() ([]byte, error) { return json.MarshalIndent(o, "", "  ") }

// Name is a unit as people call it.
func (u Unit) Name() string {
	if u.Output {
		return "output " + cmp.Or(u.ID, u.Type)
	}
	return "input " + u.ID
}
