package broker

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
)

// node has the pom that names the jars, and what starts the broker.
//
//go:embed all:node
var node embed.FS

const (
	startLimit = 2 * time.Minute
	stopLimit  = 20 * time.Second
)

// Broker is one broker in a process of its own.
type Broker struct {
	Plain, Secure string // addresses: the administrator's, and the one with TLS and login

	jars, home string
	authority  *agenttest.Authority
	cmd        *exec.Cmd
	stdin      io.Closer
	exited     chan struct{}
	log        *os.File
	client     *kgo.Client
	admin      *kadm.Client
}

// Start starts a broker of the test's own, which ends with it, with the users of
// kafkatest for SCRAM-SHA-512 and PLAIN: the first may write to every topic, the
// second may describe them.
func Start(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{jars: engine.Jars(t, node, "kafka", "Kafka broker")}
	if err := b.prepare(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.home) })
	if err := b.launch(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	b.allow(t)
	return b
}

// prepare writes settings and certificates.
func (b *Broker) prepare() (err error) {
	if b.home, err = os.MkdirTemp("", "defender-endpoint-broker"); err != nil {
		return err
	}
	if b.authority, err = agenttest.NewAuthority(); err != nil {
		return err
	}
	certificate, key, err := b.authority.Issue("localhost")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.home, "server.pem"), append(certificate, key...), 0o600); err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	b.Plain, b.Secure = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("localhost:%d", ports[1])
	const login = "org.apache.kafka.common.security."
	settings := []string{
		"process.roles=broker,controller", "node.id=1", fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", ports[2]),
		fmt.Sprintf("listeners=PLAINTEXT://%s,SASL_SSL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", b.Plain, ports[1], ports[2]),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://%s,SASL_SSL://%s", b.Plain, b.Secure),
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(b.home, "log"), "auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1", "group.initial.rebalance.delay.ms=0",
		"num.network.threads=1", "num.io.threads=2", "log.cleaner.dedupe.buffer.size=4194304",
		"broker.session.timeout.ms=1000", "broker.heartbeat.interval.ms=200",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=" + login + "scram.ScramLoginModule required;",
		fmt.Sprintf("listener.name.sasl_ssl.plain.sasl.jaas.config=%splain.PlainLoginModule required user_%s=%q user_%s=%q;",
			login, kafkatest.User, kafkatest.Password, kafkatest.Reading, kafkatest.ReadingPW),
		"listener.name.sasl_ssl.ssl.keystore.type=PEM", "listener.name.sasl_ssl.ssl.keystore.location=" + filepath.Join(b.home, "server.pem"),
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS",
	}
	return os.WriteFile(b.settings(), []byte(strings.Join(settings, "\n")), 0o600)
}

func (b *Broker) settings() string { return filepath.Join(b.home, "broker.properties") }

func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// launch starts the process and waits until it answers.
func (b *Broker) launch() (err error) {
	arguments := []string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", filepath.Join(b.jars, "classes") + string(filepath.ListSeparator) + filepath.Join(b.jars, "jars", "*"), "Broker", b.settings(),
		"format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", b.settings(),
	}
	for name, word := range map[string]string{kafkatest.User: kafkatest.Password, kafkatest.Reading: kafkatest.ReadingPW} {
		arguments = append(arguments, "--add-scram", fmt.Sprintf("SCRAM-SHA-512=[name=%s,password=%s]", name, word))
	}
	b.cmd, b.exited = exec.Command("java", arguments...), make(chan struct{})
	if b.log, err = os.OpenFile(filepath.Join(b.home, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	cmd, exited := b.cmd, b.exited
	go func() { _ = cmd.Wait(); close(exited) }() // how it ended does not matter
	if b.client == nil {
		if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.Plain)); err != nil {
			return err
		}
		b.admin = kadm.NewClient(b.client)
	}
	return b.ready()
}

// ready waits for an answer.
func (b *Broker) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := b.client.Ping(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-b.exited:
		case <-ctx.Done():
		}
		text, _ := os.ReadFile(b.log.Name())
		b.Kill()
		return fmt.Errorf("the broker does not start:\n%s", text)
	}
}

// Kill ends the broker with SIGKILL. Its data stay.
func (b *Broker) Kill() {
	_ = b.cmd.Process.Kill() // fails where it has ended already
	<-b.exited
	_ = b.log.Close()
}

// Stop ends the broker with SIGTERM, as an administrator does. Its data stay.
func (b *Broker) Stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended already
	b.wait()
}

// wait gives the broker time to end.
func (b *Broker) wait() {
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-b.exited:
		_ = b.log.Close()
	case <-timer.C:
		b.Kill()
	}
}

// Freeze stops the process where it is, until Thaw: its connections stay and nothing
// is answered.
func (b *Broker) Freeze(t testing.TB) { b.signal(t, sigStop) }

// Thaw ends Freeze.
func (b *Broker) Thaw(t testing.TB) { b.signal(t, sigCont) }

func (b *Broker) signal(t testing.TB, what os.Signal) {
	t.Helper()
	if err := b.cmd.Process.Signal(what); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the broker again after Kill or Stop, with the same data and addresses.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	if err := b.launch(); err != nil {
		t.Fatal(err)
	}
}

func (b *Broker) stop() {
	b.client.Close()
	_ = b.stdin.Close()
	b.wait()
}

// allow gives the users their rights.
func (b *Broker) allow(t testing.TB) {
	t.Helper()
	for user, operations := range map[string][]kadm.ACLOperation{
		kafkatest.User: {kadm.OpWrite, kadm.OpRead, kadm.OpDescribe}, kafkatest.Reading: {kadm.OpDescribe},
	} {
		rights := kadm.NewACLs().Topics("*").Allow("User:" + user).AllowHosts("*").Operations(operations...).ResourcePatternType(kadm.ACLPatternLiteral)
		results, err := b.admin.CreateACLs(t.Context(), rights)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// CreateTopic makes a topic with settings of its own.
func (b *Broker) CreateTopic(t testing.TB, name string, partitions int32, settings map[string]string) {
	t.Helper()
	own := map[string]*string{}
	for key, value := range settings {
		own[key] = kadm.StringPtr(value)
	}
	if _, err := b.admin.CreateTopic(t.Context(), partitions, 1, own, name); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for { // the controller knows it before the broker does
		seen, err := b.admin.ListTopics(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if topic := seen[name]; topic.Err == nil && len(topic.Partitions) == int(partitions) {
			return
		}
		<-tick.C
	}
}

// AlterTopic gives a topic one setting and takes all others from it.
func (b *Broker) AlterTopic(t testing.TB, name, setting, value string) {
	t.Helper()
	answers, err := b.admin.AlterTopicConfigsState(t.Context(), []kadm.AlterConfig{{Name: setting, Value: &value}}, name)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := answers.On(name, nil); err != nil || answer.Err != nil {
		t.Fatal(err, answer.Err)
	}
}

// DeleteTopic deletes a topic.
func (b *Broker) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	if _, err := b.admin.DeleteTopic(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// Settings are those of an output with TLS and a login.
func (b *Broker) Settings(topic string) map[string]any {
	return map[string]any{
		"type": "kafka", "hosts": []any{b.Secure}, "topic": topic, "username": kafkatest.User, "password": kafkatest.Password,
		"sasl": map[string]any{"mechanism": "SCRAM-SHA-512"}, "ssl": map[string]any{"certificate_authorities": []any{string(b.authority.PEM())}},
	}
}

// Reader reads topics as the administrator.
func (b *Broker) Reader(t testing.TB, topics ...string) *kafkatest.Reader {
	t.Helper()
	r, err := kafkatest.NewReader(nil, topics, kgo.SeedBrokers(b.Plain))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}
