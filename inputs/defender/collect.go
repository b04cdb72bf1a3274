package defender

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	// maxPages ends a poll that a server would keep going for ever; the next
	// poll goes on from there.
	maxPages = 10_000
	// minTop is the smallest page asked for when larger ones keep breaking.
	minTop = 10
	// retryAfter is the pause after a failed poll, where the interval is longer.
	retryAfter = 30 * time.Second
	// fallbackWindow is how long after its creation a record that cannot be read
	// by update time may still change: a machine action times out after 3 days
	// and 14 minutes (defender-api.md 3.5).
	fallbackWindow = 4 * 24 * time.Hour
	// tick is the precision of the API's times.
	tick = 100 * time.Nanosecond
)

// errUnordered tells that the server does not sort as asked; errUnfiltered, that
// it does not filter by that property either.
var (
	errUnordered  = errors.New("the server does not sort as asked")
	errUnfiltered = errors.New("the server does not filter by update time")
)

// collector reads one stream's resource. It is used by one goroutine.
type collector struct {
	resource *resource
	config   Config
	client   *api.Client
	env      inputs.Env
	key      inputs.Key
	log      *slog.Logger

	state    state
	envelope *envelope
	mapper   mapper
	batch    *inputs.Batch
	counts   inputs.Counts

	restored bool
	unsorted bool              // the server refuses $orderby or ignores it
	byBirth  bool              // the server does not filter by update time
	top      int               // records asked for in a page, at most config.BatchSize
	pending  map[uint64]uint32 // seen, but not acknowledged yet
	met      map[uint64]uint32 // by the sweep under way, of a resource that is swept
}

// page is what one answer held. Its documents are published when it is returned.
type page struct {
	records int
	newest  time.Time // largest update time
	digest  uint64    // of all its records
	more    bool      // the server itself says that there is more
}

// run polls until ctx ends, or once with env.Once.
func (c *collector) run(ctx context.Context) error {
	for {
		started := time.Now()
		err := c.poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.env.Reporter.Report(err)
		if c.env.Once {
			return err
		}
		if !c.rest(ctx, c.wait(err)-time.Since(started)) {
			return nil
		}
	}
}

// rest waits until the next poll is due or asked for.
func (c *collector) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-c.env.PollNow:
	}
	return true
}

// wait is the time from one poll's start to the next.
func (c *collector) wait(err error) time.Duration {
	if err == nil {
		return c.config.Interval
	}
	wait := min(c.config.Interval, retryAfter)
	var refused *api.Error
	if errors.As(err, &refused) && refused.RetryAfter > wait {
		return refused.RetryAfter
	}
	return wait
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// restore loads the cursor, or makes a first one and saves it, so that a crash
// before the first page does not move the look-back.
func (c *collector) restore(ctx context.Context) error {
	now := time.Now().UTC()
	b, err := c.env.Cursors.Load(ctx, c.key)
	if err != nil && !errors.Is(err, inputs.ErrNoCursor) {
		return fmt.Errorf("load cursor: %w", err)
	}
	if err == nil {
		if c.state, err = unmarshalState(b, c.resource.name, now); err == nil {
			c.restored = true
			return nil
		}
		c.log.Warn("cursor not usable, starting afresh", "error", err.Error())
	}
	c.state = state{cursor: now.Add(-c.config.InitialInterval), seen: map[uint64]uint32{}}
	c.restored = true
	return c.save(ctx)
}

// poll reads everything from the cursor minus the overlap to the present.
func (c *collector) poll(ctx context.Context) error {
	if !c.restored {
		if err := c.restore(ctx); err != nil {
			return err
		}
	}
	err := c.sweep(ctx, c.walk())
	if errors.Is(err, errUnordered) {
		c.log.Warn("server does not sort as asked: reading by $skip", "resource", c.resource.name)
		c.unsorted = true
		err = c.sweep(ctx, c.walk())
	}
	if errors.Is(err, errUnfiltered) {
		c.log.Warn("server does not filter by update time: reading by creation time", "resource", c.resource.name)
		c.byBirth = true
		err = c.sweep(ctx, c.walk())
	}
	if err == nil {
		c.top = min(c.config.BatchSize, c.top*2)
	}
	return err
}

// walk plans a sweep with what the server is known to take.
func (c *collector) walk() *walk {
	w := &walk{resource: c.resource, property: c.resource.updated, lower: c.lookback()}
	switch {
	case c.resource.updated == "" && !c.unsorted:
		w.order = "id"
	case c.byBirth:
		w.property = c.resource.created
	case !c.unsorted:
		w.keyset, w.order = true, c.resource.updated
	}
	return w
}

// lookback is the time from which the next poll reads.
func (c *collector) lookback() time.Time {
	if c.byBirth {
		return c.state.cursor.Add(-max(c.config.Overlap, fallbackWindow))
	}
	return c.state.cursor.Add(-c.config.Overlap)
}

// sweep reads page after page to the last one.
func (c *collector) sweep(ctx context.Context, w *walk) error {
	c.envelope.epoch = c.epoch()
	clear(c.met)
	var former page
	var newest time.Time
	largest := 0
	for range maxPages {
		w.top = c.top
		p, err := c.page(ctx, w)
		if err != nil {
			return err
		}
		if w.skip > 0 && p.records > 0 && p.digest == former.digest {
			return c.malformed("the server gives the same page again and again")
		}
		newest = later(newest, p.newest)
		last := p.isLast(largest)
		if w.keyset || last {
			if err := c.advance(ctx, newest, last); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		largest = max(largest, p.records)
		w.advance(p.records, p.newest)
		former = p
	}
	return c.malformed("the answers do not end")
}

// epoch is part of the ids of a swept resource: the time of the last complete
// sweep. It is saved, so that a sweep which is read again after a crash gives
// the same ids; and it differs from sweep to sweep, so that a record that
// changes back, or is published again after full_interval, is a new document.
func (c *collector) epoch() []byte {
	if c.resource.updated != "" {
		return nil
	}
	return strconv.AppendInt(nil, c.state.cursor.UnixNano(), 10)
}

// isLast decides whether a page ends the sweep; see "Why a short page" in the
// package's doc.
func (p *page) isLast(largest int) bool {
	return p.records == 0 || p.records < largest && !p.more
}

func (c *collector) malformed(message string) error {
	return &api.Error{Op: "list " + c.resource.path, Kind: api.Malformed, Message: message}
}

// page reads one page and publishes what is new in it.
func (c *collector) page(ctx context.Context, w *walk) (page, error) {
	p := page{}
	answer, err := c.client.Open(ctx, api.Request{
		Path: c.resource.path, Query: w.query(), Priority: c.resource.priority, Roles: []string{c.resource.permission},
	})
	if err != nil {
		return p, c.refusal(w, err)
	}
	defer answer.Close()
	err = c.records(ctx, answer, w, &p)
	// What was read is published even when the page broke off.
	if flushErr := c.publish(ctx); flushErr != nil {
		return p, flushErr
	}
	c.keep()
	p.more = answer.NextLink() != ""
	if err == nil || errors.Is(err, errUnordered) {
		return p, err
	}
	c.top = max(minTop, c.top/2) // a smaller page may get through
	return p, errors.Join(err, c.save(ctx))
}

// refusal tells what a server does not take of a query. A list of machines that
// is empty is a 404 (defender-api.md 3.4).
func (c *collector) refusal(w *walk, err error) error {
	var refused *api.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusNotFound && w.property == "" && w.skip == 0:
		return nil
	case refused.IsOData() && w.order != "":
		return errUnordered
	case refused.IsOData() && c.resource.created != "" && !c.byBirth:
		return errUnfiltered
	default:
		return err
	}
}

// keep puts what was published into the state. Only what can be met again is
// kept: in a sweep what it met, else what lies behind the look-back.
func (c *collector) keep() {
	maps.Copy(c.state.seen, c.pending)
	if c.resource.updated == "" {
		maps.Copy(c.met, c.pending)
	} else {
		c.state.prune(c.lookback())
	}
	clear(c.pending)
}

func (c *collector) records(ctx context.Context, answer *api.Page, w *walk, p *page) error {
	for ctx.Err() == nil {
		record, err := answer.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.IsTooLarge() {
			if err := c.oversized(ctx, e, p); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := c.record(ctx, record, w, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// record publishes one record unless it was seen.
func (c *collector) record(ctx context.Context, record raw, w *walk, p *page) error {
	record = repaired(record)
	fingerprint := xxhash.Sum64(record)
	p.records++
	p.digest = p.digest*31 + fingerprint
	c.counts.Records++
	updated, unreadable := c.mapper.read(record)
	if !updated.IsZero() {
		if w.keyset && updated.Before(w.lower.Truncate(tick)) {
			return c.malformed("the server ignores $filter")
		}
		if w.keyset && updated.Before(p.newest) {
			return errUnordered
		}
		p.newest = later(p.newest, updated)
	}
	known, seen := c.known(fingerprint)
	if seen {
		c.counts.Duplicates++
	} else if err := c.documents(ctx, record, unreadable); err != nil {
		return err
	}
	switch {
	case c.resource.updated != "":
		c.pending[fingerprint] = unix32(later(updated, w.lower))
	case seen:
		c.pending[fingerprint] = known
	default:
		c.pending[fingerprint] = unix32(time.Now())
	}
	return nil
}

// known reports whether a record need not be published, with what the seen set
// holds for it: its update time or, in a sweep, when it was published.
func (c *collector) known(fingerprint uint64) (held uint32, seen bool) {
	if held, seen = c.pending[fingerprint]; seen {
		return held, true
	}
	held, seen = c.state.seen[fingerprint]
	if seen && c.resource.updated == "" {
		seen = time.Since(time.Unix(int64(held), 0)) < c.config.FullInterval
	}
	return held, seen
}

// oversized accounts for a record that is too large to be read. It is known by
// the record before it, so that reading it again gives the same document.
func (c *collector) oversized(ctx context.Context, e *api.Error, p *page) error {
	p.records++
	c.counts.Records++
	place := raw(`"after ` + p.newest.Format(time.RFC3339Nano) + `"`)
	fingerprint := xxhash.Sum64(place)
	if _, seen := c.state.seen[fingerprint]; !seen {
		if err := c.documents(ctx, place, errors.New(e.Message)); err != nil {
			return err
		}
	}
	c.pending[fingerprint] = unix32(later(p.newest, time.Now()))
	return nil
}

// documents maps a record into the batch, which it publishes when it is full.
func (c *collector) documents(ctx context.Context, record raw, unreadable error) error {
	emit := func() error {
		if !process(c.envelope.processors, &c.envelope.doc) {
			c.counts.Dropped++
			return nil
		}
		c.batch.Add(&c.envelope.doc)
		if c.batch.Full() {
			return c.publish(ctx)
		}
		return nil
	}
	if unreadable != nil {
		c.counts.Quarantined++
		c.envelope.quarantine(record, unreadable)
		return emit()
	}
	err := c.mapper.documents(emit)
	if len(c.envelope.faults) > 0 {
		c.counts.Quarantined++
	}
	c.counts.Unknown += c.envelope.unknown
	c.envelope.unknown = 0
	return err
}

// publish delivers the batch. A stream that is being stopped still has the
// grace to do so.
func (c *collector) publish(ctx context.Context) error {
	if c.batch.Len() == 0 {
		return nil
	}
	ctx, cancel := graceful(ctx, c.env.Grace)
	defer cancel()
	if err := c.env.Publisher.Publish(ctx, c.batch); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	r := c.batch.Result
	c.counts.Documents += c.batch.Len()
	c.counts.Duplicates += r.Existing
	c.counts.Rejected += r.Rejected
	c.batch.Reset()
	c.report()
	return nil
}

// advance moves the cursor over acknowledged records and saves it. It never
// goes back and never into the future. For a swept resource it is the time of
// the last complete sweep, and the seen set is what that sweep met.
func (c *collector) advance(ctx context.Context, newest time.Time, last bool) error {
	now := time.Now().UTC()
	newest = earlier(newest, now)
	c.counts.Newest = newest
	c.report()
	if c.resource.updated == "" && last {
		c.state.seen, c.met = c.met, c.state.seen
		c.state.prune(time.Time{})
		newest = now
	}
	if !newest.After(c.state.cursor) {
		return nil
	}
	c.state.cursor = newest
	if c.resource.updated != "" {
		c.state.prune(c.lookback())
	}
	return c.save(ctx)
}

func (c *collector) report() {
	c.env.Reporter.Count(c.counts)
	c.counts = inputs.Counts{}
}

func (c *collector) save(ctx context.Context) error {
	b, err := c.state.marshal(c.resource.name)
	if err != nil {
		return fmt.Errorf("encode cursor: %w", err)
	}
	ctx, cancel := graceful(ctx, c.env.Grace)
	defer cancel()
	if err := c.env.Cursors.Save(ctx, c.key, b); err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	return nil
}

// graceful outlives ctx by grace.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pause(out, grace) {
			cancel()
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}
