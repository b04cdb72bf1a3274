package defender_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

var errDiskFull = errors.New("no space left on device")

// unsaved loads what could not be saved, and tries to save it again, as the
// component's cursors do (package checkpoint). It is for one key.
type unsaved struct {
	inputs.Cursors
	kept []byte
}

func (u *unsaved) Load(ctx context.Context, key inputs.Key) ([]byte, error) {
	if u.kept == nil {
		return u.Cursors.Load(ctx, key)
	}
	value := u.kept
	_ = u.Save(ctx, key, value) // the next save tells
	return value, nil
}

func (u *unsaved) Save(ctx context.Context, key inputs.Key, value []byte) error {
	err := u.Cursors.Save(ctx, key, value)
	u.kept = nil
	if err != nil {
		u.kept = slices.Clone(value)
	}
	return err
}

// TestCursorThatCannotBeSaved: collecting continues, the poll tells, and once
// there is room nothing was lost or stored twice.
func TestCursorThatCannotBeSaved(t *testing.T) {
	for _, dataset := range []string{logDataset, machineDataset} {
		t.Run(dataset, func(t *testing.T) {
			b := newBench(t, tenant.Options{Seed: 21, Alerts: 90, Machines: 90, EvidencePerAlert: 1}, map[string]any{"batch_size": 20})
			b.dataset, b.store = dataset, &unsaved{Cursors: &b.cursors}
			full := true
			b.cursors.SaveError = func(inputs.Key) error {
				if full {
					return errDiskFull
				}
				return nil
			}
			if err := b.poll(); !errors.Is(err, errDiskFull) {
				t.Fatalf("the poll tells %v", err)
			}
			if len(b.sink.stored) != 90 {
				t.Errorf("%d documents while the disk was full, want 90", len(b.sink.stored))
			}
			full = false
			b.mustPoll()
			if b.cursors.Saves() == 0 {
				t.Error("not saved when there was room again")
			}
			if len(b.sink.stored) != 90 {
				t.Errorf("%d documents in the end, want 90", len(b.sink.stored))
			}
		})
	}
}

// TestUnusableCursorStartsAfresh: no matter what is in its place, the stream starts
// with its first look-back, and what it stored already is known by its ids.
func TestUnusableCursorStartsAfresh(t *testing.T) {
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for name, value := range map[string]string{
		"no state":         `"hello"`,
		"newer":            `{"version":9,"resource":"alert","cursor":"2026-01-01T00:00:00Z"}`,
		"another resource": `{"version":1,"resource":"machine","cursor":"2026-01-01T00:00:00Z"}`,
		"no cursor":        `{"version":1,"resource":"alert"}`,
		"odd seen set":     `{"version":1,"resource":"alert","cursor":"2026-01-01T00:00:00Z","seen":"AAA="}`,
		"in the future":    `{"version":1,"resource":"alert","cursor":"` + future + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tenant.Options{Seed: 22, Alerts: 40, EvidencePerAlert: 1, Span: 10 * time.Minute}, nil)
			b.mustPoll()
			key := b.stream.Key
			if err := b.cursors.Save(t.Context(), key, []byte(value)); err != nil {
				t.Fatal(err)
			}
			b.mustPoll()
			if len(b.sink.stored) != 40 || b.sink.duplicates != 40 {
				t.Errorf("%d stored, %d known by id; want 40 and 40", len(b.sink.stored), b.sink.duplicates)
			}
			saved, err := b.cursors.Load(t.Context(), key)
			var s struct{ Cursor time.Time }
			if err != nil || json.Unmarshal(saved, &s) != nil || s.Cursor.After(time.Now()) || !strings.Contains(string(saved), `"alert"`) {
				t.Errorf("saved %s, %v", saved, err)
			}
		})
	}
}

// TestClockAheadOfTheServer: a record that appears with a time that is long
// past by our clock is not passed over.
func TestClockAheadOfTheServer(t *testing.T) {
	skew := 20 * time.Hour
	clock := func() time.Time { return time.Now().Add(-skew) }
	b := newBench(t, tenant.Options{Seed: 23, Alerts: 60, EvidencePerAlert: 1, Now: clock, Span: 20 * 24 * time.Hour},
		map[string]any{"initial_interval": "720h"})
	b.mustPoll()
	var ids []string
	for v := range b.tenant.Records(tenant.Alerts) {
		ids = append(ids, v.ID)
	}
	if err := b.tenant.Touch(tenant.Alerts, ids[:7]...); err != nil {
		t.Fatal(err)
	}
	b.mustPoll()
	if len(b.sink.stored) != 67 || b.sink.duplicates != 0 {
		t.Errorf("%d stored, %d sent twice; want 67 and 0", len(b.sink.stored), b.sink.duplicates)
	}
}

// TestRecordsThatAppearLate: up to the overlap after their update time.
func TestRecordsThatAppearLate(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 24, Alerts: 30, EvidencePerAlert: 1, Span: 20 * time.Minute}, nil)
	b.mustPoll()
	for minutes := 1; minutes < 15; minutes++ {
		at := time.Now().UTC().Add(-time.Duration(minutes) * time.Minute).Format(time.RFC3339Nano)
		b.tenant.Add(tenant.Alerts, `{"id":"late-`+at+`","lastUpdateTime":"`+at+`","evidence":[]}`)
		b.mustPoll()
		if want := 30 + minutes; len(b.sink.stored) != want {
			t.Errorf("%d minutes late: %d stored, want %d", minutes, len(b.sink.stored), want)
		}
	}
	if b.sink.duplicates != 0 {
		t.Errorf("%d documents were sent twice", b.sink.duplicates)
	}
}

// TestRereadPublishesNothing: 10,000 alerts inside the overlap are read again
// at every poll, and none is published.
func TestRereadPublishesNothing(t *testing.T) {
	b := newBench(t, tenant.Options{Seed: 25, Alerts: 10_000, EvidencePerAlert: 1, Span: 10 * time.Minute}, nil)
	b.mustPoll()
	batches, read := b.sink.batches, b.counts.counts.Records
	b.mustPoll()
	if b.sink.batches != batches {
		t.Errorf("%d batches published", b.sink.batches-batches)
	}
	if again := b.counts.counts.Records - read; again < 10_000 {
		t.Errorf("only %d records were read again", again)
	}
}
