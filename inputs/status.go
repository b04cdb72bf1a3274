package inputs

import "time"

// StreamStatus is what a stream shows of itself, for people and programs.
type StreamStatus struct {
	Key     Key
	State   string // HEALTHY, CONFIGURING, DEGRADED or FAILED
	Healthy bool
	Reason  string // the words of the state
	Counts         // since the process started
	// LastSuccess is when the last full poll ended; zero before the first.
	LastSuccess time.Time
}

// Lag is how far behind the present the stream has read: the age of what it reads
// in a backlog, else the time since its last full poll. Zero before the first one.
func (s StreamStatus) Lag(now time.Time) time.Duration {
	switch {
	case s.Backlog > 0:
		return s.Backlog
	case s.LastSuccess.IsZero():
		return 0
	}
	return max(now.Sub(s.LastSuccess), 0)
}
