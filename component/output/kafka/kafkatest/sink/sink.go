package sink

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/defender-endpoint/defender-endpoint/component/output/dial/dialtest"
)

// Topic is the topic that a Sink has, with one partition.
const Topic = "defender"

// longestRequest bounds a request, bytes.
const longestRequest = 64 << 20

// versions are the newest of each request that are answered. None is of the kind
// with tagged fields.
var versions = map[int16]int16{produceKey: 7, metadataKey: 7, initProducerKey: 1, versionsKey: 2}

const produceKey, metadataKey, versionsKey, initProducerKey = 0, 3, 18, 22

// Sink is a broker.
type Sink struct {
	*dialtest.Listener
	event func(value []byte)

	mu     sync.Mutex
	offset int64
}

// New starts a Sink. event is called with the value of each message, one after the
// other; it must not keep it.
func New(event func(value []byte)) (*Sink, error) {
	l, err := dialtest.Listen()
	if err != nil {
		return nil, err
	}
	s := &Sink{Listener: l, event: event}
	l.Serve(func(conn net.Conn) {
		for s.answer(conn) == nil {
			continue
		}
	})
	return s, nil
}

// Settings are those of an output that leads here.
func (s *Sink) Settings() map[string]any {
	return map[string]any{"type": "kafka", "hosts": []any{s.Address()}, "topic": Topic, "compression": "none"}
}

var errUnknown = errors.New("a request that is not known here")

// answer reads a request and answers it.
func (s *Sink) answer(conn net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 10 || n > longestRequest {
		return errUnknown
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(conn, text); err != nil {
		return err
	}
	r := kbin.Reader{Src: text}
	key, version, correlation := r.Int16(), r.Int16(), r.Int32()
	r.NullableString() // the client's id
	newest, known := versions[key]
	var answer kmsg.Response
	var err error
	switch {
	case !known:
		return errUnknown
	case key == versionsKey:
		answer = s.versions(version, newest)
	case version > newest:
		return errUnknown
	case key == metadataKey:
		answer, err = s.metadata(version, r.Src)
	case key == initProducerKey:
		id := kmsg.NewPtrInitProducerIDResponse()
		id.ProducerID, id.Version = 1, version
		answer = id
	default:
		answer, err = s.produce(version, r.Src)
	}
	if err != nil {
		return err
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation)) //nolint:gosec // as it came
	out = answer.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4)) //nolint:gosec // short
	_, err = conn.Write(out)
	return err
}

// versions tells what is known here; to a request of a version that is too new, in
// the oldest one.
func (s *Sink) versions(asked, newest int16) kmsg.Response {
	answer := kmsg.NewPtrApiVersionsResponse()
	if answer.Version = asked; asked > newest {
		answer.Version, answer.ErrorCode = 0, kerr.UnsupportedVersion.Code
	}
	for key, newest := range versions {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = key, newest
		answer.ApiKeys = append(answer.ApiKeys, k)
	}
	return answer
}

func (s *Sink) metadata(version int16, text []byte) (kmsg.Response, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.Version = version
	if err := request.ReadFrom(text); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrMetadataResponse()
	answer.Version = version
	host, port, _ := net.SplitHostPort(s.Address())
	broker := kmsg.NewMetadataResponseBroker()
	number, _ := strconv.Atoi(port)                // it listens there
	broker.Host, broker.Port = host, int32(number) //nolint:gosec // a port
	answer.Brokers = append(answer.Brokers, broker)
	for _, asked := range request.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = asked.Topic
		if asked.Topic == nil || *asked.Topic != Topic {
			topic.ErrorCode = kerr.UnknownTopicOrPartition.Code
		} else {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Replicas, partition.ISR = []int32{0}, []int32{0}
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer, nil
}

// produce hands the messages on.
func (s *Sink) produce(version int16, text []byte) (kmsg.Response, error) {
	request := kmsg.NewPtrProduceRequest()
	request.Version = version
	if err := request.ReadFrom(text); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrProduceResponse()
	answer.Version = version
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range request.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.BaseOffset = p.Partition, s.offset
			if err := s.take(p.Records); err != nil {
				return nil, err
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer, nil
}

// take is called with mu held.
func (s *Sink) take(text []byte) error {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(text); err != nil {
		return err
	}
	for rest := batch.Records; len(rest) > 0; {
		length, used := kbin.Varint(rest)
		if used <= 0 || int(length) > len(rest)-used {
			return errUnknown
		}
		var record kmsg.Record
		if err := record.ReadFrom(rest[:used+int(length)]); err != nil {
			return err
		}
		rest = rest[used+int(length):]
		s.event(record.Value)
		s.offset++
	}
	return nil
}
