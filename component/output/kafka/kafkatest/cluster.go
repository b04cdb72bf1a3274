package kafkatest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
)

// Topic is the topic that a Cluster has.
const Topic = "defender"

// The logins that a Cluster with SASL takes: the first for everything, the second
// to look alone.
const (
	User, Password     = "writer", "writer-password"
	Reading, ReadingPW = "reader", "reader-password"
)

// Options shape a Cluster.
type Options struct {
	TLS        bool
	SASL       string // mechanism of the login that is wanted; empty: none
	Partitions int32  // of Topic; 3
	AutoCreate bool   // topics that are missing are made
}

// Fault is what produce requests meet.
type Fault struct {
	Topic string // that alone gets Code until Heal, and the others of a request are written; empty: all
	Times int    // 0: all until Heal
	Code  int16  // answer with that error
	Hang  bool   // no answer until Heal
	Drop  bool   // the connection breaks before anything is written
	Lose  bool   // everything is written, and all connections break in place of the answer
	// Leaderless tells who asks for topics that their partitions have no leader.
	Leaderless bool
	Met        chan<- struct{}
}

// Cluster is one broker.
type Cluster struct {
	options   Options
	authority *agenttest.Authority
	port      int

	mu     sync.Mutex
	fake   *kfake.Cluster
	faults []*Fault
	topics []*kfake.FaultHandle // faults of one topic
	healed chan struct{}
	conns  map[net.Conn]struct{}
	losing bool // the next answer
	away   bool
	frozen chan struct{} // closed when that ends; nil: it is not
}

// New starts a Cluster.
func New(o Options) (*Cluster, error) {
	c := &Cluster{options: o, healed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	if o.TLS {
		var err error
		if c.authority, err = agenttest.NewAuthority(); err != nil {
			return nil, err
		}
	}
	return c, c.start()
}

func (c *Cluster) start() error {
	if c.options.Partitions == 0 {
		c.options.Partitions = 3
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(c.options.Partitions, Topic), kfake.ListenFn(c.listen), kfake.Ports(c.port),
	}
	if c.options.AutoCreate {
		opts = append(opts, kfake.AllowAutoTopicCreation())
	}
	if c.options.SASL != "" {
		opts = append(opts, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser(c.options.SASL, User, Password), kfake.User(c.options.SASL, Reading, ReadingPW))
	}
	if c.options.TLS {
		config, err := c.authority.ServerConfig("127.0.0.1")
		if err != nil {
			return err
		}
		config.ClientAuth = tls.NoClientCert
		opts = append(opts, kfake.TLS(config))
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(fake.ListenAddrs()[0])
	c.port, _ = strconv.Atoi(port) // it listens there
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fake = fake
	fake.Control(c.control)
	return nil
}

// control answers a request in place of the broker, where a fault says so.
func (c *Cluster) control(request kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	produce, isProduce := request.(*kmsg.ProduceRequest)
	f, healed := c.fault(request, isProduce)
	if f == nil {
		return nil, nil, false
	}
	switch {
	case f.Hang:
		c.fake.SleepControl(func() {
			select {
			case <-healed:
			case <-time.After(time.Minute): // a test that failed
			}
		})
		return nil, nil, false
	case f.Drop:
		return nil, fmt.Errorf("dropped"), true
	case f.Lose:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.losing = true
		return nil, nil, false
	case f.Leaderless && !isProduce:
		return c.leaderless(request.(*kmsg.MetadataRequest)), nil, true
	case isProduce && f.Code != 0:
		return refuse(produce, f.Code), nil, true
	}
	return nil, nil, false
}

func (c *Cluster) fault(request kmsg.Request, isProduce bool) (*Fault, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, isMetadata := request.(*kmsg.MetadataRequest)
	for i, f := range c.faults {
		if !isProduce && (!isMetadata || !f.Leaderless) {
			continue
		}
		if f.Times--; f.Times == 0 {
			c.faults = append(c.faults[:i:i], c.faults[i+1:]...)
		} else if f.Times < 0 {
			f.Times = 0
		}
		select {
		case f.Met <- struct{}{}:
		default:
		}
		return f, c.healed
	}
	return nil, nil
}

// leaderless answers a request for metadata.
func (c *Cluster) leaderless(request *kmsg.MetadataRequest) kmsg.Response {
	answer := request.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.Host, broker.Port = "127.0.0.1", int32(c.port) //nolint:gosec // a port
	answer.Brokers = append(answer.Brokers, broker)
	for _, asked := range request.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
		partition := kmsg.NewMetadataResponseTopicPartition()
		partition.ErrorCode, partition.Leader = kerr.LeaderNotAvailable.Code, -1
		topic.Partitions = append(topic.Partitions, partition)
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

// refuse answers a produce request with an error for each partition.
func refuse(request *kmsg.ProduceRequest, code int16) kmsg.Response {
	answer := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range request.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, code
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

// Code is the number of an error by its name, 0 where there is none.
func Code(name string) int16 {
	for code := range int16(200) {
		if e, ok := kerr.ErrorForCode(code).(*kerr.Error); ok && e.Message == name {
			return code
		}
	}
	return 0
}

// Fault adds trouble, and Heal takes all of it back.
func (c *Cluster) Fault(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Topic != "" {
		why, _ := kerr.ErrorForCode(f.Code).(*kerr.Error)
		c.topics = append(c.topics, c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: f.Topic, Err: why, Count: -1}))
		return
	}
	c.faults = append(c.faults, &f)
}

// Heal takes all trouble back.
func (c *Cluster) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
	for _, f := range c.topics {
		f.Remove()
	}
	c.topics = nil
	if c.frozen != nil {
		close(c.frozen)
		c.frozen = nil
	}
	close(c.healed)
	c.healed = make(chan struct{})
}

// Close ends the broker; its log is lost.
func (c *Cluster) Close() {
	c.Heal()
	c.fake.Close()
}

// Address is where the broker listens.
func (c *Cluster) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Settings are those of an output that leads here.
func (c *Cluster) Settings() map[string]any {
	settings := map[string]any{"type": "kafka", "hosts": []any{c.Address()}, "topic": Topic}
	if c.options.TLS {
		settings["ssl"] = map[string]any{"certificate_authorities": []any{string(c.authority.PEM())}, "verification_mode": "certificate"}
	}
	if c.options.SASL != "" {
		settings["username"], settings["password"] = User, Password
		settings["sasl"] = map[string]any{"mechanism": c.options.SASL}
	}
	return settings
}

// Reader reads Topic as a superuser.
func (c *Cluster) Reader(arrived func(Document)) (*Reader, error) { return c.ReaderOf(arrived, Topic) }

// ReaderOf reads some topics as a superuser.
func (c *Cluster) ReaderOf(arrived func(Document), topics ...string) (*Reader, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(c.Address())}
	if c.options.TLS {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(c.authority.PEM())
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, InsecureSkipVerify: true})) //nolint:gosec // it is this process
	}
	switch c.options.SASL {
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: User, Pass: Password}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: User, Pass: Password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: User, Pass: Password}.AsSha512Mechanism()))
	}
	return NewReader(arrived, topics, opts...)
}
