package defender

import (
	"context"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// The collector's own stream: what the other streams of its unit do, for the
// dashboard. It reads nothing from the API, and has no checkpoint.
const (
	collectorDataset  = module + ".collector"
	collectorInterval = time.Minute
	// collectorBytes is about what its batch has, for the memory that it begins with:
	// a document has 1 to 2 KiB, and a unit some tens of streams. It bounds nothing,
	// since a report goes out as one batch.
	collectorBytes = 64 << 10
	// reasonLimit bounds the words of a state, bytes: what is longer than the field's
	// ignore_above could not be searched for.
	reasonLimit = 1000
)

// adoptCollector takes over what the collector's stream is.
func (c *Config) adoptCollector() {
	c.DataStream.Type = "metrics" // a policy by hand may leave it out
	if c.Interval == 0 {
		c.Interval = collectorInterval
	}
}

// checkCollector checks the settings that matter to it: none of those by which
// streams collect.
func (c *Config) checkCollector(r *policy.Reader) {
	r.Check(c.Interval >= time.Second, "interval", "want at least 1s")
}

// collectorStream reports on its neighbours every interval.
func (in *Input) collectorStream(key inputs.Key, c Config) inputs.Stream {
	return inputs.Stream{
		Key: key, Settings: c, Reads: c.reads(), Interval: c.Interval,
		Run: func(ctx context.Context, env inputs.Env) error {
			env.Reporter.Report(nil) // its unit does not wait for it
			if env.Once || env.Overview == nil {
				return nil // a single run has its own summary
			}
			s := newSelfReport(key, c, env, in.now())
			tick := time.NewTicker(c.Interval)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
				}
				err := s.publish(ctx)
				if ctx.Err() != nil {
					return nil
				}
				env.Reporter.Report(err)
			}
		},
	}
}

// selfReport makes the documents of the collector's stream.
type selfReport struct {
	env      inputs.Env
	now      func() time.Time
	envelope *mapping.Envelope
	batch    *inputs.Batch
	process  func(*ecs.Document) bool
	former   map[inputs.Key]inputs.Counts // as last published
}

func newSelfReport(key inputs.Key, c Config, env inputs.Env, now func() time.Time) *selfReport {
	e := mapping.NewEnvelope(mapping.Settings{
		Module: module, Input: Type, DataStream: inputs.DataStream(c.DataStream), Tags: c.Tags, Agent: env.Agent, Now: now,
	})
	e.Decoder("", &struct{}{})
	b := inputs.NewBatch(inputs.Target{
		InputID: key.Input, StreamID: key.Stream, DataStream: inputs.DataStream(c.DataStream), Index: c.Index, Options: outputOptions(c),
	}, inputs.BatchDocuments, collectorBytes)
	b.Fallback = mapping.Fallback{Tags: c.Tags}
	return &selfReport{env: env, now: now, envelope: e, batch: b, process: c.processors().Run, former: map[inputs.Key]inputs.Counts{}}
}

// publish publishes a document for each stream: how it is, and what it did since
// the document before.
func (s *selfReport) publish(ctx context.Context) error {
	at := s.now()
	counts := map[inputs.Key]inputs.Counts{}
	for _, stream := range s.env.Overview() {
		if stream.Key.Dataset == collectorDataset {
			continue
		}
		counts[stream.Key] = stream.Counts
		s.document(stream, at)
	}
	if s.batch.Len() == 0 {
		return nil
	}
	defer s.batch.Reset()
	if err := s.env.Publisher.Publish(ctx, s.batch); err != nil {
		return err // the next documents cover this stretch too
	}
	s.env.Reporter.Count(inputs.Counts{Documents: s.batch.Len(), Published: s.batch.Result})
	s.former = counts
	return nil
}

// CollectorDocuments are the documents by which a collector with usual settings
// reports on streams, as JSON: the package's sample and previews are made of them.
func CollectorDocuments(agent inputs.Agent, streams []inputs.StreamStatus, at time.Time) [][]byte {
	c := defaults()
	c.DataStream.Type, c.DataStream.Dataset = "metrics", collectorDataset
	now := func() time.Time { return at }
	s := newSelfReport(inputs.Key{}, c, inputs.Env{Agent: agent}, now)
	for _, stream := range streams {
		s.document(stream, at)
	}
	documents := make([][]byte, s.batch.Len())
	for i := range documents {
		documents[i] = s.batch.At(i).JSON
	}
	return documents
}

// document adds a stream's document to the batch.
func (s *selfReport) document(stream inputs.StreamStatus, at time.Time) {
	e := s.envelope
	e.Start(nil) // there is no record
	root, event := e.Begin()
	event.Set("kind", ecs.Text("metric"))
	setSelf(root.Object(module).Object("collector"), stream, s.former[stream.Key], at)
	// The process, the stream and the time make it unique.
	e.Finish(at, []byte(s.env.Agent.EphemeralID), []byte(stream.Key.Stream), []byte(at.Format(time.RFC3339Nano)))
	if s.process(&e.Doc) {
		s.batch.Add(&e.Doc, nil)
	}
}

// setSelf sets how a stream is, and what it did since former.
func setSelf(o *ecs.Object, s inputs.StreamStatus, former inputs.Counts, at time.Time) {
	o.Set("stream_id", ecs.Text(s.Key.Stream))
	o.Set("stream_dataset", ecs.Text(s.Key.Dataset))
	o.Set("state", ecs.Text(s.State))
	o.Set("healthy", ecs.Bool(s.Healthy))
	reason := s.Reason
	if len(reason) > reasonLimit {
		reason = strings.ToValidUTF8(reason[:reasonLimit], "") + "..." // a character may be cut
	}
	o.Set("reason", ecs.Text(reason))
	o.Set("lag_seconds", ecs.Int(int64(s.Lag(at).Seconds())))
	o.Set("last_success", ecs.Time(s.LastSuccess))
	o.Set("newest_record", ecs.Time(s.Newest))
	o.Set("credentials_end", ecs.Time(s.CredentialsEnd))
	// A stream that was restarted counts from 0 again.
	count := func(name string, now, before int) {
		if now < before {
			before = 0
		}
		o.Set(name, ecs.Int(int64(now-before)))
	}
	count("records", s.Records, former.Records)
	count("duplicates", s.Duplicates, former.Duplicates)
	count("quarantined", s.Quarantined, former.Quarantined)
	count("documents", s.Documents, former.Documents)
	count("stored", s.Published.Stored, former.Published.Stored)
	count("existing", s.Published.Existing, former.Published.Existing)
	count("minimal", s.Published.Minimal, former.Published.Minimal)
	count("bare", s.Published.Bare, former.Published.Bare)
	count("failure_store", s.Published.KeptAside, former.Published.KeptAside)
	count("dropped", s.Dropped, former.Dropped)
	count("unknown_members", s.Unknown, former.Unknown)
	if s.Quota != nil {
		o.Set("quota_left", ecs.Int(int64(s.Quota.HourLeft)))
		o.Set("held_until", ecs.Time(s.Quota.HeldUntil))
	}
}
