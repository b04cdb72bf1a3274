package defendertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// content is what a record says, whichever way it is written: nulls left out,
// a machine's addresses in one order.
func content(t *testing.T, record json.RawMessage) map[string]any {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(record, &members); err != nil {
		t.Fatalf("%v in %s", err, record)
	}
	for name, v := range members {
		if v == nil {
			delete(members, name)
		}
	}
	if list, ok := members["ipAddresses"].([]any); ok {
		slices.SortFunc(list, func(a, b any) int {
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			return strings.Compare(string(x), string(y))
		})
	}
	return members
}

// The same content, other bytes.
func TestWritings(t *testing.T) {
	const machines, alerts = "/api/machines", "/api/alerts?$expand=evidence"
	for name, test := range map[string]struct {
		writing defendertest.Writing
		path    string
	}{
		"members reversed":  {defendertest.Reordered, alerts},
		"spaces":            {defendertest.Spaced, alerts},
		"one more null":     {defendertest.ExtraNull, alerts},
		"numbers":           {defendertest.Numbers, alerts},
		"addresses":         {defendertest.Addresses, machines},
		"machine, all four": {defendertest.Reordered | defendertest.Spaced | defendertest.Numbers | defendertest.Addresses, machines},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := defendertest.New(defendertest.Options{Seed: 4, Alerts: 10, Machines: 10, EvidencePerAlert: 3})
			c := connect(t, tenant)
			before := c.list(test.path)
			tenant.Fail(defendertest.Rule{Writing: test.writing})
			after := c.list(test.path)
			changed := 0
			for i := range before.Value {
				if !reflect.DeepEqual(content(t, before.Value[i]), content(t, after.Value[i])) {
					t.Errorf("%s\nbecame\n%s", before.Value[i], after.Value[i])
				}
				if string(before.Value[i]) != string(after.Value[i]) {
					changed++
				}
			}
			if changed < len(before.Value)/2 {
				t.Errorf("%d of %d records are written otherwise", changed, len(before.Value))
			}
		})
	}
}

func TestWithoutZone(t *testing.T) {
	c, _ := five(t, defendertest.Rule{Writing: defendertest.WithoutZone})
	if p := c.list("/api/alerts?$orderby=lastUpdateTime&$top=1"); !strings.Contains(p.Body, `"lastUpdateTime":"2026-03-01T10:00:00"`) {
		t.Errorf("got %s", p.Body)
	}
}

// A damaged record is damaged in the page that has it, and the others are whole.
func TestDamage(t *testing.T) {
	for name, test := range map[string]struct {
		damage defendertest.Damage
		sign   string
	}{
		"control character": {defendertest.ControlCharacter, "\x07"},
		"NaN":               {defendertest.NaN, `:NaN`},
		"nesting":           {defendertest.DeepNesting, strings.Repeat("[", 10_500)},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := five(t, defendertest.Rule{Serves: "c", Damage: test.damage})
			p := c.get("/api/alerts")
			if p.Status != 200 || json.Valid([]byte(p.Body)) || strings.Count(p.Body, test.sign) != 1 || !strings.Contains(p.Body, `"id":"e"`) {
				t.Errorf("got %d %.300s", p.Status, p.Body)
			}
			for _, query := range []string{"$filter=id lt 'c'", "$filter=id gt 'c'"} {
				if p := c.list("/api/alerts?" + query); len(p.Value) != 2 {
					t.Errorf("%s: %s", query, p.Body)
				}
			}
		})
	}
}

// get over a real connection, which can break.
func overTheNetwork(t *testing.T, tenant *defendertest.Tenant, path string) (string, error) {
	t.Helper()
	server := httptest.NewServer(tenant)
	defer server.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	r.Header.Set("Authorization", "Bearer "+token(t, tenant))
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// The body ends in the middle of one record; a page without it is whole.
func TestCutInside(t *testing.T) {
	for _, clean := range []bool{false, true} {
		_, tenant := five(t, defendertest.Rule{Path: "/api/", Serves: "c", Damage: defendertest.CutInside, CutClean: clean})
		body, err := overTheNetwork(t, tenant, "/api/alerts")
		if errors.Is(err, io.ErrUnexpectedEOF) == clean || !strings.Contains(body, `{"id":"c"`) || strings.Contains(body, `{"id":"d"`) || json.Valid([]byte(body)) {
			t.Errorf("clean %v: %v %s", clean, err, body)
		}
		if body, err = overTheNetwork(t, tenant, "/api/alerts?$top=2"); err != nil || !json.Valid([]byte(body)) {
			t.Errorf("a page without it: %v %s", err, body)
		}
	}
}

func TestDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := defendertest.New(defendertest.Options{Alerts: 10})
		c := connect(t, tenant)
		tenant.Fail(defendertest.Rule{Path: "/api", BytesPerSecond: 100})
		start := time.Now()
		p := c.list("/api/alerts")
		want := time.Duration((len(p.Body)+99)/100) * time.Second
		if took := time.Since(start); took != want || len(p.Value) != 10 {
			t.Errorf("%d bytes took %s, want %s", len(p.Body), took, want)
		}
	})
}

// Silence lasts until the client leaves; nothing is sent, not even a status.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := defendertest.New(defendertest.Options{Alerts: 10})
		c := connect(t, tenant)
		tenant.Fail(defendertest.Rule{Path: "/api", Silent: true, Holds: 4})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/alerts?$top=5", nil)
		r.Header.Set("Authorization", "Bearer "+c.token)
		w := httptest.NewRecorder()
		start := time.Now()
		tenant.ServeHTTP(w, r)
		if took := time.Since(start); took != 20*time.Minute || w.Body.Len() != 0 {
			t.Errorf("answered after %s: %s", took, w.Body)
		}
		if got := tenant.Counts(defendertest.Alerts).Statuses[0]; got != 1 {
			t.Errorf("%d calls without a status", got)
		}
		if p := c.list("/api/alerts?$top=4"); len(p.Value) != 4 {
			t.Errorf("a smaller page: %s", p.Body)
		}
	})
}
