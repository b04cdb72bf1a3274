package collect

import "time"

// ageStep is how far, in seconds, the clocks move until the age is noted again: the
// source gives whole seconds only.
const ageStep = 60

// ageClock is the time by which a record of a snapshot was published long ago. It
// moves on by what our clock and the source's both moved since they were read, so
// that a jump of either neither publishes everything again nor stops doing so.
// All of it are seconds since 1970.
type ageClock struct {
	At     int64 `json:"at"`
	Ours   int64 `json:"ours"`
	Theirs int64 `json:"theirs"`

	now int64
}

// read reads both clocks.
func (c *ageClock) read(ours, theirs time.Time) {
	if c.At == 0 {
		*c = ageClock{At: ours.Unix(), Ours: ours.Unix(), Theirs: theirs.Unix()}
	}
	byOurs, byTheirs := ours.Unix()-c.Ours, theirs.Unix()-c.Theirs
	c.now = c.At + max(0, min(byOurs, byTheirs))
	if max(byOurs, byTheirs, -byOurs, -byTheirs) >= ageStep {
		c.At, c.Ours, c.Theirs = c.now, ours.Unix(), theirs.Unix()
	}
}

func (c *ageClock) time() time.Time { return time.Unix(c.now, 0) }
