package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

const (
	// manyLimit is what a process may take at its peak for 200 tenants with three
	// streams each, in KiB.
	manyLimit = 300 << 10
	// What a tenant with three streams may take, and the process besides: its
	// streams, and its connections to API and token service with two goroutines each.
	goroutinesOfTenant, goroutinesBesides = 20, 200
	filesOfTenant, filesBesides           = 6, 100
	manyRecords                           = 2_000 // of a stream
)

// load is what a process takes.
type load struct {
	peak, files int // the largest of RSS, in KiB, and of open files
	goroutines  int // when all was stored
}

// TestManyTenants: memory does not follow the number of streams by their batches,
// and what else a tenant takes is in proportion. All tenants show the same records,
// each in its own name.
func TestManyTenants(t *testing.T) {
	if !*long {
		t.Skip("takes a minute: run with -long")
	}
	for _, tenants := range []int{20, 200} {
		l := collectMany(t, tenants)
		t.Logf("%d tenants: peak RSS %d MB, %d files, %d goroutines", tenants, l.peak>>10, l.files, l.goroutines)
		if most := goroutinesBesides + tenants*goroutinesOfTenant; l.goroutines > most {
			t.Errorf("%d tenants: %d goroutines, want %d at most", tenants, l.goroutines, most)
		}
		if most := filesBesides + tenants*filesOfTenant; l.files > most {
			t.Errorf("%d tenants: %d open files, want %d at most", tenants, l.files, most)
		}
		if l.peak > manyLimit && !raced {
			t.Errorf("%d tenants: peak RSS %d KiB, limit %d KiB", tenants, l.peak, manyLimit)
		}
	}
}

// collectMany collects from so many tenants until all is stored, and ends the
// process so that it lists its goroutines.
func collectMany(t *testing.T, tenants int) load {
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true})
	dir, file := writePolicy(t, manyPolicy(t, tenants, listen(t, es)))
	cmd := exec.Command(binary, "run", "-c", file, "-E", "path.data="+filepath.Join(dir, "state"))
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var l load
	want, tick := tenants*3*manyRecords, time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); es.Stats().Stored < want && time.Since(began) < 10*time.Minute; <-tick.C {
		l.peak = max(l.peak, memoryOf(cmd, "VmHWM:"))
		files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
		l.files = max(l.files, len(files))
	}
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	_ = cmd.Wait()
	l.goroutines = strings.Count(stderr.String(), "\ngoroutine ")
	if stored := es.Stats().Stored; stored != want || l.goroutines == 0 {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		t.Fatalf("%d documents stored, want %d; %d goroutines: %s", stored, want, l.goroutines, lines[len(lines)-1])
	}
	return l
}

// manyPolicy is a policy of so many tenants with three streams each.
func manyPolicy(t *testing.T, tenants int, es string) string {
	tenant := defendertest.New(defendertest.Options{Seed: 1, Alerts: manyRecords, Machines: manyRecords, Actions: manyRecords, EvidencePerAlert: 1})
	api := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, rest, is := strings.Cut(r.URL.Path[1:], "/oauth2/"); is && name != "" {
			r.URL.Path = "/" + defendertest.TenantID + "/oauth2/" + rest
		}
		tenant.ServeHTTP(w, r)
	}))
	var text strings.Builder
	fmt.Fprintf(&text, "outputs: {default: {type: elasticsearch, hosts: [%q], api_key: \"id:key\"}}\ninputs:\n", es)
	for i := range tenants {
		fmt.Fprintf(&text, `  - {id: in-%d, type: microsoft_defender_endpoint, url: %q, login_url: %q, tenant_id: 00000000-0000-0000-0000-%012d, client_id: %q, client_secret: %q, streams: [
      {id: log, data_stream: {dataset: microsoft_defender_endpoint.log}}, {id: machine, data_stream: {dataset: microsoft_defender_endpoint.machine}},
      {id: machine_action, data_stream: {dataset: microsoft_defender_endpoint.machine_action}}]}
`, i, api, api, i, defendertest.ClientID, defendertest.ClientSecret)
	}
	return text.String()
}
