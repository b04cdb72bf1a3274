package defender_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// poisonous are servers with one record that cannot be served.
func poisonous() []hostile {
	var rows []hostile
	for _, res := range tenant.Resources() {
		options := tenant.Options{Alerts: 120, Machines: 120, Actions: 120, EvidencePerAlert: 1}
		for name, rule := range map[string]tenant.Rule{
			"500":               {Status: 500},
			"cut":               {Damage: tenant.CutInside},
			"cut cleanly":       {Damage: tenant.CutInside, CutClean: true},
			"control character": {Damage: tenant.ControlCharacter},
			"NaN":               {Damage: tenant.NaN},
			"nesting":           {Damage: tenant.DeepNesting},
		} {
			rule.Serves = "poison"
			rows = append(rows, hostile{
				name: res.String() + ", one poisoned record: " + name, resource: res, options: options, rules: []tenant.Rule{rule},
				settings: map[string]any{"batch_size": 50}, before: addOne("poison"), poisoned: true, length: time.Hour,
				twin: res == tenant.MachineActions || name == "cut cleanly" || name == "NaN",
			})
		}
	}
	for _, res := range []tenant.Resource{tenant.Alerts, tenant.Machines} {
		rows = append(rows, hostile{
			name: res.String() + ", a record that is served again after 40 minutes", resource: res, length: 2 * time.Hour,
			options: tenant.Options{Alerts: 120, Machines: 120, EvidencePerAlert: 1}, settings: map[string]any{"batch_size": 50},
			rules: []tenant.Rule{{Status: 500, Serves: "poison"}}, healthy: true,
			before: addOne("poison"),
			during: func(h *hostileRun) {
				time.Sleep(40 * time.Minute)
				h.tenant.Heal()
			},
		})
	}
	return append(rows, hostile{
		name: "more alerts of one time than may be skipped", options: tenant.Options{Alerts: 200, TieRun: 200, EvidencePerAlert: 1},
		settings: map[string]any{"batch_size": 50}, rules: []tenant.Rule{{Path: alertList, SkipAbove: 60, Status: 400}, {Path: alertList, ClampTop: 50}},
	})
}

// untimely are servers whose clock or records are not where they should be.
func untimely() []hostile {
	quiet := tenant.Options{Alerts: 100, EvidencePerAlert: 1, Live: 0.01}
	day := 24 * time.Hour
	rows := []hostile{
		{name: "a poll longer than the overlap, late records", options: quiet, settings: map[string]any{"batch_size": 10}, during: func(h *hostileRun) {
			blockOnce(16*time.Minute, "burst-")(h)
			// More than two pages: the poll continues behind the one that takes long.
			time.AfterFunc(20*time.Minute+30*time.Second, func() { addMany(h, "burst", 25) })
			addLate(10 * time.Minute)(h)
		}},
		{name: "late by less than the overlap", options: quiet, during: addLate(12 * time.Minute)},
		{name: "an alert dated 2099, our clock half an hour ahead", options: quiet, ahead: -30 * time.Minute, during: func(h *hostileRun) {
			time.Sleep(10 * time.Minute)
			h.tenant.Add(tenant.Alerts, recordAt(tenant.Alerts, "ahead", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)))
		}},
		{name: "a stream renamed after three hours", options: tenant.Options{EvidencePerAlert: 1, Live: 0.01}, settings: map[string]any{"initial_interval": "1h"}, length: 4 * time.Hour, during: func(h *hostileRun) {
			time.Sleep(10 * time.Minute)
			h.stop()
			time.Sleep(3 * time.Hour)
			h.stream = "renamed"
			h.start()
		}},
		{name: "another tenant in the same stream", options: quiet, during: anotherTenant},
		{name: "our clock two hours ahead at the start", options: tenant.Options{EvidencePerAlert: 1, Live: 0.01}, settings: map[string]any{"initial_interval": "1h"}, ahead: -2 * time.Hour},
		{name: "our clock two hours behind at the start", options: quiet, ahead: 2 * time.Hour},
		{name: "one alert dated 2099", options: quiet, during: func(h *hostileRun) {
			time.Sleep(10 * time.Minute)
			h.tenant.Add(tenant.Alerts, recordAt(tenant.Alerts, "ahead", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)))
		}},
		{name: "one action dated 2099", resource: tenant.MachineActions, options: tenant.Options{Actions: 50}, during: func(h *hostileRun) {
			time.Sleep(10 * time.Minute)
			h.tenant.Add(tenant.MachineActions, recordAt(tenant.MachineActions, "ahead", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)))
			for i := range 10 {
				time.Sleep(5 * time.Minute)
				h.tenant.Add(tenant.MachineActions, recordAt(tenant.MachineActions, fmt.Sprint("after-", i), h.tenant.Now()))
			}
		}},
		{name: "one alert dated in ten minutes", options: quiet, during: func(h *hostileRun) {
			h.tenant.Add(tenant.Alerts, recordAt(tenant.Alerts, "ahead", h.tenant.Now().Add(10*time.Minute)))
		}},
		{name: "the server's clock jumps two days on and back", options: quiet, during: jump(2 * day)},
		{name: "the server's clock jumps a month back and on", options: quiet, during: jump(-30 * day)},
		{name: "no Date", options: quiet, rules: []tenant.Rule{{Header: map[string][]string{"Date": nil}}}, healthy: true},
	}
	for i := range rows {
		rows[i].length = max(rows[i].length, 70*time.Minute)
	}
	return rows
}

// addMany adds records of now.
func addMany(h *hostileRun, id string, n int) {
	for i := range n {
		h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprint(id, "-", i), h.tenant.Now()))
	}
}

// addLate adds a record of so long ago every minute for an hour.
func addLate(d time.Duration) func(*hostileRun) {
	return func(h *hostileRun) {
		for i := range 60 {
			h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprint("late-", i), h.tenant.Now().Add(-d)))
			time.Sleep(time.Minute)
		}
	}
}

// anotherTenant gives the stream another tenant, of which nothing was read.
func anotherTenant(h *hostileRun) {
	time.Sleep(10 * time.Minute)
	h.stop()
	options := h.row.options
	options.Seed, options.TenantID = 78, "5d1f3f0a-0000-4c53-8d38-0d4f3a1c6a10"
	h.tenant = tenant.New(options)
	h.become(h.tenant)
	h.settings = map[string]any{"tenant_id": options.TenantID}
	h.start()
}

// blockOnce makes the first batch with such a record take so long to be acknowledged,
// as Elasticsearch does that is away.
func blockOnce(d time.Duration, id string) func(*hostileRun) {
	return func(h *hostileRun) {
		var once atomic.Bool
		h.publisher.Before = func(_ context.Context, b *inputs.Batch) error {
			for i := range b.Len() {
				if bytes.Contains(b.At(i).JSON, []byte(id)) && once.CompareAndSwap(false, true) {
					time.Sleep(d)
				}
			}
			return nil
		}
	}
}

// jump moves the server's clock for four seconds around a poll.
func jump(d time.Duration) func(*hostileRun) {
	return func(h *hostileRun) {
		time.Sleep(30*time.Minute - 2*time.Second)
		h.tenant.MoveClock(d)
		time.Sleep(4 * time.Second)
		h.tenant.MoveClock(-d)
	}
}

// versioned are servers that change content without a new time, or the writing
// without a new content, and what a poll costs.
func versioned() []hostile {
	recent := tenant.Options{Alerts: 60, Machines: 60, Actions: 60, EvidencePerAlert: 1, Span: 5 * time.Minute}
	rows := []hostile{
		{name: "alerts revised without a new time", options: recent, during: func(h *hostileRun) {
			time.Sleep(3 * time.Minute)
			h.try(h.tenant.Revise(tenant.Alerts, h.ids()[:20]...))
		}},
		{name: "actions revised without a new time", resource: tenant.MachineActions, options: recent, during: func(h *hostileRun) {
			time.Sleep(3 * time.Minute)
			h.try(h.tenant.Revise(tenant.MachineActions, h.ids()[:20]...))
		}},
		{name: "a quiet hour of alerts", options: tenant.Options{Alerts: 60, EvidencePerAlert: 1}, length: time.Hour, healthy: true, calls: 72},
		{name: "12,000 machines in pages of 10,000", resource: tenant.Machines, options: tenant.Options{Machines: 12_000}, twin: true, settings: map[string]any{"interval": "3h"}, healthy: true, calls: 3 + orderProven},
		{name: "429 of this list for an hour", options: recent, length: 70 * time.Minute, rules: []tenant.Rule{{Path: alertList, Status: 429, RetryAfter: 20 * time.Minute, Times: 2}}, healthy: true},
		{name: "429 with a date, the server's clock behind", options: recent, ahead: -50 * time.Minute, length: 30 * time.Minute, rules: []tenant.Rule{{Path: alertList, Status: 429, RetryAfter: time.Minute, RetryDate: true, Times: 2}}, healthy: true},
		{name: "429 with a date, the server's clock ahead", options: recent, ahead: 50 * time.Minute, length: 30 * time.Minute, rules: []tenant.Rule{{Path: alertList, Status: 429, RetryAfter: time.Minute, RetryDate: true, Times: 2}}, healthy: true},
		{name: "429 of machines alone, alerts beside", beside: []tenant.Resource{tenant.Machines}, options: tenant.Options{Alerts: 60, EvidencePerAlert: 1, Live: 0.01}, length: 30 * time.Minute, rules: []tenant.Rule{{Path: machineList, Status: 429, RetryAfter: time.Hour}}, healthy: true},
		{name: "an hour's Retry-After on one 503", options: recent, length: 30 * time.Minute, rules: []tenant.Rule{{Path: alertList, Status: 503, RetryAfter: time.Hour, Times: 1}}, healthy: true},
		{name: "an hour's Retry-After on 503", options: recent, length: 10 * time.Minute, unreadable: true, rules: []tenant.Rule{{Path: alertList, Status: 503, RetryAfter: time.Hour}}},
	}
	for name, w := range map[string]tenant.Writing{
		"members reversed": tenant.Reordered, "spaces": tenant.Spaced, "one more null": tenant.ExtraNull,
		"numbers": tenant.Numbers, "addresses": tenant.Addresses,
	} {
		for _, res := range tenant.Resources() {
			if w == tenant.Addresses && res != tenant.Machines {
				continue
			}
			rows = append(rows, hostile{name: res.String() + " written otherwise: " + name, resource: res, options: recent, healthy: true,
				twin: res == tenant.MachineActions,
				during: func(h *hostileRun) {
					time.Sleep(3 * time.Minute)
					h.tenant.Fail(tenant.Rule{Writing: w})
				}})
		}
	}
	return rows
}
