package kafka

import (
	"slices"
	"sync"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// Streams that end while no broker answers leave their flights behind, each with the
// events of a batch.
const (
	// maxHeld is how many flights are held before a topic that one of them waits for gets
	// no more.
	maxHeld = 2 * workers
	// maxHeldInAll bounds them. What is above maxHeld is for other topics, so that one
	// that cannot be written to does not stop them.
	maxHeldInAll = 2 * maxHeld
)

// held are flights whose Send ended before their last record was settled: its time was
// over, or its caller gone. The client cannot take back a record that it has sent: a
// broker may have written it. So that it is not written again under another number,
// the next Send of its document waits for it here.
type held struct {
	mu      sync.Mutex
	flights []heldFlight // the oldest first
	sending []*flight    // whose Send lasts
	claimed []string     // topics of which one record is sent with no other
}

// heldFlight is a flight with the documents for which nobody has its result.
type heldFlight struct {
	*flight
	documents map[string]int // by id
}

// place is where a record is in a flight. The zero place is nowhere.
type place struct {
	flight *flight
	index  int
}

func (p place) topic() string { return p.flight.records[p.index].Topic }

func (p place) result() result {
	p.flight.mu.Lock()
	defer p.flight.mu.Unlock()
	return p.flight.results[p.index]
}

// find appends the places of documents' records, nothing where no record is held. One
// that was refused meanwhile is nowhere: it is sent again.
func (h *held) find(places []place, target *inputs.Target, docs []inputs.Document) []place {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := false
	for i := range docs {
		if len(h.flights) == 0 {
			break
		}
		var at place
		for _, f := range h.flights {
			index, ok := f.documents[docs[i].ID]
			if !ok || !f.Fits(*target) {
				continue
			}
			if r := (place{f.flight, index}).result(); !r.settled || r.err == nil {
				at, found = place{f.flight, index}, true
			}
		}
		places = append(places, at)
	}
	if !found {
		return places[:0]
	}
	return places
}

// admit settles those records of a flight that the client may not get now, with the
// error for which they are sent again.
func (h *held) admit(f *flight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sending = append(h.sending, f)
	n := 0
	for _, former := range h.flights {
		if former.left.Load() > 0 {
			n++
		}
	}
	if n < maxHeld && len(h.claimed) == 0 {
		return
	}
	waiting := map[string]struct{}{}
	if n >= maxHeld {
		for _, former := range h.flights {
			former.addTopics(waiting, isWaiting)
		}
	}
	for i := range f.records {
		topic := f.records[i].Topic
		_, waits := waiting[topic]
		switch {
		case topic == "":
		case waits || n >= maxHeldInAll:
			f.settle(i, errLasts)
		case slices.Contains(h.claimed, topic):
			f.settle(i, errNotAlone)
		}
	}
}

// claim keeps other records of a topic from the client until release, and returns what
// to wait for until none is under way. It returns false where another has claimed it.
func (h *held) claim(topic string) (underWay []<-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.claimed, topic) {
		return nil, false
	}
	h.claimed = append(h.claimed, topic)
	flights := slices.Clone(h.sending)
	for _, f := range h.flights {
		flights = append(flights, f.flight)
	}
	for _, f := range flights {
		topics := map[string]struct{}{}
		f.addTopics(topics, func(r result) bool { return !r.settled })
		if _, waits := topics[topic]; waits {
			underWay = append(underWay, f.done)
		}
	}
	return underWay, true
}

func (h *held) release(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.claimed = slices.DeleteFunc(h.claimed, func(claimed string) bool { return claimed == topic })
}

// update notes what a Send of documents has the results of, and holds its flight where
// records of its own have no verdict and may be written. It reports whether it does.
func (h *held) update(f *flight, docs []inputs.Document, verdicts []output.Verdict) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sending = slices.DeleteFunc(h.sending, func(other *flight) bool { return other == f })
	var rest map[string]int
	for i := range docs {
		at := f.of(i)
		r := at.result() // may be newer than the verdict
		known := verdicts[i].Outcome != output.Retry || r.settled && r.err != nil
		switch {
		case at.flight == f && !known:
			if rest == nil {
				rest = map[string]int{}
			}
			rest[docs[i].ID] = i
		case at.flight != f && known:
			h.forget(at, docs[i].ID)
		}
	}
	h.flights = slices.DeleteFunc(h.flights, func(former heldFlight) bool { return len(former.documents) == 0 && former.left.Load() == 0 })
	if rest == nil {
		return false
	}
	if len(h.flights) >= maxHeldInAll { // what nobody asked for
		if i := slices.IndexFunc(h.flights, func(former heldFlight) bool { return former.left.Load() == 0 }); i >= 0 {
			h.flights = slices.Delete(h.flights, i, i+1)
		}
	}
	h.flights = append(h.flights, heldFlight{f, rest})
	return true
}

// forget is called with mu held, where a result is known.
func (h *held) forget(at place, id string) {
	for _, f := range h.flights {
		if f.flight == at.flight {
			delete(f.documents, id)
		}
	}
}
