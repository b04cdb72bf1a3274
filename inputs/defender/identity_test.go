package defender_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/componenttest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestTwoStreamsThatReadTheSame: within an input they are wrong settings, and
// between inputs the second one says so, until the first one is gone.
func TestTwoStreamsThatReadTheSame(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 5, Alerts: 3, EvidencePerAlert: 1}, nil)
	source := func(tenantID string, ids ...string) map[string]any {
		var streams []any
		for _, id := range ids {
			streams = append(streams, map[string]any{"id": id, "data_stream": map[string]any{"dataset": logDataset}})
		}
		return map[string]any{
			"tenant_id": tenantID, "client_id": tenant.ClientID, "client_secret": tenant.ClientSecret,
			"url": b.server.URL, "login_url": b.server.URL, "streams": streams,
		}
	}
	in := defender.New("test")
	streams, err := in.Streams(inputs.Unit{ID: "in-1", Source: source(tenant.TenantID, "one", "two")})
	if err == nil || !strings.Contains(err.Error(), "one") || !strings.Contains(err.Error(), "two") || len(streams) != 1 {
		t.Fatalf("%d streams, error %v", len(streams), err)
	}
	others, err := in.Streams(inputs.Unit{ID: "in-2", Source: source(tenant.Domain, "three")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	stored := make(chan struct{}, 10)
	run := func(ctx context.Context, s inputs.Stream, once bool) error {
		publisher := &componenttest.Publisher{Before: func(context.Context, *inputs.Batch) error { stored <- struct{}{}; return nil }}
		return s.Run(ctx, inputs.Env{Publisher: publisher, Cursors: &b.cursors, Reporter: &b.counts, Log: slog.New(slog.DiscardHandler), Once: once, Grace: time.Second})
	}
	running.Go(func() { _ = run(ctx, streams[0], false) })
	<-stored
	err = run(ctx, others[0], true)
	for _, name := range []string{"one", "in-1", "three", "in-2"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
	cancel()
	running.Wait()
	if err := run(t.Context(), others[0], true); err != nil {
		t.Errorf("after the first one: %v", err)
	}
	if len(stored) != 0 {
		t.Error("the domain was not taken for the tenant")
	}
}

// TestAnotherApplicationContinues where the one before was, another cloud does
// not.
func TestAnotherApplicationContinues(t *testing.T) {
	unit := func(settings map[string]any) inputs.Key {
		source := map[string]any{
			"tenant_id": tenant.TenantID, "client_id": "a", "client_secret": "s",
			"streams": []any{map[string]any{"id": "s", "data_stream": map[string]any{"dataset": logDataset}}},
		}
		for name, v := range settings {
			source[name] = v
		}
		streams, err := defender.New("test").Streams(inputs.Unit{ID: "in", Source: source})
		if err != nil {
			t.Fatal(err)
		}
		return streams[0].Key.Checkpoint()
	}
	first := unit(nil)
	for name, same := range map[string]struct {
		settings map[string]any
		want     bool
	}{
		"application": {map[string]any{"client_id": "b"}, true},
		"region":      {map[string]any{"url": "https://api-eu3.security.microsoft.com"}, true},
		"letter case": {map[string]any{"tenant_id": strings.ToUpper(tenant.TenantID)}, true},
		"cloud":       {map[string]any{"login_url": "https://login.microsoftonline.us"}, false},
		"tenant":      {map[string]any{"tenant_id": "5d1f3f0a-0000-4c53-8d38-0d4f3a1c6a10"}, false},
		"data stream": {map[string]any{"data_stream.namespace": "other"}, false},
		"index":       {map[string]any{"index": "other"}, false},
	} {
		if got := unit(same.settings) == first; got != same.want {
			t.Errorf("another %s is the same source: %v", name, got)
		}
	}
}
