package shipper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
)

// asReal is the elastic-agent-shipper as an agent runs it: it serves plain, the
// unit has certificates, and its Elasticsearch gets no ids.
func asReal(t *testing.T, o shippertest.Options) *shippertest.Server {
	t.Helper()
	o.Socket, o.Certificates, o.WithoutIDs = socket(t), true, true
	return startShipper(t, o)
}

// storedOnce checks by event.id that documents 0 to n-1 are there, each once.
func storedOnce(t *testing.T, s *shippertest.Server, n int) {
	t.Helper()
	times := timesStored(t, s)
	for id, stored := range times {
		if stored > 1 {
			t.Errorf("%s is stored %d times", id, stored)
		}
	}
	if len(times) != n {
		t.Errorf("%d documents stored, want %d", len(times), n)
	}
}

// timesStored counts by event.id.
func timesStored(t *testing.T, s *shippertest.Server) map[string]int {
	t.Helper()
	times := map[string]int{}
	for _, d := range s.Documents(target.Name()) {
		var document struct{ Event struct{ ID string } }
		if err := json.Unmarshal(d.JSON, &document); err != nil {
			t.Fatal(err)
		}
		times[document.Event.ID]++
	}
	return times
}

// reported waits for trouble of that kind that says so.
func reported(t *testing.T, r *outputtest.Reporter, kind output.Reason, says string) {
	t.Helper()
	ctx := deadline(t)
	for {
		select {
		case err := <-r.Changed:
			if output.ReasonOf(err) == kind && strings.Contains(err.Error(), says) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("no report of %q with %q", kind, says)
		}
	}
}

var (
	speaksTLS     = shippertest.Options{TLS: true, Name: unitID}
	speaksPlain   = shippertest.Options{Certificates: true}
	speaksAsOther = shippertest.Options{TLS: true, Name: "other"}
)

// plainAndTLS are pairs of a shipper and settings, and what comes of them.
var plainAndTLS = map[string]struct {
	shipper shippertest.Options
	tcp     bool   // instead of a socket
	enabled any    // ssl.enabled; nil: as the agent has it
	says    string // empty: it delivers
}{
	"agent's settings, plain":           {shipper: speaksPlain},
	"agent's settings, TLS":             {shipper: speaksTLS},
	"enabled, TLS":                      {shipper: speaksTLS, enabled: true},
	"enabled, plain":                    {shipper: speaksPlain, enabled: true, says: "the shipper speaks plain, and TLS is asked for"},
	"disabled, plain":                   {shipper: speaksPlain, enabled: false},
	"disabled, TLS":                     {shipper: speaksTLS, enabled: false, says: "if it speaks TLS, set ssl"},
	"agent's settings, TLS over TCP":    {shipper: speaksTLS, tcp: true},
	"agent's settings, plain over TCP":  {shipper: speaksPlain, tcp: true, says: "the shipper speaks plain"},
	"certificate of another unit":       {shipper: speaksAsOther, says: "no TLS connection: x509: certificate is valid for other"},
	"certificate of another, over TCP":  {shipper: speaksAsOther, tcp: true, says: "no TLS connection: x509: certificate is valid for other"},
	"agent's settings, disabled on TCP": {shipper: speaksPlain, tcp: true, enabled: false},
}

func TestPlainAndTLS(t *testing.T) {
	for name, test := range plainAndTLS {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			if !test.tcp {
				test.shipper.Socket = socket(t)
			}
			s := startShipper(t, test.shipper)
			settings, err := s.Settings()
			if err != nil {
				t.Fatal(err)
			}
			if test.enabled != nil {
				settings["ssl"].(map[string]any)["enabled"] = test.enabled
			}
			r := newReporter()
			o := connect(t, s, r, settings)
			if test.says == "" {
				mustPublish(t, o, batch(0, 20))
				stored(t, s, 20)
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := publish(ctx, o, batch(0, 20))
			reported(t, r, output.Unreachable, test.says)
			cancel()
			<-done
			stored(t, s, 0)
		})
	}
}

// The shipper that the agent runs is replaced by one that speaks the other way.
func TestShipperChangesToTLS(t *testing.T) {
	noLeaks(t)
	plain := asReal(t, shippertest.Options{})
	o := connect(t, plain, newReporter(), nil)
	mustPublish(t, o, batch(0, 5))
	plain.Stop()
	if err := plain.ServeTLS(unitID); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, o, batch(5, 5))
	storedOnce(t, plain, 10)
}

// While the last document waits for the next bulk request, up to 30 s, the
// persisted index is its own. It is not sent again for that.
func TestSlowPersistenceStoresOnce(t *testing.T) {
	noLeaks(t)
	s := asReal(t, shippertest.Options{Delay: 300 * time.Millisecond})
	r := newReporter()
	o := connect(t, s, r, nil)
	o.sender.equalFor = 20 * time.Millisecond
	for i := range 3 {
		mustPublish(t, o, batch(i, 1))
	}
	storedOnce(t, s, 3)
	r.ExpectWell(t)
}

func TestUsualDelayIsNoTrouble(t *testing.T) {
	if most := 31 * time.Second; longestLag <= most || longestLag >= time.Minute {
		t.Errorf("trouble is told after %s; want more than the shipper's usual %s and less than a minute", longestLag, most)
	}
}

// The shipper takes the events of a call that was given up as well, as soon as
// there is room.
func TestFullQueueStoresOnce(t *testing.T) {
	noLeaks(t)
	s := asReal(t, shippertest.Options{Hold: true, Queue: 10})
	r := newReporter()
	o := connect(t, s, r, map[string]any{"timeout": "30ms", "bulk_max_size": 10})
	done := publish(deadline(t), o, batch(0, 40))
	until(t, s, "a call waits for room", func(c shippertest.Stats) bool { return c.Blocked > 0 })
	reported(t, r, output.Busy, "its queue is full")
	persistUntil(t, s, done)
	storedOnce(t, s, 40)
}

// persistUntil persists what comes until Publish returns.
func persistUntil(t *testing.T, s *shippertest.Server, done <-chan error) {
	t.Helper()
	ctx := deadline(t)
	for {
		_, changed := s.Stats()
		s.Persist(1)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-changed:
		case <-ctx.Done():
			t.Fatal("Publish does not return")
		}
	}
}

// An output of the shipper that changes brings a queue whose indexes begin again
// under the same uuid. A shipper that has another uuid is another one, whether or not
// the connection lasted.
func TestQueueReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		persisted int
		replace   func(*shippertest.Server)
	}{
		"some persisted":                     {5, (*shippertest.Server).ReplaceQueue},
		"nothing persisted":                  {0, (*shippertest.Server).ReplaceQueue},
		"another uuid and some persisted":    {5, (*shippertest.Server).Rename},
		"another uuid and nothing persisted": {0, (*shippertest.Server).Rename},
	} {
		t.Run(name, func(t *testing.T) {
			persisted := c.persisted
			noLeaks(t)
			s := asReal(t, shippertest.Options{Hold: true})
			o := connect(t, s, newReporter(), nil)
			first := publish(deadline(t), o, batch(0, 50))
			until(t, s, "50 accepted", func(c shippertest.Stats) bool { return c.Received == 50 })
			s.Persist(persisted)
			seen(t, o, uint64(persisted), 50)
			c.replace(s)
			n := 50
			if persisted == 0 { // then the next call alone shows it
				n = 60
				second := publish(deadline(t), o, batch(50, 10))
				defer func() { persistUntil(t, s, second); noneLost(t, s, n) }()
			}
			until(t, s, "all accepted again", func(c shippertest.Stats) bool { return c.Received >= 50+n })
			select {
			case err := <-first:
				t.Fatalf("acknowledged by the new queue's indexes: %v", err)
			default:
			}
			persistUntil(t, s, first)
			noneLost(t, s, 50)
		})
	}
}

// seen waits until the output knows these indexes.
func seen(t *testing.T, o *client, persisted, next uint64) {
	t.Helper()
	ctx := deadline(t)
	for {
		o.sender.mu.Lock()
		p := o.sender.session.progress()
		o.sender.mu.Unlock()
		if p.persisted == persisted && p.next == next {
			return
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			t.Fatalf("the output knows %+v", p)
		}
	}
}

// noneLost checks that documents 0 to n-1 are stored, once or more.
func noneLost(t *testing.T, s *shippertest.Server, n int) {
	t.Helper()
	times := timesStored(t, s)
	for i := range n {
		if id := fmt.Sprintf("id-%05d", i); times[id] == 0 {
			t.Errorf("document %s is lost", id)
		}
	}
}

// A reply under another uuid says nothing of this shipper's index.
func TestReplyOfAnotherShipper(t *testing.T) {
	noLeaks(t)
	s := startShipper(t, shippertest.Options{})
	s.FailPublish(&shippertest.Fault{UUID: "another", Times: 1})
	o := connect(t, s, newReporter(), nil)
	mustPublish(t, o, batch(0, 10))
	stored(t, s, 10)
	if stats, _ := s.Stats(); stats.Received != 20 {
		t.Errorf("%d events were received, want 10 and the same again", stats.Received)
	}
}

// A bulk request that the shipper gave up is never acknowledged, nor is what
// came after it, until the shipper restarts.
func TestBatchNeverPersisted(t *testing.T) {
	for name, end := range map[string]func(*shippertest.Server){
		"kill":    (*shippertest.Server).Stop,
		"SIGTERM": func(s *shippertest.Server) { s.Terminate(5) },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := asReal(t, shippertest.Options{})
			s.GiveUp(10)
			r := newReporter()
			o := connect(t, s, r, nil)
			o.sender.lag = 30 * time.Millisecond
			done := publish(deadline(t), o, batch(0, 60))
			reported(t, r, output.Busy, "does not deliver them")
			select {
			case err := <-done:
				t.Fatalf("acknowledged: %v", err)
			default:
			}
			end(s)
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			noneLost(t, s, 60)
		})
	}
}

// SIGTERM stores what the shipper's output had read and tells nobody.
func TestTerminated(t *testing.T) {
	noLeaks(t)
	s := asReal(t, shippertest.Options{Hold: true})
	o := connect(t, s, newReporter(), nil)
	done := publish(deadline(t), o, batch(0, 60))
	until(t, s, "all accepted", func(c shippertest.Stats) bool { return c.Received == 60 })
	s.Terminate(20)
	select {
	case err := <-done:
		t.Fatalf("acknowledged by the end of the shipper: %v", err)
	default:
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, s, "all accepted again", func(c shippertest.Stats) bool { return c.Received == 120 })
	persistUntil(t, s, done)
	if stats, _ := s.Stats(); stats.Stored != 80 || stats.Duplicates != 20 {
		t.Errorf("%d stored, %d of them again; want 80 and 20", stats.Stored, stats.Duplicates)
	}
}

// silence opens connections that nobody answers.
func silence(t *testing.T) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { // what is written is read and forgotten
			for buffer := make([]byte, 1024); ; {
				if _, err := there.Read(buffer); err != nil {
					return
				}
			}
		}()
		context.AfterFunc(t.Context(), func() { there.Close() })
		return here, nil
	}
}

func TestSilentShipperShowsWithinAMinute(t *testing.T) {
	for _, timeout := range []string{"1s", "30s", "10m"} {
		t.Run(timeout, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e, err := decode(map[string]any{"server": "localhost:1", "timeout": timeout}, unitID)
				if err != nil {
					t.Fatal(err)
				}
				d, r := newDialer(e), newReporter()
				d.open = silence(t)
				o, err := newClient(s, d, r, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := publish(ctx, o, batch(0, 10))
				for limit, shown := time.After(time.Minute), false; !shown; {
					select {
					case err := <-r.Changed:
						shown = errors.Is(err, errSilent)
					case <-limit:
						t.Errorf("not shown within a minute: %s", r.Last())
						shown = true
					}
				}
				began := time.Now()
				cancel()
				<-done
				if err := o.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("stopping took %s", took)
				}
			})
		})
	}
}

// A shipper whose queue is full answers no PersistedIndex either. That is shown at
// the first attempt.
func TestSilentIndexShowsAtOnce(t *testing.T) {
	noLeaks(t)
	s := asReal(t, shippertest.Options{})
	met, r := make(chan struct{}, 10), newReporter()
	s.FailPersistedIndex(&shippertest.Fault{Delay: time.Hour, Met: met})
	o := connect(t, s, r, map[string]any{"timeout": "50ms", "backoff": map[string]any{"init": "1h", "max": "1h"}})
	ctx, cancel := context.WithCancel(t.Context())
	done := publish(ctx, o, batch(0, 1))
	reported(t, r, output.Unreachable, errSilent.Error())
	if attempts := len(met); attempts != 1 {
		t.Errorf("shown after %d attempts", attempts)
	}
	cancel()
	<-done
}

func TestStopIsQuick(t *testing.T) {
	tests := map[string]struct {
		shipper shippertest.Options
		reached func(shippertest.Stats) bool
	}{
		"not persisting": {shippertest.Options{Hold: true}, func(c shippertest.Stats) bool { return c.Received == 40 }},
		"queue full":     {shippertest.Options{Hold: true, Queue: 5}, func(c shippertest.Stats) bool { return c.Blocked > 0 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := asReal(t, test.shipper)
			o := connect(t, s, newReporter(), map[string]any{"bulk_max_size": 10})
			ctx, cancel := context.WithCancel(t.Context())
			done := publish(ctx, o, batch(0, 40))
			until(t, s, "waiting", test.reached)
			began := time.Now()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("stopping took %s", took)
			}
		})
	}
}
