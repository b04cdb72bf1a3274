package defender_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const logDataset = "microsoft_defender_endpoint.log"

// sink is a Publisher that remembers ids, as a data stream would.
type sink struct {
	// crash, when set, is asked before each batch; an error means a
	// process that ends there. With late the batch was stored all the same.
	crash func(batch int) (err error, late bool)

	mu         sync.Mutex
	batches    int
	stored     map[string]string // id to document
	duplicates int               // documents sent again
}

func (s *sink) Publish(_ context.Context, b *inputs.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	var err error
	late := true
	if s.crash != nil {
		err, late = s.crash(s.batches)
	}
	if err != nil && !late {
		return err
	}
	if s.stored == nil {
		s.stored = map[string]string{}
	}
	for i := range b.Len() {
		d := b.At(i)
		if _, ok := s.stored[d.ID]; ok {
			s.duplicates++
			b.Result.Existing++
			continue
		}
		s.stored[d.ID] = string(d.JSON)
		b.Result.Stored++
	}
	return err
}

// tally is a Reporter.
type tally struct {
	mu     sync.Mutex
	counts inputs.Counts
}

func (t *tally) Report(error) {}
func (t *tally) Count(c inputs.Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Records += c.Records
	t.counts.Documents += c.Documents
	t.counts.Duplicates += c.Duplicates
	t.counts.Quarantined += c.Quarantined
	t.counts.Unknown += c.Unknown
}

// bench is a tenant, a sink and cursors, with which a stream is run time and
// again.
type bench struct {
	*testing.T
	tenant   *tenant.Tenant
	server   *httptest.Server
	sink     sink
	cursors  inputstest.Cursors
	store    inputs.Cursors // cursors, unless a test puts another one over it
	counts   tally
	settings map[string]any
	dataset  string
	now      func() time.Time // the program's clock, unless it is nil
	stream   inputs.Stream    // of the last poll
}

func newBench(t *testing.T, o tenant.Options, settings map[string]any) *bench {
	t.Helper()
	b := &bench{T: t, tenant: tenant.New(o), settings: settings, dataset: logDataset}
	b.store = &b.cursors
	b.server = httptest.NewServer(b.tenant)
	t.Cleanup(b.server.Close)
	return b
}

// poll runs the stream until it has caught up.
func (b *bench) poll() error {
	b.Helper()
	source := map[string]any{
		"tenant_id": tenant.TenantID, "client_id": tenant.ClientID, "client_secret": tenant.ClientSecret,
		"url": b.server.URL, "login_url": b.server.URL,
		"calls_per_minute": 100_000, "calls_per_hour": 1_000_000, // the pace has tests of its own
		"streams": []any{map[string]any{"id": "s", "data_stream": map[string]any{"dataset": b.dataset}}},
	}
	for name, v := range b.settings {
		source[name] = v
	}
	in := defender.New("test")
	in.Now = b.now
	streams, err := in.Streams(inputs.Unit{ID: "in", Source: source})
	if err = errors.Join(err, streams[0].Fault); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.stream = streams[0]
	return b.stream.Run(ctx, inputs.Env{
		Publisher: &b.sink, Cursors: b.store, Reporter: &b.counts,
		Log: slog.New(slog.DiscardHandler), Once: true, Grace: time.Second,
	})
}

func (b *bench) mustPoll() {
	b.Helper()
	if err := b.poll(); err != nil {
		b.Fatal(err)
	}
}

// version is what a document says about the alert it was made of.
type version struct{ id, updated string }

func versionOf(v tenant.Version) version {
	return version{v.ID, v.Time.UTC().Format("2006-01-02T15:04:05.9999999Z")}
}

// stored counts documents by the version of the alert they were made of.
func (b *bench) stored() map[version]int {
	b.Helper()
	counts := map[version]int{}
	for _, d := range b.sink.stored {
		var hit struct {
			Event struct {
				ID string `json:"id"`
			} `json:"event"`
			Microsoft struct {
				Defender struct {
					Updated string `json:"lastUpdateTime"`
				} `json:"defender_endpoint"`
			} `json:"microsoft"`
		}
		if err := json.Unmarshal([]byte(d), &hit); err != nil {
			b.Fatal(err)
		}
		counts[version{hit.Event.ID, hit.Microsoft.Defender.Updated}]++
	}
	return counts
}

// expectAll checks that every version ever visible is stored, each document
// once.
func (b *bench) expectAll() {
	b.Helper()
	stored, want := b.stored(), 0
	for v := range b.tenant.Versions(tenant.Alerts) {
		want += max(1, v.Evidence)
		if got := stored[versionOf(v)]; got != max(1, v.Evidence) {
			b.Errorf("alert %s of %s: %d documents, want %d", v.ID, v.Time, got, max(1, v.Evidence))
		}
	}
	if len(b.sink.stored) != want {
		b.Errorf("%d documents stored, want %d", len(b.sink.stored), want)
	}
}

// expectPresent checks that what the API shows now is stored.
func (b *bench) expectPresent() {
	b.Helper()
	stored := b.stored()
	for v := range b.tenant.Records(tenant.Alerts) {
		if stored[versionOf(v)] == 0 {
			b.Errorf("alert %s of %s is not stored", v.ID, v.Time)
		}
	}
}

func TestEveryAlertIsStoredOnce(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 1, Alerts: 700}, map[string]any{"batch_size": 60})
	b.mustPoll()
	b.expectAll()
	if b.sink.duplicates != 0 {
		t.Errorf("%d documents were sent twice", b.sink.duplicates)
	}
	b.mustPoll()
	if b.sink.duplicates != 0 || len(b.sink.stored) == 0 {
		t.Errorf("a second poll sent %d documents again", b.sink.duplicates)
	}
}

func TestTiesAcrossPages(t *testing.T) {
	for _, run := range []int{10, 25, 99} {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			b := newBench(t, tenant.Options{Seed: 2, Alerts: 200, TieRun: run}, map[string]any{"batch_size": 25})
			b.mustPoll()
			b.expectAll()
			if b.sink.duplicates != 0 {
				t.Errorf("%d documents were sent twice", b.sink.duplicates)
			}
		})
	}
}

func TestServerQuirks(t *testing.T) {
	for name, rule := range map[string]tenant.Rule{
		"top clamped":            {Path: "/api/alerts", ClampTop: 17},
		"top clamped to nine":    {Path: "/api/alerts", ClampTop: 9},
		"orderby refused":        {Path: "/api/alerts", RejectOrderBy: true},
		"body cut once":          {Path: "/api/alerts", CutAfter: 30_000, After: 1, Times: 1},
		"body cut cleanly once":  {Path: "/api/alerts", CutAfter: 30_000, CutClean: true, After: 1, Times: 1},
		"token refused once":     {Path: "/api/alerts", Status: 401, After: 1, Times: 1},
		"nextLink though $top":   {Path: "/api/alerts", NextLink: tenant.NextLinkLoop},
		"large bodies break off": {Path: "/api/alerts", CutAfter: 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tenant.Options{Seed: 3, Alerts: 150}, map[string]any{"batch_size": 50})
			b.tenant.Fail(rule)
			for range 8 { // a broken page ends a poll; the next one continues
				if err := b.poll(); err == nil {
					break
				}
			}
			b.mustPoll()
			b.expectAll()
			if len(b.tenant.Requests()) > 400 {
				t.Errorf("%d requests", len(b.tenant.Requests()))
			}
		})
	}
}

func TestAlertsChangedWhilePaging(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 4, Alerts: 200}, map[string]any{"batch_size": 30})
	var ids []string
	for v := range b.tenant.Records(tenant.Alerts) {
		ids = append(ids, v.ID)
	}
	var once sync.Mutex
	n := 0
	b.tenant.AfterPage(func(tenant.Request) {
		once.Lock()
		defer once.Unlock()
		if n < 20 {
			n++
			_ = b.tenant.Touch(tenant.Alerts, ids[n*9%len(ids)])
		}
	})
	b.mustPoll()
	b.tenant.AfterPage(nil)
	b.mustPoll()
	// A version that was replaced before it was read cannot be stored; every
	// one that the API still returns must be.
	b.expectPresent()
}

// TestCrashTable ends the process before and after every batch in turn: what
// is stored in the end has no gap, and no document was stored twice.
func TestCrashTable(t *testing.T) {
	crashed := errors.New("process ends here")
	for step := 1; step <= 4; step++ {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("batch %d late %t", step, late), func(t *testing.T) {
				b := newBench(t, tenant.Options{Seed: 5, Alerts: 90, EvidencePerAlert: 2}, map[string]any{"batch_size": 20})
				b.sink.crash = func(batch int) (error, bool) {
					if batch == step {
						return crashed, late
					}
					return nil, true
				}
				if err := b.poll(); !errors.Is(err, crashed) {
					t.Fatalf("got %v, want the crash", err)
				}
				b.sink.crash = nil
				b.mustPoll()
				b.expectAll()
			})
		}
	}
}

func TestRecordsThatCannotBeMappedAreNotLost(t *testing.T) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	b := newBench(t, tenant.Options{Seed: 6, Alerts: 3}, nil)
	b.tenant.Add(tenant.Alerts, `{"id":"bad-1","lastUpdateTime":"`+now+`","title":{"not":"text"},"evidence":[]}`)
	b.mustPoll()
	found := false
	for _, d := range b.sink.stored {
		if strings.Contains(d, "bad-1") {
			found = strings.Contains(d, `"kind":"pipeline_error"`) && strings.Contains(d, `title: want text, got an object`) && strings.Contains(d, `"original"`)
		}
	}
	if !found {
		t.Error("the record was not published as pipeline_error with reason and original")
	}
}

// TestUnknownMembersAreKeptAndCounted: drift of the API is not silent.
func TestUnknownMembersAreKeptAndCounted(t *testing.T) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	b := newBench(t, tenant.Options{Seed: 6}, nil)
	b.tenant.Add(tenant.Alerts, `{"id":"new-1","lastUpdateTime":"`+now+`","brandNew":{"a":1},"evidence":[{"entityType":"File","alsoNew":"x"}]}`)
	b.mustPoll()
	for _, d := range b.sink.stored {
		if !strings.Contains(d, `"unknown":{"brandNew":"{\"a\":1}","evidence.alsoNew":"x"}`) {
			t.Errorf("unknown members are lost: %s", d)
		}
	}
	if got := b.counts.counts.Unknown; got != 2 {
		t.Errorf("%d unknown members counted, want 2", got)
	}
}

// TestHugeRecordsAreAccountedFor: each is one document with its beginning, also
// when two follow each other, and none when they are met again.
func TestHugeRecordsAreAccountedFor(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 7, Alerts: 20, EvidencePerAlert: 1}, nil)
	now := time.Now().UTC().Format(time.RFC3339Nano)
	for _, id := range []string{"huge-1", "huge-2"} {
		b.tenant.Add(tenant.Alerts, `{"id":"`+id+`","lastUpdateTime":"`+now+`","description":"`+strings.Repeat("x", 17<<20)+`"}`)
	}
	b.mustPoll()
	b.mustPoll()
	if b.counts.counts.Quarantined != 2 || len(b.sink.stored) != 22 || b.sink.duplicates != 0 {
		t.Errorf("%d records quarantined, %d documents, %d sent twice; want 2, 22 and 0",
			b.counts.counts.Quarantined, len(b.sink.stored), b.sink.duplicates)
	}
	found := 0
	for _, d := range b.sink.stored {
		if strings.Contains(d, `"kind":"pipeline_error"`) && strings.Contains(d, `huge-`) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d documents show the beginning of their record", found)
	}
}

// TestFaultsOfEveryDocumentCount, not those of the last one of a record only.
func TestFaultsOfEveryDocumentCount(t *testing.T) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	b := newBench(t, tenant.Options{Seed: 6}, nil)
	b.tenant.Add(tenant.Alerts, `{"id":"a","lastUpdateTime":"`+now+`","evidence":[{"entityType":"Ip","ipAddress":"nowhere"},{"entityType":"File"}]}`)
	b.mustPoll()
	if got := b.counts.counts.Quarantined; got != 1 {
		t.Errorf("%d records quarantined, want 1", got)
	}
}

func TestSameStateAfterEveryPollIsNotSaved(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 8, Alerts: 50}, nil)
	b.mustPoll()
	saves := 0
	b.cursors.SaveError = func(key inputs.Key) error {
		if key.Dataset != "" { // else it is the quota, which every poll spends of
			saves++
		}
		return nil
	}
	b.mustPoll()
	if saves != 0 {
		t.Errorf("a poll without news saved %d times", saves)
	}
}

func newMachineBench(t *testing.T, o tenant.Options, settings map[string]any) *bench {
	b := newBench(t, o, settings)
	b.dataset = "microsoft_defender_endpoint.machine"
	return b
}

func TestMachinesArePublishedWhenTheyChange(t *testing.T) {
	b := newMachineBench(t, tenant.Options{Seed: 9, Machines: 130}, map[string]any{"batch_size": 40})
	b.mustPoll()
	if len(b.sink.stored) != 130 {
		t.Fatalf("%d documents after the first sweep, want 130", len(b.sink.stored))
	}
	batches := b.sink.batches
	b.mustPoll()
	if b.sink.batches != batches {
		t.Errorf("a sweep without news published %d batches", b.sink.batches-batches)
	}
	var ids []string
	for v := range b.tenant.Records(tenant.Machines) {
		ids = append(ids, v.ID)
	}
	if err := b.tenant.Amend(tenant.Machines, ids[3], ids[70], ids[129]); err != nil {
		t.Fatal(err)
	}
	b.mustPoll()
	if got := len(b.sink.stored); got != 133 || b.sink.duplicates != 0 {
		t.Errorf("%d documents and %d sent again after 3 changes, want 133 and 0", got, b.sink.duplicates)
	}
}

// TestMachineThatChangesBack: the former content is news again.
func TestMachineThatChangesBack(t *testing.T) {
	b := newMachineBench(t, tenant.Options{Seed: 9}, nil)
	for i, risk := range []string{"Low", "High", "Low"} {
		b.tenant.Add(tenant.Machines, `{"id":"m1","lastSeen":"2026-03-02T02:51:16Z","riskScore":"`+risk+`"}`)
		b.mustPoll()
		if len(b.sink.stored) != i+1 {
			t.Errorf("%d documents after version %d", len(b.sink.stored), i+1)
		}
	}
}

// TestSweepThatCrashesIsReadAgainWithTheSameIDs: nothing is stored twice.
func TestSweepThatCrashesIsReadAgainWithTheSameIDs(t *testing.T) {
	crashed := errors.New("process ends here")
	b := newMachineBench(t, tenant.Options{Seed: 9, Machines: 90}, map[string]any{"batch_size": 30})
	b.sink.crash = func(batch int) (error, bool) {
		if batch == 2 {
			return crashed, true
		}
		return nil, true
	}
	if err := b.poll(); !errors.Is(err, crashed) {
		t.Fatalf("got %v, want the crash", err)
	}
	b.sink.crash = nil
	b.mustPoll()
	if len(b.sink.stored) != 90 {
		t.Errorf("%d documents, want 90", len(b.sink.stored))
	}
}

func TestNoMachinesIsAnEmptyList(t *testing.T) {
	b := newMachineBench(t, tenant.Options{Seed: 9}, nil)
	b.tenant.Fail(tenant.Rule{Path: "/api/machines", Status: 404})
	b.mustPoll()
	if len(b.sink.stored) != 0 {
		t.Errorf("%d documents", len(b.sink.stored))
	}
}

// TestActionsByCreationTime: a server that does not filter by update time.
func TestActionsByCreationTime(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 10, Actions: 80}, map[string]any{"batch_size": 30})
	b.dataset = "microsoft_defender_endpoint.machine_action"
	b.tenant.Fail(tenant.Rule{Path: "/api/machineactions", RejectFilterProperty: "lastUpdateDateTimeUtc"})
	b.mustPoll()
	if len(b.sink.stored) != 80 {
		t.Fatalf("%d documents, want 80", len(b.sink.stored))
	}
	var ids []string
	for v := range b.tenant.Records(tenant.MachineActions) {
		ids = append(ids, v.ID)
	}
	if err := b.tenant.Touch(tenant.MachineActions, ids[0], ids[40]); err != nil {
		t.Fatal(err)
	}
	b.mustPoll()
	if got := len(b.sink.stored); got != 82 || b.sink.duplicates != 0 {
		t.Errorf("%d documents and %d sent again after 2 changes, want 82 and 0", got, b.sink.duplicates)
	}
}

// TestNamesOfUnknownMembersOutliveTheirRecord: they are told by diagnostics long
// after its memory was used again.
func TestNamesOfUnknownMembersOutliveTheirRecord(t *testing.T) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	b := newBench(t, tenant.Options{Seed: 6}, nil)
	for i := range 20 {
		b.tenant.Add(tenant.Alerts, fmt.Sprintf(`{"id":"new-%d","lastUpdateTime":"%s","brandNew%d":1,"evidence":[]}`, i, now, i%3))
	}
	b.mustPoll()
	report, _ := b.stream.Inspect(nil)["unknown_fields"].(map[string]int)
	if report["brandNew0"] != 7 || report["brandNew1"] != 7 || report["brandNew2"] != 6 || len(report) != 3 {
		t.Errorf("unknown members: %v", report)
	}
}
