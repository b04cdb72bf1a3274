package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestWhatTheClientTriesAgainIsTold: it keeps the brokers' answers to itself, so that
// each of them would look like silence.
func TestWhatTheClientTriesAgainIsTold(t *testing.T) {
	expected := map[string]*inputs.Condition{
		"NOT_ENOUGH_REPLICAS": fewReplicas, "NOT_ENOUGH_REPLICAS_AFTER_APPEND": fewReplicas, "LEADER_NOT_AVAILABLE": noLeader,
		"NOT_LEADER_FOR_PARTITION": noLeader, "FENCED_LEADER_EPOCH": noLeader, "UNKNOWN_LEADER_EPOCH": noLeader, "REPLICA_NOT_AVAILABLE": noLeader,
		"UNKNOWN_TOPIC_OR_PARTITION": topicMissing, "UNKNOWN_TOPIC_ID": topicMissing, "REQUEST_TIMED_OUT": silent,
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, 10) // most of a case is waiting
	for code := range int16(200) {
		said, ok := kerr.ErrorForCode(code).(*kerr.Error)
		if !ok || !said.Retriable || said == kerr.UnknownServerError {
			continue
		}
		row := expected[said.Message]
		if row == nil {
			row = failing
		}
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(said.Message, func(t *testing.T) { expectRow(t, said, row) })
		})
	}
	running.Wait()
}

func expectRow(t *testing.T, said *kerr.Error, row *inputs.Condition) {
	s, r := start(t, kafkatest.Options{}), newReporter()
	out := connect(t, s.Settings(), r, m{"timeout": "200ms", "broker_timeout": "100ms"})
	s.Fault(kafkatest.Fault{Code: said.Code})
	ctx, cancel := context.WithCancel(deadline(t))
	done := publish(ctx, out, batch(0, 3))
	var e *output.Error
	for e == nil || e.Type != said.Message { // the first try may have ended before its answer
		select {
		case err := <-r.Changed:
			if !errors.As(err, &e) || e.Type == "" && e.Reason != output.Silent {
				t.Fatalf("told %v", err)
			}
		case <-ctx.Done():
			t.Fatalf("told %v", e)
		}
	}
	if got := diagnose(e); got.Condition != row {
		t.Errorf("shows as %q, want %q", got.Condition.Name, row.Name)
	}
	cancel()
	<-done
}

// TestRefusalEnds: an answer that all is well is the last word, no matter what was said
// before, and however the bytes come.
func TestRefusalEnds(t *testing.T) {
	s, r := start(t, kafkatest.Options{}), newReporter()
	out := connect(t, s.Settings(), r, m{"timeout": "300ms", "broker_timeout": "200ms"})
	s.Fault(kafkatest.Fault{Code: kafkatest.Code("NOT_ENOUGH_REPLICAS")})
	done := publish(deadline(t), out, batch(0, 3))
	compare(t, "told", "produce: server error: NOT_ENOUGH_REPLICAS", fmt.Sprint(<-r.Changed))
	compare(t, "waits for", "produce: server error: NOT_ENOUGH_REPLICAS", fmt.Sprint(out.sender.Waiting()))
	s.Heal()
	compare(t, "published", nil, <-done)
	compare(t, "told in the end", nil, <-r.Changed)
	compare(t, "waits for nothing", nil, out.sender.Waiting())
}

// chunks is a connection that gives what a peer says in pieces.
type chunks struct {
	net.Conn
	said []byte
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.said) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.size)], c.said)
	c.said = c.said[n:]
	return n, nil
}

func (c *chunks) Write(b []byte) (int, error) { return len(b), nil }

// FuzzAnswers: no matter what a peer says, the client reads the same bytes.
func FuzzAnswers(f *testing.F) {
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(9)
	topic, partition := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
	partition.ErrorCode = kerr.NotEnoughReplicas.Code
	topic.Partitions = append(topic.Partitions, partition)
	answer.Topics = append(answer.Topics, topic)
	body := answer.AppendTo([]byte{0, 0, 0, 7, 0}) // id and no tags
	f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), uint8(1))
	f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), uint8(200))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 7}, uint8(3))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7, 1, 2, 3}, uint8(3))
	f.Fuzz(func(t *testing.T, said []byte, size uint8) {
		var a answers
		o := observe(&chunks{said: said, size: max(int(size), 1)}, &a)
		request := []byte{0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 7} // produce, version 9, id 7
		if _, err := o.Write(request); err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(read, said) {
			t.Errorf("read %d bytes of %d, %v", len(read), len(said), err)
		}
		if bytes.HasSuffix(said, body) && len(said) == len(body)+4 && a.last != kerr.NotEnoughReplicas {
			t.Errorf("noted %v", a.last)
		}
		if len(o.asked) > 1 || cap(o.kept) > 2*answerLimit {
			t.Errorf("keeps %d requests, %d bytes", len(o.asked), cap(o.kept))
		}
	})
}
