package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/inputs/policy"
)

// linger is how long the client waits for more records of a batch of its own:
// those of one Send come at once.
const linger = 5 * time.Millisecond

// connection are the client's options about connections.
func (c *config) connection() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(c.hosts...),
		kgo.ClientID(c.ClientID),
		kgo.Dialer(c.dialer.dial),
		kgo.DialTimeout(c.Timeout),
		kgo.RequestTimeoutOverhead(min(max(c.Timeout, 100*time.Millisecond), 10*time.Second)), // beside broker_timeout
		kgo.MetadataMaxAge(c.Refresh),
		kgo.MetadataMinAge(min(c.RetryBackoff, c.Refresh)),
		kgo.AllowAutoTopicCreation(), // as Beats: the brokers decide
	}
}

// sasl are the client's options about credentials.
func (c *config) sasl(r *policy.Reader) []kgo.Opt {
	switch {
	case c.Username == "" && c.Password == "" && c.Mechanism == "":
		return nil
	case c.Username == "":
		r.Check(false, "username", "missing")
		return nil
	case c.Password == "":
		r.Check(false, "password", "missing")
		return nil
	}
	switch strings.ToUpper(c.Mechanism) {
	case "", "PLAIN":
		return []kgo.Opt{kgo.SASL(plain.Auth{User: c.Username, Pass: c.Password.Reveal()}.AsMechanism())}
	case "SCRAM-SHA-256":
		return []kgo.Opt{kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password.Reveal()}.AsSha256Mechanism())}
	case "SCRAM-SHA-512":
		return []kgo.Opt{kgo.SASL(scram.Auth{User: c.Username, Pass: c.Password.Reveal()}.AsSha512Mechanism())}
	}
	r.Check(false, "sasl.mechanism", "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	return nil
}

// production are the client's options about producing.
func (c *config) production(r *policy.Reader) []kgo.Opt {
	codec, known := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression().WithLevel(c.Level), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[c.Compression]
	r.Check(known, "compression", "must be none, gzip, snappy, lz4 or zstd")
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytes(int32(c.MaxBytes)), //nolint:gosec // checked
		kgo.BrokerMaxWriteBytes(int32(min(max(2*c.MaxBytes, 100<<20), math.MaxInt32))),
		kgo.ProduceRequestTimeout(c.BrokerWait),
		kgo.ProducerLinger(max(linger, c.Flush)),
		kgo.MaxBufferedRecords(math.MaxInt), // a batch is bounded, and so are they
		kgo.RecordPartitioner(c.partitioner(r)),
	}
	if c.Acks == -1 {
		return append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	}
	return append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
}

// partitioner is how a partition is chosen.
func (c *config) partitioner(r *policy.Reader) kgo.Partitioner {
	name, settings := "hash", map[string]any{}
	for _, name = range slices.Sorted(maps.Keys(c.Partition)) {
		settings, _ = c.Partition[name].(map[string]any)
	}
	r.Check(len(c.Partition) < 2, "partition", "must be one of random, round_robin and hash")
	reachable, _ := settings["reachable_only"].(bool)
	group := max(toInt(settings["group_events"]), 1)
	var choose func(*kgo.Record, int) int
	switch name {
	case "random":
		choose = grouped(group, func(_, n int) int { return rand.IntN(n) })
	case "round_robin":
		choose = grouped(group, func(former, n int) int { return (former + 1) % n })
	case "hash":
		c.hashed = toTexts(settings["hash"])
		if spread, given := settings["random"].(bool); given && !spread {
			choose = func(record *kgo.Record, n int) int { return hashed(hashInput(record), n) }
			break
		}
		choose = func(record *kgo.Record, n int) int {
			if input := hashInput(record); len(input) > 0 {
				return hashed(input, n)
			}
			return rand.IntN(n)
		}
	default:
		r.Check(false, "partition", fmt.Sprintf("%s is not known, want random, round_robin or hash", name))
	}
	return partitioner{reachable: reachable, choose: choose}
}

// partitioner is a kgo.Partitioner for all topics.
type partitioner struct {
	reachable bool // partitions without a leader are left out
	choose    func(*kgo.Record, int) int
}

func (p partitioner) ForTopic(string) kgo.TopicPartitioner { return p }

func (p partitioner) RequiresConsistency(*kgo.Record) bool { return !p.reachable }

func (p partitioner) Partition(record *kgo.Record, n int) int { return p.choose(record, n) }

// grouped makes another choice after so many records.
func grouped(size int, next func(former, n int) int) func(*kgo.Record, int) int {
	var count, at atomic.Int64
	return func(_ *kgo.Record, n int) int {
		if (count.Add(1)-1)%int64(size) == 0 {
			at.Store(int64(next(int(at.Load()), n)))
		}
		return int(at.Load()) % n
	}
}

// hashed is the partition that Beats choose for a key.
func hashed(key []byte, n int) int {
	sum := fnv.New32a()
	_, _ = sum.Write(key) // a hash takes all
	p := int(int32(sum.Sum32()))
	if p < 0 {
		p = -p
	}
	return p % n
}

// hashKey is under what a record's context has what chooses its partition, where
// that is not its key.
type hashKey struct{}

func hashInput(record *kgo.Record) []byte {
	if record.Context != nil {
		if input, ok := record.Context.Value(hashKey{}).([]byte); ok {
			return input
		}
	}
	return record.Key
}

func toInt(v any) int {
	switch v := v.(type) {
	case float64:
		return int(v)
	case int64:
		return int(v)
	case uint64:
		return int(v) //nolint:gosec // of a policy
	default:
		return 0
	}
}

func toTexts(v any) (texts []string) {
	list, _ := v.([]any)
	for _, e := range list {
		if text, ok := e.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// dialer connects for the client, and knows how far the newest connection got.
type dialer struct {
	*dial.Dialer
	login    bool        // credentials are given
	alert    atomic.Bool // it began with an alert of TLS
	answered atomic.Bool // a broker has answered on the newest connection
	answers  answers
}

func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	conn, err := d.Dial(ctx, address)
	if errors.Is(err, dial.ErrNoHandshake) {
		err = &output.Error{Op: opAsk, Reason: output.Silent, Err: output.ErrSilent} // one that speaks plain closes the connection
	}
	if err != nil {
		// The client takes any other error for one that lasts, and gives up all that it has
		// (TestAnswerLost).
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	d.answered.Store(false)
	d.alert.Store(false)
	return observe(&heard{Conn: conn, dialer: d}, &d.answers), nil
}

// How an alert of TLS begins, which stands in place of an answer's length where a
// listener for TLS is spoken to in plain (RFC 8446 5.1).
const alertRecord, tlsMajor = 21, 3

// heard notes answers.
type heard struct {
	net.Conn
	dialer *dialer
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 1 && !h.dialer.answered.Load() {
		h.dialer.alert.Store(b[0] == alertRecord && b[1] == tlsMajor)
	}
	if n > 0 {
		h.dialer.answered.Store(true)
	}
	return n, err
}
