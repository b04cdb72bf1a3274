package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/component/agenttest"
	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

var soakSeed = flag.Uint64("soak.seed", 1, "seed of TestSoak")

// drainLimit is how long after the faults have healed all must be stored.
const drainLimit = 60 * time.Second

// row is one line of the proof: what is done to the real binary while it
// collects. When run returns, the faults heal and everything is counted.
type row struct {
	name     string
	options  defendertest.Options
	settings map[string]any // of the input
	shipper  *shippertest.Options
	// logstash and kafka replace Elasticsearch.
	logstash *logstashtest.Options
	kafka    *kafkatest.Options
	maxBody  int64 // of the fake Elasticsearch
	env      []string
	long     bool // in the long form only
	beside   bool // a lesser form may be stored beside its full documents, which must all be there
	// refused says that documents are refused and stored in a lesser form: the unit
	// shows that for some deliveries more.
	refused bool
	// resends says that documents may be sent again without a kill, because an
	// answer or the state was lost.
	resends bool
	// unserved says that one alert, id "poison", cannot be served: a document
	// represents it, which is more than is asked for of the others.
	unserved bool
	streams  []string // of assessments, in place of the usual ones
	run      func(*soak)
}

// soak is a row that runs.
type soak struct {
	*rig
	row
	random  *rand.Rand
	secret  string                 // that the tenant takes
	program string                 // that runs
	others  []*defendertest.Tenant // that are collected from too
	sink    *shippertest.Server
	stash   *logstashtest.Server
	cluster *kafkatest.Cluster
	reader  *kafkatest.Reader
	output  agenttest.Unit
	running bool
	kills   int
	rows    map[string]bool // of assessments: what is to be stored
}

// result is a row of the table.
type result struct {
	name                                            string
	kills, records, documents, lost, twice, refused int
	resent                                          int
	drained                                         time.Duration
}

// TestSoak is the proof of "nothing lost, nothing stored twice": the real
// binary under every fault there is a name for. Each row ends with the tenant's
// own records compared, byte for byte, with the originals that were stored.
// With the race detector the first row of each kind runs, or all in the long form.
func TestSoak(t *testing.T) {
	leaveOut(t, "TestCrashTable of inputs/defender")
	t.Parallel()
	var mu sync.Mutex
	results := map[string]result{}
	rows, kinds := soakRows(), map[byte]bool{}
	t.Run("rows", func(t *testing.T) {
		for i, w := range rows {
			if !*long && (w.long || raced && kinds[w.name[0]]) {
				continue
			}
			kinds[w.name[0]] = true
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				r := newSoak(t, w, *soakSeed+uint64(i)).prove()
				mu.Lock()
				defer mu.Unlock()
				results[w.name] = r
			})
		}
	})
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\tkills\trecords\tdocuments\tlost\tstored twice\tin lesser forms\tsent again\tdrained in")
	for _, w := range rows {
		if r, ok := results[w.name]; ok {
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1fs\n",
				r.name, r.kills, r.records, r.documents, r.lost, r.twice, r.refused, r.resent, r.drained.Seconds())
		}
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
}

func newSoak(t *testing.T, w row, seed uint64) *soak {
	w.options.Seed = seed
	if w.options.Alerts == 0 && w.options.Machines == 0 && w.options.Actions == 0 {
		w.options.Alerts, w.options.Machines, w.options.Actions = 240, 90, 60
	}
	s := &soak{rig: newRig(t, w.options), row: w, random: rand.New(rand.NewPCG(seed, 0)), secret: defendertest.ClientSecret, program: binary}
	limit := map[bool]time.Duration{false: 2 * time.Minute, true: 4 * time.Minute}[w.unserved] // a record that gives 500 takes two
	if *long {
		limit = 30 * time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	s.ctx = ctx
	if w.maxBody > 0 {
		s.es = elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", MaxBody: w.maxBody})
		s.esURL = listen(t, s.es)
	}
	s.output = elasticsearchUnit(s.esURL)
	if w.shipper != nil {
		s.sink, s.output = s.newShipper(s.onSocket(*w.shipper))
	}
	if w.logstash != nil {
		s.stash, s.output = s.newLogstash(*w.logstash)
	}
	if w.kafka != nil {
		s.cluster, s.reader, s.output = s.newKafka(*w.kafka)
	}
	s.apply(nil)
	return s
}

// onSocket keeps a shipper's address free while it is down. The path is short,
// as the system demands.
func (r *rig) onSocket(o shippertest.Options) shippertest.Options {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { os.RemoveAll(dir) })
	o.Socket = filepath.Join(dir, "s")
	return o
}

// policyStreams are the streams of the policy, alerts first.
func (s *soak) policyStreams() (streams []any) {
	for _, name := range []string{"log", "machine", "machine_action"} {
		streams = append(streams, map[string]any{
			"id": name + "-1", "data_stream": map[string]any{"type": "logs", "dataset": "microsoft_defender_endpoint." + name},
		})
	}
	return streams
}

// apply gives the policy to the agent, with further settings of the input.
func (s *soak) apply(settings map[string]any) {
	s.Helper()
	all := map[string]any{
		"streams": s.policyStreams(), "preserve_original_event": true, "batch_size": 40.0, "client_secret": s.secret,
		"calls_per_minute": 100_000.0, "calls_per_hour": 1_000_000.0, // the pace has tests of its own
	}
	for _, more := range []map[string]any{s.settings, settings} {
		for name, v := range more {
			all[name] = v
		}
	}
	s.set(s.input(all), s.output)
}

func (s *soak) start() {
	s.Helper()
	cmd := exec.CommandContext(s.ctx, s.program)
	cmd.Env = append(os.Environ(), s.env...)
	if err := s.agent.Start(s.ctx, cmd); err != nil {
		s.Fatal(err)
	}
	s.running = true
}

func (s *soak) kill() {
	s.agent.Kill()
	s.kills++
	s.running = false
}

func (s *soak) end() {
	s.Helper()
	s.stop()
	s.running = false
}

// until waits for something to have happened, or for so long: the row does what
// it does at that moment either way.
func (s *soak) until(limit time.Duration, so func() bool) {
	for began := time.Now(); time.Since(began) < limit && !so() && s.ctx.Err() == nil; {
		time.Sleep(2 * time.Millisecond)
	}
}

// waitDrained waits until nothing is missing.
func (s *soak) waitDrained() {
	s.Helper()
	s.eventually("everything stored", s.drained())
}

// drained tells, each time it is called, whether nothing is missing.
func (s *soak) drained() func() bool {
	counted, missing := -1, 0
	return func() bool {
		if n := len(s.documents()); n != counted {
			counted = n
			missing, _ = s.compare()
		}
		return missing == 0
	}
}

// settle waits until everything is stored and the cursors behind it are saved:
// each stream asks again only then. A sweep of machines is 4 requests.
func (s *soak) settle() {
	s.Helper()
	s.waitDrained()
	asked := func(path string) (n int) {
		for _, r := range s.tenant.Requests() {
			if r.Path == path {
				n++
			}
		}
		return n
	}
	for _, path := range []string{alertsPath, machinesPath, actionsPath} {
		before := asked(path)
		s.eventually("cursors saved", func() bool { return asked(path) >= before+5 })
	}
}

// lesser are the documents that represent ones that the output refused.
func (s *soak) lesser() (n int) {
	for _, d := range s.documents() {
		if isLesser(d) {
			n++
		}
	}
	return n
}

// sent is how often something was sent to the output.
func (s *soak) sent() int {
	if s.sink != nil {
		stats, _ := s.sink.Stats()
		return stats.Calls
	}
	if s.stash != nil {
		stats, _ := s.stash.Stats()
		return stats.Windows
	}
	if s.reader != nil {
		stats, _ := s.reader.Stats()
		return stats.Messages
	}
	return s.es.Stats().Requests
}

// resent is how many documents arrived under an id that was there already.
func (s *soak) resent() int {
	if s.sink != nil {
		stats, _ := s.sink.Stats()
		return stats.Duplicates
	}
	if s.stash != nil {
		stats, _ := s.stash.Stats()
		return stats.Duplicates
	}
	if s.reader != nil {
		stats, _ := s.reader.Stats()
		return stats.Duplicates
	}
	return s.es.Stats().Conflicts
}

// refusedBy reports whether the API answered a request of that path with 400.
func (s *soak) refusedBy(path string) bool {
	for _, r := range s.tenant.Requests() {
		if strings.HasPrefix(r.Path, path) && r.Status == http.StatusBadRequest {
			return true
		}
	}
	return false
}

// prove runs the row, heals everything and counts.
func (s *soak) prove() result {
	s.Helper()
	s.run(s)
	s.tenant.Heal()
	s.es.Heal()
	s.tenant.AfterPage(nil)
	if s.sink != nil {
		s.sink.FailPublish(nil)
		s.sink.FailPersistedIndex(nil)
	}
	if s.stash != nil {
		s.stash.Heal()
	}
	if s.cluster != nil {
		s.cluster.Heal()
	}
	healed := time.Now()
	if !s.running {
		s.start()
	}
	s.until(drainLimit, s.drained())
	drained := time.Since(healed)
	if !s.refused && drained < drainLimit {
		s.waitHealthy()
	}
	s.end()
	missing, twice := s.compare()
	r := result{
		name: s.name, kills: s.kills, records: len(s.truth()), documents: len(s.documents()),
		lost: missing, twice: twice, refused: s.lesser(), resent: s.resent(), drained: drained,
	}
	if s.refused != (r.refused > 0) {
		s.Errorf("%d documents in lesser forms", r.refused)
	}
	if r.resent > 0 && r.kills == 0 && !s.resends {
		s.Errorf("%d documents were sent again", r.resent)
	}
	if r.lost > 0 || r.twice > 0 {
		s.Errorf("%d documents lost, %d stored twice, %s after the faults had healed", r.lost, r.twice, drained)
	}
	return r
}

// documents are all that were stored.
func (s *soak) documents() [][]byte {
	var all [][]byte
	for _, name := range s.es.DataStreams() {
		all = append(all, s.es.Documents(name)...)
	}
	if s.sink != nil {
		for _, d := range s.sink.Documents("") {
			all = append(all, d.JSON)
		}
	}
	if s.stash != nil {
		for _, d := range s.stash.Documents("") {
			all = append(all, d.JSON)
		}
	}
	if s.reader != nil {
		for _, d := range s.reader.Documents() {
			all = append(all, d.JSON)
		}
	}
	return all
}

// compare holds what is stored against the tenant's records: how many documents
// are missing of what the API still returns, and how many there are too many of
// anything.
func (s *soak) compare() (missing, twice int) {
	s.Helper()
	truth, stored := s.truth(), map[string]int{}
	for _, d := range s.documents() {
		var document struct {
			Event struct {
				Original string `json:"original"`
			} `json:"event"`
			Error struct {
				Message jsontext.Value `json:"message"` // a text; a list where the record has faults
			} `json:"error"`
		}
		if s.beside && isLesser(d) {
			continue
		}
		err := json.Unmarshal(d, &document)
		original := document.Event.Original
		if original == "" {
			original = bareOf(truth, ecs.Unquote(document.Error.Message))
		}
		if s.unserved && original == "" && bytes.Contains(d, []byte("poison")) {
			continue
		}
		if err != nil || original == "" {
			s.Fatalf("a document without an original: %v\n%s", err, d)
		}
		stored[original]++
	}
	for record := range truth {
		if s.unserved && strings.Contains(record, `"id":"poison"`) {
			continue
		}
		missing += max(documentsOf(record)-stored[record], 0)
	}
	for record, n := range stored {
		if more := n - documentsOf(record); more > 0 {
			twice += more
			s.Logf("stored %d times: %.200s", n, record)
		}
	}
	return missing, twice
}

// bareOf is the record that a bare form represents, which tells its hash alone.
func bareOf(records map[string]bool, message string) string {
	_, sum, _ := strings.Cut(message, "SHA-256 ")
	for record := range records {
		if fmt.Sprintf("%x", sha256.Sum256([]byte(record))) == sum {
			return record
		}
	}
	return ""
}

// documentsOf is how many documents a record comes to.
func documentsOf(record string) int {
	var r struct {
		Evidence []jsontext.Value `json:"evidence"`
	}
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		return 1
	}
	return max(1, len(r.Evidence))
}

// truth are the records as the API returns them now, of all tenants, or the rows of
// assessments that the row expects.
func (s *soak) truth() map[string]bool {
	if s.streams != nil {
		return s.rows
	}
	records := map[string]bool{}
	for _, tenant := range append(s.others, s.tenant) {
		for _, resource := range defendertest.Resources() {
			for record := range tenant.Bodies(resource) {
				records[record] = true
			}
		}
	}
	return records
}

// ids are those of some records of a resource, without those that a row wrote.
func (s *soak) ids(resource defendertest.Resource, n int) []string {
	var ids []string
	for v := range s.tenant.Records(resource) {
		if v.ID != "poison" && !strings.HasPrefix(v.ID, "late-") {
			ids = append(ids, v.ID)
		}
	}
	slices.Sort(ids)
	s.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(n, len(ids))]
}

// change moves some records of every resource on.
func (s *soak) change(n int) {
	s.Helper()
	for _, resource := range defendertest.Resources() {
		if err := s.tenant.Touch(resource, s.ids(resource, n)...); err != nil {
			s.Fatal(err)
		}
	}
}

// arrive adds an alert with that update time.
func (s *soak) arrive(at time.Time) {
	stamp := at.UTC().Format("2006-01-02T15:04:05.0000000Z")
	s.tenant.Add(defendertest.Alerts, fmt.Sprintf(`{"id":"late-%s-%d","lastUpdateTime":%q,"alertCreationTime":%q,"title":"late","evidence":[]}`,
		stamp, s.random.Uint32(), stamp, stamp))
}
