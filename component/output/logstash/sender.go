package logstash

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// aloneFor is how long a line carries one window at a time after a connection
// broke: it is not known which of several was the cause.
const aloneFor = time.Minute

// sender is the output.Sender over some lines.
type sender struct {
	config *config
	lines  []*line

	mu      sync.Mutex
	freed   chan struct{} // closed when a window ends
	closed  bool
	readers sync.WaitGroup
}

var (
	_ output.Sender = (*sender)(nil)
	_ output.Waiter = (*sender)(nil)
)

// line is the place of one connection. The connection is made when it is first
// needed, to the first host that takes it.
type line struct {
	hosts   []string
	dialing chan struct{} // holds one element while a connection is made
	link    *link         // changed by the goroutine that dials, under the sender's mu

	under int       // windows under way; guarded by the sender's mu
	alone time.Time // until then one window at a time; guarded by the sender's mu
}

func newSender(c *config) *sender {
	s := &sender{config: c, freed: make(chan struct{})}
	start := rand.IntN(len(c.hosts)) // as Beats: a host at random
	for i := range c.lines() {
		if c.LoadBalance {
			start = i % len(c.hosts)
		}
		hosts := slices.Concat(c.hosts[start:], c.hosts[:start])
		s.lines = append(s.lines, &line{hosts: hosts, dialing: make(chan struct{}, 1)})
	}
	return s
}

// Send implements output.Sender.
func (s *sender) Send(ctx context.Context, target inputs.Target, docs []inputs.Document, verdicts []output.Verdict) error {
	ln, err := s.take(ctx)
	if err != nil {
		return err
	}
	for len(docs) > 0 && err == nil {
		var l *link
		if l, err = s.connected(ctx, ln); err != nil {
			break
		}
		var acked int
		acked, err = l.send(ctx, target, docs)
		for i := range acked {
			verdicts[i].Outcome = output.Stored
		}
		docs, verdicts = docs[acked:], verdicts[acked:]
	}
	s.give(ln, err)
	return err
}

// take waits for the line that has least to do.
func (s *sender) take(ctx context.Context) (*line, error) {
	for {
		s.mu.Lock()
		var best *line
		for _, ln := range s.lines {
			if ln.under < s.room(ln) && (best == nil || ln.under < best.under) {
				best = ln
			}
		}
		if best != nil {
			best.under++
		}
		freed := s.freed
		s.mu.Unlock()
		if best != nil {
			return best, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// room is how many windows a line may carry now.
func (s *sender) room(ln *line) int {
	if time.Now().Before(ln.alone) {
		return 1
	}
	return s.config.windows()
}

// give frees a line's place. An error that may be one document's makes its windows
// go alone.
func (s *sender) give(ln *line, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln.under--
	var e *output.Error
	if errors.As(err, &e) && e.Foreign {
		ln.alone = time.Now().Add(aloneFor)
	}
	close(s.freed)
	s.freed = make(chan struct{})
}

// connected is the line's connection, which is made where there is none.
func (s *sender) connected(ctx context.Context, ln *line) (*link, error) {
	select {
	case ln.dialing <- struct{}{}:
		defer func() { <-ln.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l := s.current(ln); l != nil {
		if !l.ended(s.config.TTL) {
			return l, nil
		}
		l.end(errClosed)
	}
	var failed error
	for i, host := range ln.hosts {
		l, err := s.open(ctx, ln, host)
		if err == nil && !s.config.LoadBalance { // it is the first one from now on
			ln.hosts = slices.Concat(ln.hosts[i:], ln.hosts[:i])
		}
		if err == nil || ctx.Err() != nil {
			return l, cmp.Or(ctx.Err(), err)
		}
		failed = err
	}
	return nil, failed
}

func (s *sender) current(ln *line) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ln.link
}

// open makes a connection.
func (s *sender) open(ctx context.Context, ln *line, host string) (*link, error) {
	conn, err := s.config.dialer.Dial(ctx, host)
	if err != nil {
		return nil, err
	}
	l, err := newLink(conn, s.config)
	if err != nil {
		_ = conn.Close() // was not used
		return nil, &output.Error{Op: opPublish, Reason: output.Other, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close() // was not used
		return nil, &output.Error{Op: opPublish, Reason: output.Other, Err: errClosed}
	}
	ln.link = l
	s.readers.Go(l.read)
	return l, nil
}

// Waiting implements output.Waiter.
func (s *sender) Waiting() error {
	for _, ln := range s.lines {
		if l := s.current(ln); l != nil && l.blocked() {
			return &output.Error{Op: opPublish, Reason: output.Busy, Err: errBlocked}
		}
	}
	return nil
}

var errBlocked = errors.New("it keeps the connection and acknowledges nothing")

// close ends all connections and waits for their goroutines.
func (s *sender) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, ln := range s.lines {
		if l := s.current(ln); l != nil {
			l.end(errClosed)
		}
	}
	s.readers.Wait()
}
