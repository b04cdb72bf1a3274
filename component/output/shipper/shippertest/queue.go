package shippertest

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/elastic/elastic-agent-shipper-client/pkg/helpers"
	"github.com/elastic/elastic-agent-shipper-client/pkg/proto/messages"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// accept puts events into the queue. The wait for room knows no end of the
// caller's: a call that was abandoned is taken all the same (queue/queue.go
// leaves the context out), and no index is sent meanwhile.
func (s *Server) accept(uuid string, events []*messages.Event, reply *messages.PublishReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waitForRoom()
	if s.server == nil || s.uuid != uuid {
		return status.Error(codes.Unavailable, "couldn't publish: queue is closed")
	}
	for _, e := range events[:min(len(events), s.options.Queue-len(s.queue))] {
		s.queue = append(s.queue, queued{index: s.next, event: e})
		reply.AcceptedIndex = s.next
		reply.AcceptedCount++
		s.next++
	}
	s.stats.Received += int(reply.AcceptedCount)
	switch last, life := reply.AcceptedIndex, s.lives; {
	case s.options.Hold:
	case s.options.Delay > 0:
		time.AfterFunc(s.options.Delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.lives == life {
				s.persist(last)
			}
		})
	default:
		s.persist(last)
	}
	s.notify()
	return nil
}

// waitForRoom waits until an event fits, or nothing is served any more. Callers
// hold mu.
func (s *Server) waitForRoom() {
	full := func() bool { return len(s.queue) >= s.options.Queue && s.server != nil }
	if !full() {
		return
	}
	s.stats.Blocked++
	defer func() { s.stats.Blocked-- }()
	s.notify()
	for full() {
		changed := s.changed
		s.mu.Unlock()
		<-changed
		s.mu.Lock()
	}
}

// Persist persists the n oldest events of the queue and returns how many there
// were.
func (s *Server) Persist(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.queue))
	if n > 0 {
		s.persist(s.queue[n-1].index)
	}
	return n
}

// GiveUp makes the next n events that would be persisted stay where they are
// until a restart, as a bulk request does that failed as often as max_retries
// allows: nothing reports it, so the index never passes them, and what comes after
// them is stored without being acknowledged (output/elasticsearch/output.go,
// which sets no OnError of the bulk indexer).
func (s *Server) GiveUp(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUp += n
}

// persist stores the events up to that index and takes the oldest that are done
// from the queue. Callers hold mu.
func (s *Server) persist(last uint64) {
	for i := range s.queue {
		q := &s.queue[i]
		if q.index > last {
			break
		}
		if q.event == nil {
			continue
		}
		if s.giveUp > 0 {
			s.giveUp--
			q.lost = true
		} else {
			s.keep(q.event)
		}
		q.event = nil
	}
	for len(s.queue) > 0 && s.queue[0].event == nil && !s.queue[0].lost {
		s.queue = s.queue[1:]
	}
	s.notify()
}

func (s *Server) keep(e *messages.Event) {
	metadata := e.GetMetadata().GetData()
	d := Document{
		ID: metadata["_id"].GetStringValue(), Index: metadata["raw_index"].GetStringValue(),
		OpType: metadata["op_type"].GetStringValue(), Pipeline: metadata["pipeline"].GetStringValue(),
		InputID: e.Source.InputId, StreamID: e.Source.StreamId,
	}
	if d.Index == "" {
		d.Index = e.DataStream.Type + "-" + e.DataStream.Dataset + "-" + e.DataStream.Namespace
	}
	s.stats.Persisted++
	key := d.Index + "/" + d.ID
	if d.ID == "" {
		key += strconv.Itoa(s.stats.Persisted) // Elasticsearch gives it an id
	}
	if s.ids[key] {
		s.stats.Duplicates++
		if !s.options.WithoutIDs {
			return
		}
	}
	if s.options.WithoutIDs {
		d.ID = ""
	}
	s.ids[key] = true
	s.stats.Stored++
	if s.options.CountOnly && s.options.OnDocument == nil {
		return
	}
	fields := helpers.AsMap(e.Fields)
	fields["@timestamp"] = e.Timestamp.AsTime().Format(ecs.TimeLayout)
	d.JSON, _ = json.Marshal(fields) // strings, numbers, maps and lists always encode
	if s.options.OnDocument != nil {
		s.options.OnDocument(d)
	}
	if !s.options.CountOnly {
		s.documents = append(s.documents, d)
	}
}

// persisted returns the index of the oldest event in the queue, or the one that
// comes next where there is none (queue/queue.go).
func (s *Server) persisted() *messages.PersistedIndexReply {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.next
	if len(s.queue) > 0 {
		oldest = s.queue[0].index
	}
	if s.options.Inclusive {
		oldest--
	}
	return &messages.PersistedIndexReply{Uuid: s.uuid, PersistedIndex: oldest}
}
