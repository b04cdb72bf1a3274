package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/health"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Actions of an input unit. Fleet can call only the one that is named like the
// input's type; its parameter action names one of the others.
const (
	testConnection = "test_connection"
	collectNow     = "collect_now"
	collectFrom    = "collect_from"
)

// actionLimit is how long an action may take: Fleet gives a minute.
const actionLimit = 50 * time.Second

// trialLimit is how long a trial of a connection may take. It ends before its action
// does, since it says what to check and the end of the action says nothing.
const trialLimit = actionLimit - 5*time.Second

// action is a client.Action.
type action struct {
	name string
	run  func(ctx context.Context, params map[string]any) (map[string]any, error)
}

// Name implements client.Action.
func (a *action) Name() string { return a.name }

// Execute implements client.Action. A panic in it is an error: it runs in a
// goroutine of the client's, where it would end the process.
func (a *action) Execute(ctx context.Context, params map[string]any) (result map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, fmt.Errorf("%s: internal error: %v", a.name, p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	return a.run(ctx, params)
}

func (c *Component) registerActions(u *client.Unit, k key) {
	known := map[string]*action{
		testConnection: {testConnection, func(ctx context.Context, _ map[string]any) (map[string]any, error) { return c.testConnection(ctx, k) }},
		collectNow:     {collectNow, func(ctx context.Context, _ map[string]any) (map[string]any, error) { return c.collectNow(ctx, k) }},
		collectFrom: {collectFrom, func(_ context.Context, params map[string]any) (map[string]any, error) {
			return c.collectFrom(k, params)
		}},
	}
	for _, a := range known {
		u.RegisterAction(a)
	}
	u.RegisterAction(&action{c.o.Input.Type(), func(ctx context.Context, params map[string]any) (map[string]any, error) {
		name, _ := params["action"].(string)
		if a := known[name]; a != nil {
			return a.run(ctx, params)
		}
		return nil, fmt.Errorf("action: want %s, %s or %s, got %q", testConnection, collectNow, collectFrom, name)
	}})
}

// collectFrom makes streams of a unit collect again from the parameter time, at
// the next poll, which begins now where none is under way. The parameter streams
// names some of them, as a list or as one text with commas; else it is all. It
// does not wait for the end: to read weeks again takes longer than an action may.
func (c *Component) collectFrom(k key, params map[string]any) (map[string]any, error) {
	text, _ := params["time"].(string)
	from, err := Since(text, time.Now())
	if err != nil {
		return nil, fmt.Errorf("time: %w", err)
	}
	chosen, err := choose(c.streamsOf(k), params["streams"])
	if err != nil {
		return nil, fmt.Errorf("streams: %w", err)
	}
	asked := []any{}
	var faults []string
	for _, r := range chosen {
		id := r.stream.Key.Stream
		if r.ended() {
			faults = append(faults, "stream "+id+": does not run")
			continue
		}
		c.locked(func() { r.collectFrom(from) })
		asked = append(asked, id)
	}
	return map[string]any{"from": health.Stamp(from), "streams": asked}, joined(faults)
}

// choose returns the streams with those ids; all where none is named.
func choose(running []*runningStream, ids any) ([]*runningStream, error) {
	if len(running) == 0 {
		return nil, errors.New("no stream of the unit runs")
	}
	var wanted []string
	switch ids := ids.(type) {
	case nil:
		return running, nil
	case string:
		wanted = strings.Split(ids, ",")
	case []any:
		for _, id := range ids {
			wanted = append(wanted, fmt.Sprint(id))
		}
	default:
		return nil, errors.New("want a list of ids")
	}
	var chosen []*runningStream
	for _, id := range wanted {
		i := slices.IndexFunc(running, func(r *runningStream) bool { return r.stream.Key.Stream == strings.TrimSpace(id) })
		if i < 0 {
			return nil, fmt.Errorf("the unit has no stream %q", id)
		}
		chosen = append(chosen, running[i])
	}
	return chosen, nil
}

// Since reads a time from which to collect again: RFC 3339, or how long before
// now, as a Go duration.
func Since(text string, now time.Time) (time.Time, error) {
	from, err := time.Parse(time.RFC3339, text)
	if err != nil {
		ago, err := time.ParseDuration(text)
		if err != nil {
			return time.Time{}, fmt.Errorf("want a time such as 2026-01-31T08:00:00Z or a duration such as 48h, got %q", text)
		}
		from = now.Add(-ago)
	}
	from = from.UTC()
	switch {
	case from.After(now):
		return time.Time{}, fmt.Errorf("%s lies in the future", text)
	case from.Year() < 1: // by a zone before the year 0, which no checkpoint can hold
		return time.Time{}, fmt.Errorf("%s lies before the year 1", text)
	}
	return from, nil
}

// StreamTrial is a stream and what a try of it showed.
type StreamTrial struct {
	Stream, Dataset string
	Notice          string // what an operator should know of the settings
	Tried           bool   // not only the settings were looked at
	inputs.Trial
}

// TryStreams tries every stream of an input's configuration, all at once, and each
// for so long at most; with 0 it looks at the settings alone. A fault in a stream's
// settings is what is in its way; the error is about the input.
func TryStreams(ctx context.Context, input inputs.Input, u Unit, limit time.Duration) ([]StreamTrial, error) {
	streams, err := input.Streams(inputs.Unit{ID: u.InputID, Namespace: u.Namespace, Source: u.Source})
	if err != nil {
		return nil, err
	}
	trials := make([]StreamTrial, len(streams))
	var trying sync.WaitGroup
	for i, s := range streams {
		t := &trials[i]
		t.Stream, t.Dataset, t.Notice, t.Err = s.Key.Stream, s.Key.Dataset, s.Notice, s.Fault
		if t.Tried = s.Try != nil && limit > 0; t.Tried {
			trying.Go(func() {
				ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s; check the network, url, login_url and proxy_url", limit))
				defer cancel()
				t.Trial = s.Try(ctx)
			})
		}
	}
	trying.Wait()
	return trials, nil
}

// testConnection tries the streams of a unit as it is configured now.
func (c *Component) testConnection(ctx context.Context, k key) (map[string]any, error) {
	c.mu.Lock()
	in := c.inputs[k]
	var u Unit
	if in != nil {
		u = in.unit
	}
	c.mu.Unlock()
	if in == nil {
		return nil, errors.New("the unit does not run")
	}
	trials, err := TryStreams(ctx, c.o.Input, u, trialLimit)
	if err != nil {
		return nil, err
	}
	if len(trials) == 0 {
		return nil, errors.New(health.NoStreams())
	}
	streams := map[string]any{}
	var faults []string
	for _, t := range trials {
		streams[t.Stream] = trialResult(t)
		if t.Err != nil {
			faults = append(faults, "stream "+t.Stream+": "+Explain(c.o.Input, t.Err))
		}
	}
	return map[string]any{"streams": streams}, joined(faults)
}

func trialResult(t StreamTrial) map[string]any {
	roles := make([]any, 0, len(t.Roles))
	for _, r := range t.Roles {
		roles = append(roles, r)
	}
	result := map[string]any{
		"token": t.Token, "roles": roles, "permission": t.Permission, "http_status": t.Status,
		"quota_left": t.Quota.HourLeft, "can_collect": t.Err == nil,
	}
	if len(t.LeftOut) > 0 {
		result["left_out"] = strings.Join(t.LeftOut, ", ")
	}
	if !t.Newest.IsZero() {
		result["newest_record"] = health.Stamp(t.Newest)
	}
	return result
}

// collectNow makes every stream of a unit poll and waits for the ends of the
// polls. A poll under way counts; the one asked for follows it.
func (c *Component) collectNow(ctx context.Context, k key) (map[string]any, error) {
	running := c.streamsOf(k)
	if len(running) == 0 {
		return nil, errors.New("no stream of the unit runs")
	}
	ended := make([]<-chan struct{}, len(running))
	for i, r := range running {
		ended[i] = r.health.Ended()
		select {
		case r.poll <- struct{}{}:
		default: // is asked for already
		}
	}
	streams := map[string]any{}
	var faults []string
	for i, r := range running {
		id := r.stream.Key.Stream
		select {
		case <-ended[i]:
		case <-r.done:
		case <-ctx.Done():
			faults = append(faults, "stream "+id+": the poll is still under way")
			continue
		}
		result, fault := r.health.Outcome()
		if streams[id] = result; fault != "" {
			faults = append(faults, "stream "+id+": "+fault)
		}
	}
	return map[string]any{"streams": streams}, joined(faults)
}

func joined(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(faults, "; "))
}
