package main_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-agent-client/v7/pkg/client"
	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component"
	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// stopWithin is how soon the process must be gone: agents up to 9.2.8 kill it 5 s
// after they were told to stop themselves.
const stopWithin = 3500 * time.Millisecond

// stopCases are what the other sides may be doing when the process is told to
// stop. Each has made its output and reports when there is a batch in hand.
var stopCases = map[string]func(*rig) (output agenttest.Unit, inHand func() bool){
	"Elasticsearch 503":           esStop(elasticsearchtest.Fault{Status: 503}),
	"Elasticsearch 429":           esStop(elasticsearchtest.Fault{Status: 429}),
	"Elasticsearch 401":           esStop(elasticsearchtest.Fault{Status: 401}),
	"Elasticsearch says nothing":  esStop(elasticsearchtest.Fault{Hang: true}),
	"Elasticsearch 429 per item":  esStop(everyItem(429, "es_rejected_execution_exception")),
	"Elasticsearch cuts the line": esStop(elasticsearchtest.Fault{Drop: true}),
	"the shipper does not persist": func(r *rig) (agenttest.Unit, func() bool) {
		shipper, unit := r.newShipper(shippertest.Options{TLS: true, Name: outputID, Hold: true})
		return unit, func() bool { stats, _ := shipper.Stats(); return stats.Received > 0 }
	},
	"the shipper's queue is full": func(r *rig) (agenttest.Unit, func() bool) {
		return shipperStop(r, shippertest.Fault{Full: true})
	},
	"the shipper refuses": func(r *rig) (agenttest.Unit, func() bool) {
		return shipperStop(r, shippertest.Fault{Code: codes.Unavailable})
	},
	"the shipper says nothing": func(r *rig) (agenttest.Unit, func() bool) {
		return shipperStop(r, shippertest.Fault{Code: codes.Unavailable, Delay: time.Minute})
	},
	"the shipper is gone": func(r *rig) (agenttest.Unit, func() bool) {
		shipper, unit := r.shipper()
		shipper.Stop()
		return unit, func() bool { return len(r.tenant.Requests()) > 1 }
	},
	"the API says nothing": func(r *rig) (agenttest.Unit, func() bool) {
		silence, met := make(chan struct{}), make(chan struct{}, 1)
		r.api = listen(r.T, http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			select {
			case met <- struct{}{}:
			default: // a further try
			}
			select {
			case <-silence:
			case <-q.Context().Done():
			}
		}))
		r.Cleanup(func() { close(silence) }) // before the server is closed
		return elasticsearchUnit(r.esURL), func() bool { return len(met) > 0 }
	},
}

func esStop(fault elasticsearchtest.Fault) func(*rig) (agenttest.Unit, func() bool) {
	return func(r *rig) (agenttest.Unit, func() bool) {
		r.es.Fault(fault)
		r.Cleanup(r.es.Heal)
		unit := elasticsearchUnit(r.esURL)
		delete(unit.Config, "backoff") // up to a minute, as in most policies
		return unit, func() bool { return r.es.Stats().Requests > 0 }
	}
}

func shipperStop(r *rig, fault shippertest.Fault) (agenttest.Unit, func() bool) {
	met := make(chan struct{}, 1)
	shipper, unit := r.shipper()
	fault.Met = met
	shipper.FailPublish(&fault)
	r.Cleanup(func() { shipper.FailPublish(nil) })
	return unit, func() bool { return len(met) > 0 || fault.Full && len(r.tenant.Requests()) > 1 }
}

// TestStopInTime: no matter what the other sides do, the process says STOPPING and
// STOPPED and is gone in time.
func TestStopInTime(t *testing.T) {
	t.Parallel()
	sideBySide(t, maps.All(stopCases), func(t *testing.T, prepare func(*rig) (agenttest.Unit, func() bool)) {
		r := newRig(t, defendertest.Options{Seed: 81, Alerts: 40})
		output, inHand := prepare(r)
		r.set(r.input(nil), output)
		r.start()
		r.eventually("a batch is in hand", inHand)
		r.stop()
		r.expectStopSaid()
	})
}

// expectStopSaid looks at the last states of both units.
func (r *rig) expectStopSaid() {
	r.Helper()
	for _, key := range []agenttest.UnitKey{inputKey, outputKey} {
		want := []client.UnitState{client.UnitStateStopping, client.UnitStateStopped}
		var went []client.UnitState
		for _, s := range r.agent.History(key) {
			went = append(went, s.State)
			if strings.Contains(s.Message, "no stream is enabled") {
				r.Errorf("%s says %q", key, s.Message)
			}
		}
		// Quick changes are one report, so only STOPPED must be seen.
		if i := slices.Index(went, want[0]); i >= 0 {
			went = went[i:]
		} else {
			want = want[1:]
			went = went[max(0, len(went)-1):]
		}
		if !slices.Equal(went, want) {
			r.Errorf("%s went %v, want %v at the end", key, went, want)
		}
	}
}

// TestStopDuringAChange: a stop that comes while a change waits for a batch has
// one grace, not two.
func TestStopDuringAChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 82, Alerts: 40, Machines: 5})
	r.es.Fault(elasticsearchtest.Fault{Hang: true})
	defer r.es.Heal()
	both := func(tag string) map[string]any {
		return map[string]any{"tags": []any{tag}, "streams": []any{stream("log-1", "log"), stream("machine-1", "machine")}}
	}
	r.set(r.input(both("a")), elasticsearchUnit(r.esURL))
	r.start()
	r.eventually("a batch is in hand", func() bool { return r.es.Stats().Requests > 0 })
	r.set(r.input(both("b")), elasticsearchUnit(r.esURL))
	r.eventually("the change is received", func() bool { return r.agent.States()[inputKey].Current })
	time.Sleep(1200 * time.Millisecond) // past the pause before a change is applied, into the grace
	r.stop()
	r.expectStopSaid()
}

// TestPolicyChangesAreNoTrouble: 40 changes of tags, one after the other. On a slow
// machine polls at this interval would use up a minute's calls, and that is trouble.
func TestPolicyChangesAreNoTrouble(t *testing.T) {
	leaveOut(t, "TestChangesAndStopsAreNoTrouble of component")
	t.Parallel()
	const changes = 40
	r := newRig(t, defendertest.Options{Seed: 83, Alerts: 20, Live: 100})
	settings := func(i int) map[string]any {
		return map[string]any{"tags": []any{"change", float64(i)}, "interval": "1s", "calls_per_minute": 100_000.0, "calls_per_hour": 1_000_000.0}
	}
	r.set(r.input(settings(0)), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	before := len(r.agent.History(inputKey))
	for i := range changes {
		r.set(r.input(settings(i+1)), elasticsearchUnit(r.esURL))
		r.eventually("the stream is restarted", func() bool {
			return strings.Count(strings.Join(r.agent.Log(), "\n"), `"stream restarted"`) > i
		})
	}
	r.waitHealthy()
	for _, s := range r.agent.History(inputKey)[before:] {
		if s.State != client.UnitStateHealthy {
			t.Errorf("%s %q while nothing is wrong", s.State, s.Message)
		}
	}
	r.stop()
	r.expectStopSaid()
}

// TestChangeOfTagsKeepsTheRhythm: a stream that polls once an hour does not poll
// because of a tag.
func TestChangeOfTagsKeepsTheRhythm(t *testing.T) {
	leaveOut(t, "TestRestartKeepsTheRhythm of component")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 84, Alerts: 20})
	r.set(r.input(map[string]any{"interval": "1h"}), elasticsearchUnit(r.esURL))
	r.start()
	r.wait("the first poll is over", func(s agenttest.States) bool { return shownStream(s[inputKey], "log-1")["last_success"] != nil })
	polls := len(r.tenant.Requests())
	r.set(r.input(map[string]any{"interval": "1h", "tags": []any{"other"}}), elasticsearchUnit(r.esURL))
	restarted := func(n int) func() bool {
		return func() bool { return strings.Count(strings.Join(r.agent.Log(), "\n"), `"stream restarted"`) == n }
	}
	r.eventually("the stream is restarted", restarted(1))
	if r.agent.States()[inputKey].State != client.UnitStateHealthy || len(r.tenant.Requests()) != polls {
		t.Errorf("%d requests, %v", len(r.tenant.Requests())-polls, r.agent.States()[inputKey])
	}
	r.set(r.input(map[string]any{"interval": "1h", "client_secret": "wrong"}), elasticsearchUnit(r.esURL))
	r.wait("a wrong secret shows at once", func(s agenttest.States) bool { return s[inputKey].State == client.UnitStateFailed })
	r.stop()
}

// TestBadStreamsFailAlone: a dataset that this binary does not know and a bad
// setting fail their streams; the others collect, and continue when all is right.
func TestBadStreamsFailAlone(t *testing.T) {
	leaveOut(t, "TestFaultyStreamFailsAlone of component")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 85, Alerts: 20})
	unknown, bad := stream("news-1", "news"), stream("machine-1", "machine")
	bad["interval"], bad["evidence"] = "10ms", "both"
	r.set(r.input(map[string]any{"streams": []any{unknown, stream("log-1", "log"), bad}}), elasticsearchUnit(r.esURL))
	r.start()
	r.waitStored()
	r.wait("the unit fails for the first of them", func(s agenttest.States) bool {
		return s[inputKey].State == client.UnitStateFailed && strings.HasPrefix(s[inputKey].Message, "stream news-1: data_stream.dataset: no resource for") &&
			shownStream(s[inputKey], "log-1")["status"] == "HEALTHY"
	})
	shown := r.agent.States()[inputKey]
	for id, says := range map[string]string{"news-1": "no resource for", "machine-1": "interval: want at least 1s; evidence: want split or whole"} {
		s := shownStream(shown, id)
		if text, _ := s["error"].(string); s["status"] != "FAILED" || !strings.Contains(text, says) {
			t.Errorf("stream %s shows %v, want %q", id, s, says)
		}
	}
	r.touch(3)
	r.waitStored()
	r.set(r.input(map[string]any{"streams": []any{stream("log-1", "log"), stream("machine-1", "machine")}}), elasticsearchUnit(r.esURL))
	r.waitHealthy()
	if log := strings.Join(r.agent.Log(), "\n"); strings.Contains(log, `"stream restarted"`) {
		t.Error("a stream that did not change was restarted")
	}
	r.stop()
	r.expectStored()
}

func shownStream(s agenttest.UnitState, id string) map[string]any {
	streams, _ := s.Payload["streams"].(map[string]any)
	entry, _ := streams[id].(map[string]any)
	return entry
}

// TestRemovedInputKeepsItsPlace: what was read is not read again when the same
// comes back under another id, a day later or half a year.
func TestRemovedInputKeepsItsPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 86, Alerts: 20})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.waitHealthy()
	r.waitStored()
	r.set(elasticsearchUnit(r.esURL))
	r.eventually("the input is stopped", func() bool {
		h := r.agent.History(inputKey)
		return len(h) > 0 && h[len(h)-1].State == client.UnitStateStopped
	})
	second := r.input(map[string]any{"id": "defender-2"})
	second.ID += "-2"
	sent, asked := r.es.Stats().Requests, len(r.tenant.Requests())
	r.set(second, elasticsearchUnit(r.esURL))
	r.eventually("the new input has polled", func() bool { return len(r.tenant.Requests()) > asked+2 })
	if now := r.es.Stats().Requests; now != sent {
		t.Errorf("%d requests sent documents again", now-sent)
	}
	r.stop()
}

// TestStopWhileTheOutputHangs: the grace is used and then given up; the next
// start stores what was in hand.
func TestStopWhileTheOutputHangs(t *testing.T) {
	leaveOut(t, "TestStopInTime")
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 12, Alerts: 60})
	r.es.Fault(elasticsearchtest.Fault{Hang: true})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.eventually("a bulk request hangs", func() bool { return r.es.Stats().Requests > 0 })
	if exit := r.stop(); exit.Duration < component.Grace {
		t.Errorf("stopped after %s: the batch in hand had no grace", exit.Duration)
	}
	r.es.Heal()
	r.start()
	r.waitStored()
	r.stop()
	r.expectStored()
}

// TestStopFinishesTheBatchInHand: a slow output is waited for, and the cursor
// saved behind it, so that the next start sends nothing again.
func TestStopFinishesTheBatchInHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, defendertest.Options{Seed: 13, Alerts: 60})
	r.es.Fault(elasticsearchtest.Fault{Delay: time.Second})
	r.set(r.input(nil), elasticsearchUnit(r.esURL))
	r.start()
	r.eventually("a bulk request is under way", func() bool { return r.es.Stats().Requests > 0 })
	r.stop()
	stored := r.es.Count(dataStream)
	if stored == 0 {
		t.Error("the batch in hand was not finished")
	}
	r.es.Heal()
	r.start()
	r.waitStored()
	r.stop()
	if s := r.es.Stats(); s.Conflicts > 0 {
		t.Errorf("%d documents were sent again", s.Conflicts)
	}
}
