package kafka

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/defender-endpoint/defender-endpoint/component/output"
)

const (
	// refusalHold is for how long an answer counts as the brokers' last word. The
	// client tries again after less.
	refusalHold = 15 * time.Second
	// answerLimit is the most that is kept of an answer. One has some 50 bytes for
	// each partition.
	answerLimit = 1 << 20
	// requestHead is the length of a request, its key and version, and its id;
	// answerHead the length of an answer and the id of its request (Kafka's protocol
	// guide, request and response headers).
	requestHead, answerHead = 12, 8
)

// answers are what the brokers said to produce requests: the client tries again what
// may pass, and keeps the reason to itself.
type answers struct {
	mu   sync.Mutex
	last *kerr.Error // nil: all went well
	from *observed   // who said it
	at   time.Time
}

// note keeps the last word of a connection. That all went well with one broker does
// not end what another one says.
func (a *answers) note(from *observed, refusal *kerr.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if refusal != nil || a.from == from {
		a.last, a.from, a.at = refusal, from, time.Now()
	}
}

// refusal is the trouble (an *output.Error) that the brokers reported lately, nil where
// they did not.
func (a *answers) refusal() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil || time.Since(a.at) > refusalHold {
		return nil
	}
	return &output.Error{Op: opPublish, Reason: reasonOf(a.last), Type: a.last.Message}
}

// observed is a connection whose answers to produce requests are noted.
type observed struct {
	net.Conn
	answers *answers

	mu    sync.Mutex      // requests are written while answers are read
	asked map[int32]int16 // versions of produce requests under way, by id

	head    []byte // of the answer that is being read
	left    int    // bytes of it that are to come
	kept    []byte // of it
	version int16  // of its request; -1: another kind
}

func observe(conn net.Conn, a *answers) *observed {
	return &observed{Conn: conn, answers: a, asked: map[int32]int16{}}
}

// Write has a whole request each time.
func (o *observed) Write(b []byte) (int, error) {
	if len(b) >= requestHead && binary.BigEndian.Uint16(b[4:]) == uint16(kmsg.Produce) {
		o.mu.Lock()
		o.asked[int32(binary.BigEndian.Uint32(b[8:]))] = int16(binary.BigEndian.Uint16(b[6:]))
		o.mu.Unlock()
	}
	return o.Conn.Write(b)
}

func (o *observed) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		if o.left == 0 {
			rest = o.begin(rest)
			continue
		}
		part := rest[:min(len(rest), o.left)]
		if o.version >= 0 && len(o.kept)+len(part) <= answerLimit {
			o.kept = append(o.kept, part...)
		}
		rest = rest[len(part):]
		if o.left -= len(part); o.left == 0 && o.version >= 0 {
			o.judge()
		}
	}
	return n, err
}

// begin reads the head of an answer, and returns what follows.
func (o *observed) begin(b []byte) (rest []byte) {
	n := min(len(b), answerHead-len(o.head))
	if o.head = append(o.head, b[:n]...); len(o.head) == answerHead {
		id := int32(binary.BigEndian.Uint32(o.head[4:]))
		o.left = max(int(binary.BigEndian.Uint32(o.head))-4, 0)
		o.head, o.kept = o.head[:0], o.kept[:0]
		o.mu.Lock()
		version, ok := o.asked[id]
		delete(o.asked, id)
		o.mu.Unlock()
		if o.version = version; !ok {
			o.version = -1
		}
	}
	return b[n:]
}

// judge notes what an answer says. One that cannot be read is for the client to report.
func (o *observed) judge() {
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(o.version)
	body := o.kept
	if answer.IsFlexible() {
		if len(body) == 0 || body[0] != 0 { // tags, of which none are known
			return
		}
		body = body[1:]
	}
	if answer.ReadFrom(body) != nil {
		return
	}
	for i := range answer.Topics {
		for _, p := range answer.Topics[i].Partitions {
			if refusal, ok := errors.AsType[*kerr.Error](kerr.ErrorForCode(p.ErrorCode)); ok {
				o.answers.note(o, refusal)
				return
			}
		}
	}
	o.answers.note(o, nil)
}
