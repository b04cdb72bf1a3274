package component

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/component/monitor"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// started is when the process did.
var started = time.Now()

// Overview is what the process does now.
func (c *Component) Overview() monitor.Overview {
	now := time.Now()
	o := monitor.Overview{At: now.UTC(), Started: started.UTC(), PID: os.Getpid(), Units: []monitor.Unit{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.output != nil {
		state, reason := c.output.health.Now()
		o.Units = append(o.Units, monitor.Unit{
			ID: c.output.unit.ID, Type: c.output.unit.Type, Output: true, State: state.String(), Healthy: state == health.Healthy, Reason: reason,
		})
	}
	for _, in := range c.inputs {
		state, reason := in.health.Now()
		u := monitor.Unit{ID: in.unit.ID, Type: in.unit.Type, State: state.String(), Healthy: state == health.Healthy, Reason: reason}
		for _, s := range in.statuses() {
			u.Streams = append(u.Streams, monitor.StreamOf(s, now))
		}
		o.Units = append(o.Units, u)
	}
	slices.SortFunc(o.Units, func(a, b monitor.Unit) int { return strings.Compare(a.Name(), b.Name()) })
	return o
}

func (c *Component) statusesOf(in *runningInput) (list []inputs.StreamStatus) {
	c.locked(func() { list = in.statuses() })
	return list
}

// statuses are what an input's streams show, in the order of their ids.
// Component.mu is held.
func (in *runningInput) statuses() []inputs.StreamStatus {
	list := make([]inputs.StreamStatus, 0, len(in.streams))
	for _, r := range in.streams {
		s := r.health.Status()
		s.Key = r.stream.Key
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b inputs.StreamStatus) int { return strings.Compare(a.Key.Stream, b.Key.Stream) })
	return list
}
