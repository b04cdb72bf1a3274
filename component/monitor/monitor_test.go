package monitor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/defender-endpoint/defender-endpoint/component/monitor"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

var at = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// example is a process with a stream that is well and one that is behind.
func example() monitor.Overview {
	good := inputs.StreamStatus{
		Key: inputs.Key{Input: "defender-1", Stream: `log "1"`, Dataset: "microsoft_defender_endpoint.log"}, State: "HEALTHY", Healthy: true, Reason: "collecting",
		LastSuccess: at.Add(-20 * time.Second),
		Counts: inputs.Counts{
			Records: 120, Duplicates: 20, Documents: 100, Published: inputs.Result{Stored: 90, Existing: 7, Minimal: 2, Bare: 1, KeptAside: 1},
			Newest: at.Add(-time.Hour), CredentialsEnd: at.Add(12*24*time.Hour + time.Hour), Quota: &inputs.Quota{HourLeft: 1400, HeldUntil: at.Add(time.Minute)},
		},
	}
	bad := inputs.StreamStatus{
		Key: inputs.Key{Input: "defender-1", Stream: "machine-1", Dataset: "microsoft_defender_endpoint.machine"}, State: "DEGRADED",
		Reason: "the API does not answer: " + strings.Repeat("look at the network and the proxy; ", 8),
		Counts: inputs.Counts{Backlog: 3 * time.Hour},
	}
	return monitor.Overview{
		At: at, Started: at.Add(-2 * time.Hour), PID: 77, Version: "1.2.3",
		Units: []monitor.Unit{
			{ID: "in", Type: "x", State: "DEGRADED", Reason: "stream machine-1: down", Streams: []monitor.Stream{monitor.StreamOf(good, at), monitor.StreamOf(bad, at)}},
			{ID: "default", Type: "elasticsearch", Output: true, State: "HEALTHY", Healthy: true, Reason: "publishing"},
		},
	}
}

// TestMetricsAreRead by Prometheus's own parser, value by value.
func TestMetricsAreRead(t *testing.T) {
	var text bytes.Buffer
	if err := monitor.Metrics(&text, example()); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			id := strings.TrimPrefix(name, "defender_endpoint_")
			for _, l := range m.GetLabel() {
				if l.GetName() == "stream" || l.GetName() == "result" || l.GetName() == "type" {
					id += " " + l.GetValue()
				}
			}
			got[id] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for id, want := range map[string]float64{
		`stream_healthy log "1"`: 1, "stream_healthy machine-1": 0, "unit_healthy elasticsearch": 1, "unit_healthy x": 0,
		`stream_lag_seconds log "1"`: 20, "stream_lag_seconds machine-1": 3 * 3600,
		`records_total log "1"`: 120, `records_seen_before_total log "1"`: 20,
		`documents_total log "1" stored`: 90, `documents_total log "1" existing`: 7, `documents_total log "1" minimal`: 2, `documents_total log "1" bare`: 1,
		`failure_store_total log "1"`: 1, `quota_left log "1"`: 1400, `credentials_days_left log "1"`: 12,
		`last_success_timestamp_seconds log "1"`:  float64(at.Unix() - 20),
		`newest_record_timestamp_seconds log "1"`: float64(at.Unix() - 3600),
		"start_time_seconds":                      float64(at.Unix() - 7200),
	} {
		if value, there := got[id]; !there || value != want {
			t.Errorf("%s is %v (there: %v), want %v", id, value, there, want)
		}
	}
	for _, id := range []string{"quota_left machine-1", "last_success_timestamp_seconds machine-1"} {
		if value, there := got[id]; there {
			t.Errorf("%s is %v although nothing is known of it", id, value)
		}
	}
}

// TestServe: metrics are served on a loopback address and on a socket that only
// its owner opens, and on nothing else.
func TestServe(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	for _, address := range []string{"127.0.0.1:0", "unix://" + socket, "unix://" + socket} { // a socket that was left behind is replaced
		ctx, stop := context.WithCancel(t.Context())
		l, err := monitor.Listen(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		if l, is := l.(*net.UnixListener); is {
			l.SetUnlinkOnClose(false)
			if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			monitor.Serve(ctx, l, example, slog.New(slog.DiscardHandler))
		}()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, l.Addr().Network(), l.Addr().String())
		}}}
		for path, want := range map[string]int{"/metrics": 200, "/": 404, "/debug/pprof": 404} {
			response, err := client.Get("http://metrics" + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != want || want == 200 && !bytes.Contains(body, []byte("defender_endpoint_stream_lag_seconds")) {
				t.Errorf("%s %s: %d\n%s", address, path, response.StatusCode, body)
			}
		}
		stop()
		<-ended
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"0.0.0.0:0", ":9464", "192.0.2.1:0", "9464", "", "metrics.example:80", "unix://" + file, "unix:///nowhere/at/all"} {
		if l, err := monitor.Listen(t.Context(), address); err == nil {
			t.Errorf("%q is served", address)
			_ = l.Close()
		}
	}
}

// TestStatusFile is written whole, for its owner, again and again, and says at
// the end that it is over.
func TestStatusFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if _, err := monitor.Read(dir); !errors.Is(err, monitor.ErrNone) {
			t.Errorf("no file: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var broken atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			monitor.Write(ctx, dir, func() monitor.Overview {
				o := example()
				o.At = time.Now()
				if broken.Load() {
					o.Units[1].State = "DEGRADED"
				}
				return o
			}, slog.New(slog.DiscardHandler))
		}()
		for _, step := range []struct {
			wait    time.Duration
			broken  bool
			written time.Duration // since the beginning
		}{{3 * time.Second, false, 2 * time.Second}, {5 * time.Second, true, 2 * time.Second}, {3 * time.Second, true, 10 * time.Second}, {19 * time.Second, true, 30 * time.Second}} {
			time.Sleep(step.wait)
			synctest.Wait()
			o, err := monitor.Read(dir)
			if err != nil || len(o.Units) != 2 || o.Ended || o.At.Sub(began) != step.written {
				t.Errorf("%v after the beginning: %v, written at %v: %+v", time.Since(began), err, o.At.Sub(began), o)
			}
			broken.Store(step.broken)
		}
		stop()
		<-ended
		if o, err := monitor.Read(dir); err != nil || !o.Ended || len(o.Units) != 0 {
			t.Errorf("at the end: %+v, %v", o, err)
		}
		entries, _ := os.ReadDir(dir)
		if info, err := entries[0].Info(); len(entries) != 1 || err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%v, %v", entries, err)
		}
	})
}

// TestStatusFileCannotBeWritten: it is logged once, and nothing ends.
func TestStatusFileCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		monitor.Write(ctx, filepath.Join(t.TempDir(), "nowhere"), example, slog.New(slog.NewTextHandler(&log, nil)))
		if n := strings.Count(log.String(), "cannot be written"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log.String())
		}
	})
}

// TestStatusFileOfSomeoneElse is refused and named.
func TestStatusFileOfSomeoneElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, monitor.FileName)
	if err := os.WriteFile(path, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := monitor.Read(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

// TestTable fits a terminal and shows a process that hangs.
func TestTable(t *testing.T) {
	var text strings.Builder
	monitor.Table(&text, example(), at.Add(5*time.Second))
	for line := range strings.Lines(text.String()) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	for _, want := range []string{
		"process 77, up 2h00m", "output default", `stream log "1"`, "last full poll 25s ago, lag 20s", "records 120 (seen before 20, quarantined 0)",
		"documents 100: stored 90, already there 7, in a lesser form 3", "1400 calls left of this hour, ", "credentials valid for 12 days", "no full poll yet",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, text.String())
		}
	}
	text.Reset()
	monitor.Table(&text, example(), at.Add(time.Hour))
	if !strings.Contains(text.String(), "1h00m ago: the process hangs or is gone") {
		t.Errorf("a process that hangs:\n%s", text.String())
	}
}

// TestLogLine says what was done since the line before.
func TestLogLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := example()
		ctx, stop := context.WithTimeout(t.Context(), 70*time.Second)
		defer stop()
		monitor.Log(ctx, func() monitor.Overview {
			o.Units[0].Streams[0].Records += 5
			return o
		}, slog.New(slog.NewTextHandler(&log, nil)))
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "records=125") || !strings.Contains(lines[1], "records=5 ") ||
			!strings.Contains(lines[1], "streams=2 streams_healthy=1 worst_lag_seconds=10800") || !strings.Contains(lines[1], "quota_left=1400") {
			t.Errorf("%s", log.String())
		}
	})
}
