package kafka

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the tests of all outputs share.
const canary = outputtest.Canary

var (
	target      = outputtest.Target
	newReporter = outputtest.NewReporter
	batch       = outputtest.Batch
	deadline    = outputtest.Deadline
	publish     = outputtest.Publish
	mustPublish = outputtest.MustPublish
	compare     = outputtest.Compare
	document    = outputtest.Document
)

// sink is a cluster that is read.
type sink struct {
	*kafkatest.Cluster
	*kafkatest.Reader
}

func start(t testing.TB, o kafkatest.Options, topics ...string) *sink {
	t.Helper()
	c, err := kafkatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r, err := c.ReaderOf(nil, append(topics, kafkatest.Topic)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return &sink{c, r}
}

// documents are what stands in the topic now.
func (s *sink) documents(t testing.TB) []kafkatest.Document {
	t.Helper()
	if err := s.CatchUp(deadline(t), kafkatest.Topic); err != nil {
		t.Fatal(err)
	}
	return s.Documents()
}

func connect(t testing.TB, settings map[string]any, r output.Reporter, extra map[string]any) *kafka {
	t.Helper()
	return outputtest.Connect(t, Kind, r, settings, extra).(*kafka)
}
