package logstash

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
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
	until       = outputtest.Until[logstashtest.Stats]
)

func start(t testing.TB, o logstashtest.Options) *logstashtest.Server {
	t.Helper()
	s, err := logstashtest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func settingsOf(t testing.TB, s *logstashtest.Server) map[string]any {
	t.Helper()
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func connect(t testing.TB, s *logstashtest.Server, r output.Reporter, extra map[string]any) *logstash {
	t.Helper()
	return outputtest.Connect(t, Kind, r, settingsOf(t, s), extra).(*logstash)
}

func stats(s *logstashtest.Server) logstashtest.Stats {
	now, _ := s.Stats()
	return now
}

func contractDocument(id string, huge bool) *ecs.Document {
	if huge {
		return outputtest.Document(id, strings.Repeat("x", 4000))
	}
	return outputtest.Document(id, "")
}

// windows are those on their way.
func (l *link) windows() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending)
}
