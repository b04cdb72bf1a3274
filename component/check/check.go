package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Options say what to try, and how.
type Options struct {
	Input inputs.Input
	Units []component.Unit // of which one may be the output
	// Offline looks at the settings alone.
	Offline bool
	// Limit is how long a stream, or the output, may take.
	Limit time.Duration
	// Owner is what is wrong with a target's owner; empty if nothing is.
	Owner func(output.Owner) string
}

// Run tries the streams and the output of a policy.
func Run(ctx context.Context, o Options) Report {
	r := Report{Streams: []Stream{}, Faults: []Fault{}, Warnings: []string{}}
	var out *component.Unit
	for i := range o.Units {
		u := &o.Units[i]
		name := "output"
		if !u.Output {
			name = "input " + u.InputID
			o.input(ctx, &r, u)
		} else {
			out = u
		}
		for _, stray := range component.Strays(o.Input, *u) {
			r.faultIn(name, stray)
		}
	}
	if len(r.Streams) == 0 && len(r.Faults) == 0 {
		r.faultIn("policy", "no stream is enabled; enable one in the policy")
	}
	if out != nil {
		o.output(ctx, &r, out)
	}
	r.CanCollect = len(r.Faults) == 0
	return r
}

// input tries the streams of an input.
func (o *Options) input(ctx context.Context, r *Report, u *component.Unit) {
	limit := o.Limit
	if o.Offline {
		limit = 0
	}
	trials, err := component.TryStreams(ctx, o.Input, *u, limit)
	if err != nil {
		r.faultIn("input "+u.InputID, oneLine(err.Error()))
	}
	for _, t := range trials {
		s := Stream{
			Input: u.InputID, ID: t.Stream, Dataset: t.Dataset, Target: t.Target, Tried: t.Tried, CanCollect: t.Err == nil,
			Token: t.Token, Roles: append([]string{}, t.Roles...), Needs: t.Permission, HTTPStatus: t.Status,
			CallsLeft: t.Quota.HourLeft, Limits: t.Limits, LeftOut: append([]string{}, t.LeftOut...),
			Notes: append([]string{}, t.Notes...),
		}
		if !t.Newest.IsZero() {
			newest := t.Newest.UTC()
			s.Newest = &newest
		}
		r.Streams = append(r.Streams, s)
		if t.Err != nil {
			r.fault(t.Stream, component.Explain(o.Input, t.Err))
		}
		if t.Notice != "" {
			r.Warnings = append(r.Warnings, "stream "+t.Stream+": "+t.Notice)
		}
	}
}

// output looks at the output, where the documents of all streams would go.
func (o *Options) output(ctx context.Context, r *Report, u *component.Unit) {
	var targets []string
	for _, s := range r.Streams {
		if s.Target != "" {
			targets = append(targets, s.Target)
		}
	}
	limit := o.Limit
	if o.Offline {
		limit = 0
	}
	found := component.TryOutput(ctx, *u, targets, limit)
	r.Output = &Output{Type: u.Type, Version: found.Version, CanDeliver: found.Problem == "", Result: resultOf(found)}
	if found.Problem != "" {
		r.faultIn("output", found.Problem)
		return
	}
	if found.Warning != "" {
		r.Warnings = append(r.Warnings, "output: "+found.Warning)
	}
	if found.Skipped != "" || found.Unasked {
		return
	}
	for _, owner := range found.Owners {
		if text := o.Owner(owner); text != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s %s", owner.Target, text))
		}
	}
	if !found.OwnersKnown {
		r.Warnings = append(r.Warnings, "not known of all data streams whether they exist and whose they are: the key lacks view_index_metadata there, or monitor of the cluster")
	}
}

func resultOf(found component.OutputTrial) string {
	switch {
	case found.Skipped != "":
		return "not tried: " + found.Skipped
	case found.Problem != "":
		return "in trouble"
	case found.Unasked:
		return "reachable"
	case found.Known:
		return "reachable, may write to every data stream"
	}
	return "reachable, privileges not known: the key may not ask"
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
