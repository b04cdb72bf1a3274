package component

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"

	"github.com/defender-endpoint/defender-endpoint/component/health"
)

// diagnosticLimit bounds one file, bytes.
const diagnosticLimit = 1 << 20

const jsonType = "application/json" // redacted once more by agents that can

// describeUnit registers what the agent may ask of a unit: diagnostics and,
// of an input, actions.
func (c *Component) describeUnit(u *client.Unit) {
	k := key{u.Type() == client.UnitTypeOutput, u.ID()}
	hook := func(name, description string, content func(key) any) {
		u.RegisterDiagnosticHook(name, description, name+".json", jsonType, func() []byte { return encode(func() any { return content(k) }) })
	}
	hook("configuration", "configuration in the policy, without secrets", c.shownSource)
	if k.output {
		hook("refused", "what became of documents, and the newest that the other side refused, newest last", c.shownRefusals)
		return
	}
	hook("streams", "streams: state, counters, configuration in effect, checkpoint, quota, newest requests, fields not known here", c.shownStreams)
	c.registerActions(u, k)
}

// describeProcess registers what the agent may ask of the component as a whole.
func (c *Component) describeProcess(v2 client.V2) {
	v2.RegisterDiagnosticHook("component", "process, and units that run", "component.json", jsonType,
		func() []byte { return encode(c.shownProcess) })
}

// encode makes a file. A fault becomes the content of the file: a hook that
// panics would end the process.
func encode(content func() any) (out []byte) {
	defer func() {
		if recover() != nil {
			out = []byte(`{"error":"diagnostics are not available"}`)
		}
	}()
	b, err := json.MarshalIndent(content(), "", "  ")
	if err != nil {
		return []byte(`{"error":"diagnostics cannot be encoded"}`)
	}
	if len(b) > diagnosticLimit {
		return []byte(`{"error":"diagnostics are larger than 1 MiB"}`)
	}
	return b
}

// source is a unit's configuration as the policy has it.
func (c *Component) source(k key) (map[string]any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.output && c.output != nil && c.output.unit.ID == k.id {
		return c.output.unit.Source, true
	}
	if in := c.inputs[k]; in != nil && !k.output {
		return in.unit.Source, true
	}
	return nil, false
}

func (c *Component) shownSource(k key) any {
	source, ok := c.source(k)
	if !ok {
		return map[string]any{"error": "the unit does not run"}
	}
	return redact(source)
}

// streamsOf are an input's streams at present, in the order of their ids.
func (c *Component) streamsOf(k key) []*runningStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	var streams []*runningStream
	if in := c.inputs[k]; in != nil {
		for _, r := range in.streams {
			streams = append(streams, r)
		}
	}
	slices.SortFunc(streams, func(a, b *runningStream) int { return strings.Compare(a.stream.Key.Stream, b.stream.Key.Stream) })
	return streams
}

func (c *Component) shownStreams(k key) any {
	out := map[string]any{}
	for _, r := range c.streamsOf(k) {
		shown, saved := r.health.Details()
		entry := map[string]any{}
		if r.stream.Inspect != nil {
			entry = r.stream.Inspect(saved)
		}
		entry["dataset"], entry["state"] = r.stream.Key.Dataset, shown
		out[r.stream.Key.Stream] = entry
	}
	return map[string]any{"streams": out}
}

func (c *Component) shownRefusals(k key) any {
	c.mu.Lock()
	out := c.output
	c.mu.Unlock()
	if out == nil || out.unit.ID != k.id {
		return map[string]any{"error": "the unit does not run"}
	}
	total, published, newest := out.health.Refusals()
	list := make([]any, 0, len(newest))
	for _, r := range newest {
		list = append(list, map[string]any{
			"target": r.Target, "document_id": r.ID, "record_id": r.Record, "status": r.Status, "error_type": r.Type, "field": r.Field,
		})
	}
	shown := map[string]any{"total": total, "newest": list}
	if kind := kindOf(out.unit.Type); kind != nil {
		shown["knows_ids"] = kind.KnowsIDs // if not, what is sent twice may be stored twice
	}
	return health.Published(shown, published)
}

func (c *Component) shownProcess() any {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	info, _ := debug.ReadBuildInfo()
	c.mu.Lock()
	defer c.mu.Unlock()
	units := []any{}
	for k, in := range c.inputs {
		units = append(units, map[string]any{"id": k.id, "type": in.unit.Type, "streams": len(in.streams), "log_level": in.unit.Level.String()})
	}
	if c.output != nil {
		units = append(units, map[string]any{"id": c.output.unit.ID, "type": c.output.unit.Type, "output": true, "log_level": c.output.unit.Level.String()})
	}
	return map[string]any{
		"version": c.o.Agent().Version, "go": info.GoVersion, "go_max_procs": runtime.GOMAXPROCS(0),
		"goroutines": runtime.NumGoroutine(), "heap_bytes": memory.HeapAlloc, "memory_bytes": memory.Sys, "units": units,
	}
}
