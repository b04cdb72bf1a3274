package agenttest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"github.com/elastic/elastic-agent-client/v7/pkg/proto"
	protobuf "google.golang.org/protobuf/proto"
)

// firstShared is the first index of features and component: the agent counts
// empty ones as 1.
const firstShared = 2

// control is what the agent knows of one component: what it expects of it and
// what it observed.
type control struct {
	onCheckin func() // may be nil

	agent   *proto.AgentInfo
	actions *actions

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced with every change
	stream   *stream       // the check-in stream, nil while there is none
	expected map[UnitKey]*expectedUnit
	observed map[UnitKey]UnitState // of the expected units
	indexes  map[UnitKey]uint64    // config_state_idx as last reported
	past     map[UnitKey][]UnitState
	shared   bool // features and component were received

	features    *proto.Features
	component   *proto.Component
	sharedIndex uint64 // of both
}

type expectedUnit struct {
	state   proto.State
	config  *proto.UnitExpectedConfig
	index   uint64
	level   proto.UnitLogLevel
	removed bool // no longer in the policy; forgotten once observed STOPPED
}

// stream is one connected check-in stream.
type stream struct {
	push chan struct{} // send what is expected, unasked
	gone chan struct{} // closed when another process took its place
}

func newControl(agent *proto.AgentInfo) *control {
	return &control{
		agent: agent, actions: newActions(), changed: make(chan struct{}),
		expected: map[UnitKey]*expectedUnit{}, observed: map[UnitKey]UnitState{},
		indexes: map[UnitKey]uint64{}, past: map[UnitKey][]UnitState{},
		features: &proto.Features{Fqdn: &proto.FQDNFeature{}}, component: &proto.Component{}, sharedIndex: firstShared,
	}
}

// notify wakes who waits for a change. Callers hold mu.
func (c *control) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *control) setUnits(units []Unit) error {
	configs := make([]*proto.UnitExpectedConfig, len(units))
	for i, u := range units {
		config, err := u.expectedConfig()
		if err != nil {
			return err
		}
		if _, ok := logLevels[u.LogLevel]; !ok {
			return fmt.Errorf("unit %s: no such log level: %q", u.Key(), u.LogLevel)
		}
		configs[i] = config
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	named := map[UnitKey]bool{}
	for i, u := range units {
		named[u.Key()] = true
		c.expect(u, configs[i])
	}
	for key, e := range c.expected {
		if !named[key] {
			e.state, e.removed = proto.State_STOPPED, true
		}
	}
	c.forgetStopped()
	c.pushLocked()
	return nil
}

// pushLocked sends what is expected, unasked. Callers hold mu.
func (c *control) pushLocked() {
	c.notify()
	if c.stream == nil {
		return
	}
	select {
	case c.stream.push <- struct{}{}:
	default: // about to send anyway
	}
}

// setShared changes what holds for the component as a whole.
func (c *control) setShared(s Shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.features = &proto.Features{Fqdn: &proto.FQDNFeature{Enabled: s.FQDN}}
	c.component = &proto.Component{Limits: &proto.ComponentLimits{GoMaxProcs: s.GoMaxProcs}}
	if s.APMHost != "" {
		c.component.ApmConfig = &proto.APMConfig{Elastic: &proto.ElasticAPM{Hosts: []string{s.APMHost}, ApiKey: s.APMKey}}
	}
	c.sharedIndex++
	c.shared = false
	c.pushLocked()
}

// settled reports whether the component has received all of that.
func (c *control) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shared
}

// expect takes over one unit of the policy. Callers hold mu.
func (c *control) expect(u Unit, config *proto.UnitExpectedConfig) {
	key, state := u.Key(), proto.State_HEALTHY
	if u.Halted {
		state = proto.State_STOPPED
	}
	e, ok := c.expected[key]
	if !ok {
		c.expected[key] = &expectedUnit{state: state, config: config, index: 1, level: logLevels[u.LogLevel]}
		c.observed[key] = UnitState{State: client.UnitStateStarting, Message: "Starting"}
		return
	}
	if !e.removed {
		e.state = state
	}
	e.level = logLevels[u.LogLevel]
	if !protobuf.Equal(e.config, config) {
		e.config = config
		e.index++
	}
}

// forgetStopped drops the removed units that stopped. Callers hold mu.
func (c *control) forgetStopped() {
	for key, e := range c.expected {
		if e.removed && c.observed[key].State == client.UnitStateStopped {
			delete(c.expected, key)
			delete(c.observed, key)
			delete(c.indexes, key)
		}
	}
}

// observe takes over a check-in and reports whether the agent answers it: to the
// first one of a stream, and while anything differs from what it expects.
func (c *control) observe(message *proto.CheckinObserved, first bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onCheckin != nil {
		c.onCheckin()
	}
	answer := first
	reported := map[UnitKey]bool{}
	for _, u := range message.Units {
		key := UnitKey{client.UnitType(u.Type), u.Id}
		reported[key] = true
		if c.expected[key] == nil {
			answer = true // a unit forgotten meanwhile
			continue
		}
		c.indexes[key] = u.ConfigStateIdx
		c.record(key, UnitState{State: client.UnitState(u.State), Message: u.Message, Payload: u.Payload.AsMap(), At: time.Now()})
	}
	for key := range c.expected {
		if !reported[key] && c.indexes[key] != 0 {
			delete(c.indexes, key)
			c.observed[key] = UnitState{State: client.UnitStateFailed, Message: "Failed: not reported in check-in", At: time.Now()}
		}
	}
	c.shared = message.FeaturesIdx == c.sharedIndex && message.ComponentIdx == c.sharedIndex
	answer = answer || c.unsettled()
	c.forgetStopped()
	c.notify()
	return answer
}

// record keeps a reported state, and in the history where it is news. Callers
// hold mu.
func (c *control) record(key UnitKey, s UnitState) {
	c.observed[key] = s
	past := c.past[key]
	if n := len(past); n > 0 {
		last := past[n-1]
		if last.State == s.State && last.Message == s.Message && reflect.DeepEqual(last.Payload, s.Payload) {
			return
		}
	}
	s.Current = c.indexes[key] == c.expected[key].index
	c.past[key] = append(past, s)
}

// unsettled reports whether the component differs from what is expected.
// Callers hold mu.
func (c *control) unsettled() bool {
	for key, e := range c.expected {
		if c.observed[key].State != client.UnitState(e.state) || c.indexes[key] != e.index {
			return true
		}
	}
	return !c.shared
}

// message is what the agent expects now. Units come in any order.
func (c *control) message(first bool) *proto.CheckinExpected {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &proto.CheckinExpected{
		Features:     c.features,
		FeaturesIdx:  c.sharedIndex,
		Component:    c.component,
		ComponentIdx: c.sharedIndex,
	}
	if first {
		m.AgentInfo = c.agent
	}
	for key, e := range c.expected {
		u := &proto.UnitExpected{
			Id: key.ID, Type: proto.UnitType(key.Type), State: e.state, ConfigStateIdx: e.index, LogLevel: e.level,
		}
		if c.indexes[key] != e.index {
			u.Config = e.config
		}
		m.Units = append(m.Units, u)
	}
	return m
}

func (c *control) states() (States, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	states := States{}
	for key, s := range c.observed {
		s.Current = c.indexes[key] == c.expected[key].index
		states[key] = s
	}
	return states, c.changed
}

func (c *control) history(key UnitKey) []UnitState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.past[key])
}

// connect makes a stream the component's; it has none yet.
func (c *control) connect() (*stream, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return nil, false
	}
	c.stream = &stream{push: make(chan struct{}, 1), gone: make(chan struct{})}
	return c.stream, true
}

func (c *control) disconnect(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == s {
		c.stream = nil
	}
}

// reset forgets the former process.
func (c *control) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		close(c.stream.gone)
		c.stream = nil
	}
	maps.DeleteFunc(c.expected, func(_ UnitKey, e *expectedUnit) bool { return e.removed })
	clear(c.indexes)
	clear(c.observed)
	for key := range c.expected {
		c.observed[key] = UnitState{State: client.UnitStateStarting, Message: "Starting"}
	}
	c.shared = false
	c.notify()
}

// exited gives the units the state the agent shows when the process has ended.
func (c *control) exited(state client.UnitState, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.observed {
		c.observed[key] = UnitState{State: state, Message: message, At: time.Now()}
	}
	c.notify()
}
