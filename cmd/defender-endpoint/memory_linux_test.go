package main_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestPeakMemory runs the whole job of 10,000 alerts with 3 evidence items each,
// 35 MB from the API, with the tenant and Elasticsearch in another process than
// the one that is measured.
func TestPeakMemory(t *testing.T) {
	const limit = 80 << 20
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: 10_000, EvidencePerAlert: 3})
	es := componenttest.NewElasticsearch(componenttest.ElasticsearchOptions{APIKey: "id:key", CountOnly: true})
	dir, file := writePolicy(t, policy(listen(t, tenant), listen(t, es)))
	state, stderr := program(t, dir, "run", "-c", file, "--once", "-E", "path.data="+filepath.Join(dir, "state"))
	if state.ExitCode() != 0 || !strings.Contains(stderr, "documents 30000") {
		t.Fatalf("exit code %d:\n%s", state.ExitCode(), stderr)
	}
	peak := state.SysUsage().(*syscall.Rusage).Maxrss << 10
	t.Logf("peak RSS %d MB, CPU %.2f s user and %.2f s system", peak>>20, state.UserTime().Seconds(), state.SystemTime().Seconds())
	if peak > limit {
		t.Errorf("peak RSS %d MB, limit %d MB", peak>>20, limit>>20)
	}
}
