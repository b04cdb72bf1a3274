package defender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/api"
)

const (
	// maxPages ends a poll that a server would keep going for ever; the next
	// poll goes on from there.
	maxPages = 10_000
	// maxPasses is how often the same bounds are read by $skip while records
	// that are new keep turning up in them.
	maxPasses = 5
	// maxSame is how often a page may follow itself though more was skipped:
	// what arrives between two pages can move it behind itself.
	maxSame = 10
	// minTop is the smallest page asked for when larger ones keep breaking.
	minTop = 10
	// backlogAge is how old records are that make a poll a backlog, which gives
	// way to polls of what is new.
	backlogAge = time.Hour
)

// What a server may refuse of a query, or ignore.
var (
	errUnordered  = errors.New("the server does not sort as asked")
	errUnfiltered = errors.New("the server does not filter as asked")
	errTooDeep    = errors.New("the server does not skip as many records as asked")
)

// page is what one answer held. Its documents are published when it is returned.
type page struct {
	records int
	fresh   int       // of them, those not seen before
	inside  int       // of the fresh ones, those that $skip could pass over: see walk
	newest  time.Time // largest update time
	last    string    // id of the last record, where pages go by id
	digest  uint64    // of all its records
}

// sweep reads page after page, window after window, to the present.
func (c *collector) sweep(ctx context.Context, w *walk) error {
	c.envelope.epoch = c.epoch()
	c.met.reset()
	var former page
	for range maxPages {
		w.top = c.server.top
		p, err := c.page(ctx, w)
		if errors.Is(err, errTooDeep) {
			if former.records < c.server.largest && w.keyset && w.upper.IsZero() {
				return nil // of one time, and fewer than it gives: nothing was cut
			}
			if w.narrow(&c.server) {
				continue
			}
		}
		if err != nil {
			return err
		}
		c.server.largest = max(c.server.largest, p.records)
		if w.stands(p, former) {
			return c.malformed("the server gives the same page again and again")
		}
		if p.records > 0 && w.byID && p.last <= w.after {
			return errUnfiltered
		}
		former = p
		ended := p.records == 0
		if w.repeat(p, ended) {
			continue
		}
		c.acknowledge(w, p, ended)
		if ended && w.upper.IsZero() || w.caughtUp(p) {
			return nil
		}
		w.advance(p, ended, &c.server)
		c.fallBehind(w, p)
	}
	return c.malformed("the answers do not end")
}

// acknowledge moves the cursor behind a page whose documents were taken, as far
// as the walk allows.
func (c *collector) acknowledge(w *walk, p page, ended bool) {
	switch {
	case c.resource.updated == "":
		if ended {
			c.complete()
		}
	case w.keyset && !ended: // an earlier pass may have seen later records
		c.advance(p.newest)
	case w.upper.IsZero() && ended:
		c.advance(w.newest)
	case ended: // the clock may be ahead of what is still to come
		c.advance(earlier(w.upper, time.Now().Add(-maxClockSkew)))
	}
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

func (c *collector) malformed(message string) error {
	return &api.Error{Op: "list " + c.resource.path, Kind: api.Malformed, Message: message}
}

// page reads one page and publishes what is new in it.
func (c *collector) page(ctx context.Context, w *walk) (page, error) {
	p := page{}
	answer, err := c.client.Open(ctx, c.request(w))
	if err != nil {
		return p, w.refusal(err)
	}
	defer answer.Close()
	err = c.records(ctx, answer, w, &p)
	// What was read is published even when the page broke off.
	if flushErr := c.settle(); flushErr != nil {
		return p, flushErr
	}
	w.newest = later(w.newest, p.newest)
	c.counts.Newest = earlier(p.newest, time.Now())
	c.report()
	if err == nil || errors.Is(err, errUnordered) {
		return p, err
	}
	if _, broke := errors.AsType[*api.Error](err); broke { // a smaller page may get through
		c.server.top = min(c.server.top, max(minTop, c.server.top/2))
	}
	c.save()
	return p, err
}

// fallBehind notes how far behind the present reading is while it still finds
// what is new to us, or has whole windows before it.
func (c *collector) fallBehind(w *walk, p page) {
	c.backlog = 0
	if c.resource.updated == "" {
		return
	}
	if behind := time.Since(later(w.lower, p.newest)); behind > backlogAge && (p.fresh > 0 || !w.upper.IsZero()) {
		c.backlog = behind
	}
}

// request asks for the walk's next page. A backlog gives way to what is new of
// its own resource, and goes before the next resource.
func (c *collector) request(w *walk) api.Request {
	priority := 2 * c.resource.priority
	if c.backlog > 0 {
		priority++
	}
	return api.Request{
		Path: c.resource.path, Query: w.query(), Priority: priority, Limit: c.resource.limit,
		Roles: []string{c.resource.permission},
	}
}

// settle publishes what is in hand, so that all that is pending may be kept.
func (c *collector) settle() error {
	if err := c.publish(); err != nil {
		return err
	}
	if c.muchPending() {
		c.keep()
	}
	return nil
}

// muchPending bounds what is pending, by what it costs to keep it: that grows
// with the seen set.
func (c *collector) muchPending() bool {
	return len(c.pending) >= max(maxPending, len(c.state.seen.sums)/32)
}

// keep puts what was published into the state.
func (c *collector) keep() {
	c.state.seen.add(c.pending)
	if c.resource.updated == "" {
		c.met.add(c.pending)
	}
	c.state.prune(time.Time{})
	clear(c.pending)
}

// refusal tells what a server does not take of a query. A list of machines that
// is empty is a 404 of the API itself (defender-api.md 3.4). A query that was
// taken without $skip is refused for being too deep.
func (w *walk) refusal(err error) error {
	var refused *api.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusNotFound && refused.Code != "" && w.property == "" && w.skip == 0:
		return nil
	case refused.Status == http.StatusBadRequest && w.skip > 0:
		return fmt.Errorf("%w: %w", errTooDeep, err)
	case refused.IsOData() && w.after != "":
		return fmt.Errorf("%w: %w", errUnfiltered, err)
	case refused.IsOData() && w.order != "":
		return fmt.Errorf("%w: %w", errUnordered, err)
	case refused.IsOData():
		return fmt.Errorf("%w: %w", errUnfiltered, err)
	default:
		return err
	}
}
