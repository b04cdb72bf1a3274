package defender_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// assessmentRig is a stream of an assessment list in a bubble whose clock costs no
// time: the tenant is in the process and has that clock, too.
type assessmentRig struct {
	*testing.T
	tenant   *tenant.Tenant
	sink     sink
	cursors  inputstest.Cursors
	input    *defender.Input
	dataset  string
	settings map[string]any
	log      bytes.Buffer
	heard    int // requests that calls has told
}

// newAssessmentRig makes a rig for the stream of that name. It is to be called in a
// bubble. Machines are 30, with 4 rows each.
func newAssessmentRig(t *testing.T, stream string, settings map[string]any) *assessmentRig {
	t.Helper()
	r := &assessmentRig{T: t, dataset: "microsoft_defender_endpoint." + stream, settings: settings}
	r.tenant = tenant.New(tenant.Options{Machines: 30, Vulnerabilities: 4, Configurations: 4, Baselines: 4, RowsPerFile: 50})
	r.restart()
	return r
}

// restart makes a new process of it, with the saved state.
func (r *assessmentRig) restart() {
	r.input = defender.New("test")
	r.input.RoundTripper = inProcess{r.tenant}
}

// poll runs the stream until it has caught up.
func (r *assessmentRig) poll() error {
	r.Helper()
	return r.stream().Run(r.Context(), inputs.Env{
		Publisher: &r.sink, Cursors: &r.cursors, Reporter: &tally{},
		Log: slog.New(slog.NewTextHandler(&r.log, nil)), Once: true, Grace: time.Second,
	})
}

// stream is the stream with the settings of now.
func (r *assessmentRig) stream() inputs.Stream {
	r.Helper()
	source := map[string]any{
		"tenant_id": tenant.TenantID, "client_id": tenant.ClientID, "client_secret": tenant.ClientSecret,
		"url": "http://api.example", "login_url": "http://api.example", "file_hosts": []any{"api.example"},
		"preserve_original_event": true, "software_without_cve": true, "page_size": 25,
		"streams": []any{map[string]any{"id": "s", "data_stream": map[string]any{"dataset": r.dataset}}},
	}
	for name, v := range r.settings {
		source[name] = v
	}
	streams, err := r.input.Streams(inputs.Unit{ID: "in", Source: source})
	if err = errors.Join(err, streams[0].Fault); err != nil {
		r.Fatal(err)
	}
	return streams[0]
}

// did polls and checks what was asked of the service, without repetitions in a row.
func (r *assessmentRig) did(want string) {
	r.Helper()
	err := r.poll()
	if got := r.calls(); got != want || err != nil {
		r.Errorf("asked %q, want %q; %v", got, want, err)
	}
}

// calls are the last names of the paths asked since the last time, without
// repetitions in a row, and those of files as "file".
func (r *assessmentRig) calls() string {
	r.Helper()
	var names []string
	for _, q := range r.tenant.Requests()[r.heard:] {
		name := q.Path[strings.LastIndex(q.Path, "/")+1:]
		if strings.HasPrefix(q.Path, "/tvm-export/") {
			name = "file"
			if q.Authorized {
				r.Error("a token was sent to where the files are")
			}
		}
		if name != "token" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	r.heard = len(r.tenant.Requests())
	return strings.Join(names, " ")
}

// originals are those of the documents stored.
func (r *assessmentRig) originals() []string {
	r.Helper()
	var all []string
	for _, d := range r.sink.stored {
		all = append(all, r.text(d, "event.original"))
	}
	slices.Sort(all)
	return all
}

// text is a field of a document, "" where it is not there.
func (r *assessmentRig) text(document, path string) string {
	r.Helper()
	var v any
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		r.Fatal(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	text, _ := v.(string)
	return text
}

// expectRows checks that the rows, and nothing else, are stored once.
func (r *assessmentRig) expectRows(of tenant.Assessment, files bool) {
	r.Helper()
	want := slices.Sorted(r.tenant.RowBodies(of, files))
	if got := r.originals(); !slices.Equal(got, want) {
		r.Errorf("%d documents of %d rows", len(got), len(want))
	}
}

// inProcess is the way to a handler without a network.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Host = q.URL.Host
	w := httptest.NewRecorder()
	broke := false
	func() {
		defer func() {
			if r := recover(); r != nil {
				broke = true
			}
		}()
		p.ServeHTTP(w, q)
	}()
	answer := w.Result()
	if broke {
		answer.Body = io.NopCloser(io.MultiReader(answer.Body, brokenPipe{}))
	}
	return answer, context.Cause(q.Context())
}

type brokenPipe struct{}

func (brokenPipe) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
