package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// many are tenants behind one address, each with a path of its own. Some are
// throttled.
type many struct {
	tenant    *defendertest.Tenant
	throttled func(name string) bool

	mu    sync.Mutex
	calls map[string]int // of lists that were answered, by tenant
	kept  map[string]int // that were throttled
}

func (m *many) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(r.URL.Path[1:], "/")
	if strings.HasPrefix(rest, "oauth2/") {
		r.URL.Path = "/" + defendertest.TenantID + "/" + rest
		m.tenant.ServeHTTP(w, r)
		return
	}
	m.mu.Lock()
	throttled := m.throttled(name)
	if throttled {
		m.kept[name]++
	} else {
		m.calls[name]++
	}
	m.mu.Unlock()
	if throttled {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	r.URL.Path = "/" + rest
	m.tenant.ServeHTTP(w, r)
}

// manyStreams are seven streams of one tenant. Those that read what another one reads
// write elsewhere.
func manyStreams() string {
	var b strings.Builder
	for i, name := range []string{"log", "machine", "machine_action", "log", "machine", "machine_action", "log"} {
		fmt.Fprintf(&b, "      - {id: s%d, interval: 10s, data_stream: {dataset: microsoft_defender_endpoint.%s, namespace: n%d}}\n", i, name, i/3)
	}
	return b.String()
}

// throttledPolicy is one input that is made for so many tenants.
func throttledPolicy(tenants int, es, api string) string {
	var items strings.Builder
	for i := range tenants {
		fmt.Fprintf(&items, "      - vars: {tenant: 00000000-0000-0000-0000-%012d}\n", i)
	}
	return fmt.Sprintf(`outputs: {default: {type: elasticsearch, hosts: [%q], api_key: "id:key"}}
providers:
  local_dynamic:
    items:
%sinputs:
  - id: msp
    type: microsoft_defender_endpoint
    tenant_id: ${local_dynamic.tenant}
    client_id: %q
    client_secret: %q
    url: %s/${local_dynamic.tenant}
    login_url: %q
    streams:
%s`, es, items.String(), defendertest.ClientID, defendertest.ClientSecret, api, api, manyStreams())
}

// TestManyTenantsThrottled: 200 tenants with seven streams each in one process, every
// tenth of them throttled all the time. Every other one is polled as often as the
// next, and the throttled ones are left in peace.
func TestManyTenantsThrottled(t *testing.T) {
	if !*long {
		t.Skip("takes two minutes: run with -long")
	}
	const tenants, length = 200, 90 * time.Second
	m := &many{
		tenant:    defendertest.New(defendertest.Options{Seed: 1, Alerts: 20, Machines: 20, Actions: 20, EvidencePerAlert: 1}),
		throttled: func(name string) bool { return strings.HasSuffix(name, "0") }, calls: map[string]int{}, kept: map[string]int{},
	}
	api := listen(t, m)
	es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", CountOnly: true})
	dir, file := writePolicy(t, throttledPolicy(tenants, listen(t, es), api))
	cmd := exec.Command(binary, "run", "-c", file, "-E", "path.data="+filepath.Join(dir, "state"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(length, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // ends it with the stack of every goroutine
	c := cost{peak: watchPeak(cmd)}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var polled, kept []int
	for _, n := range m.calls {
		polled = append(polled, n)
	}
	for _, n := range m.kept {
		kept = append(kept, n)
	}
	slices.Sort(polled)
	t.Logf("%d tenants with 7 streams for %s: %s, %d goroutines", tenants, length, c, strings.Count(stderr.String(), "\ngoroutine "))
	t.Logf("calls of each tenant: %d to %d; of each throttled one: %d to %d", polled[0], polled[len(polled)-1], slices.Min(kept), slices.Max(kept))
	if len(polled) != tenants*9/10 || len(kept) != tenants/10 {
		t.Fatalf("%d tenants polled, %d throttled", len(polled), len(kept))
	}
	if least, most := polled[0], polled[len(polled)-1]; least*10 < most*8 {
		t.Errorf("one tenant was polled %d times, another %d", least, most)
	}
	if slices.Max(kept) > 30 {
		t.Errorf("%d calls of a throttled tenant", slices.Max(kept))
	}
	if c.peak > manyLimit {
		t.Errorf("peak RSS %d KiB, limit %d KiB", c.peak, manyLimit)
	}
}
