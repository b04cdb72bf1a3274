package shipper

import (
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
)

// What the tests of all outputs share.
const (
	canary = outputtest.Canary
	unitID = outputtest.UnitID
)

var (
	target      = outputtest.Target
	newReporter = outputtest.NewReporter
	batch       = outputtest.Batch
	deadline    = outputtest.Deadline
	publish     = outputtest.Publish
	mustPublish = outputtest.MustPublish
	compare     = outputtest.Compare
	until       = outputtest.Until[shippertest.Stats]
)

func startShipper(t testing.TB, o shippertest.Options) *shippertest.Server {
	t.Helper()
	s, err := shippertest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func connect(t testing.TB, s *shippertest.Server, r output.Reporter, extra map[string]any) *client {
	t.Helper()
	settings, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}
	return outputtest.Connect(t, Kind, r, settings, extra).(*client)
}

func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

// stored checks that exactly the documents 0 to n-1 arrived.
func stored(t *testing.T, s *shippertest.Server, n int) {
	t.Helper()
	got := map[string]bool{}
	for _, d := range s.Documents(target.Name()) {
		got[d.ID] = true
	}
	for i := range n {
		if id := fmt.Sprintf("id-%05d", i); !got[id] {
			t.Errorf("document %s is missing", id)
		}
	}
	if len(got) != n {
		t.Errorf("%d documents stored, want %d", len(got), n)
	}
}

func socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "s.sock")
}
