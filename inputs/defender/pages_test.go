package defender_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// orderProven is the call by which the first snapshot, and every tenth, proves its
// order.
const orderProven = 1

// TestFewCalls: what is large is read in pages as large as the service allows.
func TestFewCalls(t *testing.T) {
	rows := []hostile{
		{name: "30,000 machines", twin: true, resource: tenant.Machines, options: tenant.Options{Machines: 30_000}, settings: map[string]any{"interval": "3h"}, healthy: true, calls: 4 + orderProven},
		{name: "9,000 machines", resource: tenant.Machines, options: tenant.Options{Machines: 9_000}, settings: map[string]any{"interval": "3h"}, healthy: true, calls: 2 + orderProven},
		{name: "a quiet hour of actions", resource: tenant.MachineActions, options: tenant.Options{Actions: 60}, length: time.Hour, healthy: true, calls: 72},
		{name: "an hour without alerts", options: tenant.Options{}, length: time.Hour, healthy: true, calls: 61},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			row.skipTwin(t)
			t.Parallel()
			if faults := row.run(t); len(faults) > 0 {
				t.Error(faults)
			}
		})
	}
}

// TestRefusalsAreShown in diagnostics and by a try.
func TestRefusalsAreShown(t *testing.T) {
	no := tenant.APIError("BadRequest", "no")
	for name, c := range map[string]struct {
		dataset string
		rule    tenant.Rule
		want    []string
	}{
		"nothing":          {logDataset, tenant.Rule{Path: "/nowhere", Status: 400}, nil},
		"order of alerts":  {logDataset, tenant.Rule{With: tenant.OrderBy, Status: 400, Body: no}, []string{"$orderby"}},
		"ids of machines":  {machineDataset, tenant.Rule{With: tenant.IDAfter, Status: 400, Body: no}, []string{"$filter by id"}},
		"update of action": {actionDataset, tenant.Rule{FilterBy: "lastUpdateDateTimeUtc", Status: 400, Body: no}, []string{"$orderby", "$filter by update time"}},
		"large pages":      {logDataset, tenant.Rule{TopAbove: 500, Status: 400, Body: no}, []string{"large pages"}},

		"order of alerts, ignored":   {logDataset, tenant.Rule{Ignore: tenant.OrderBy}, []string{"$orderby"}},
		"order of machines, ignored": {machineDataset, tenant.Rule{Sort: tenant.Shuffled}, []string{"$orderby"}},
		"ids of machines, ignored":   {machineDataset, tenant.Rule{Ignore: tenant.IDAfter}, []string{"$filter by id"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tenant.Options{Alerts: 50, Machines: 50, Actions: 50}, map[string]any{"batch_size": 1000})
			b.dataset = c.dataset
			b.tenant.Fail(c.rule)
			b.mustPoll()
			trial := b.stream.Try(context.Background())
			if trial.Err != nil || !slices.Equal(trial.LeftOut, c.want) {
				t.Errorf("a try leaves out %q (%v), want %q", trial.LeftOut, trial.Err, c.want)
			}
			query, _ := b.stream.Inspect(nil)["query"].(map[string]any)
			if fmt.Sprint(query["left_out"]) != fmt.Sprint(c.want) && name != "large pages" && c.rule.Ignore == 0 && c.rule.Sort == "" {
				t.Errorf("diagnostics show %v, want %q", query, c.want)
			}
		})
	}
}

// TestRefusedQueryIsNamed: what is left when every form of a query is refused is the
// query's fault, not that of the credentials; and of more records of one time than can
// be read it is told how many can.
func TestRefusedQueryIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		options tenant.Options
		rules   []tenant.Rule
		remedy  string
	}{
		"everything refused": {tenant.Options{Alerts: 5}, []tenant.Rule{{Path: alertList, Status: 400}}, "the query, not the credentials"},
		"more of one time": {
			tenant.Options{Alerts: 200, TieRun: 200},
			[]tenant.Rule{{Path: alertList, SkipAbove: 60, Status: 400}, {Path: alertList, With: tenant.IDAfter, Status: 400}, {Path: alertList, ClampTop: 50}},
			"only the first 100 of them",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.options, map[string]any{"batch_size": 50})
			b.tenant.Fail(c.rules...)
			err := b.poll()
			for range 3 { // what may be another cause is tried first
				err = b.poll()
			}
			d := defender.New("test").Diagnose(err)
			if d.Condition == nil || d.Condition.Name != "request refused" || !strings.Contains(d.Remedy, c.remedy) {
				t.Errorf("%v: remedy %q, want %q", err, d.Remedy, c.remedy)
			}
		})
	}
}

// TestMissingEvidenceIsSaid: alerts that the API serves without their evidence
// only have a tag that tells of it, and no other has.
func TestMissingEvidenceIsSaid(t *testing.T) {
	for _, refused := range []bool{false, true} {
		b := newBench(t, tenant.Options{Alerts: 5, EvidencePerAlert: 1}, nil)
		b.dataset = logDataset
		if refused {
			b.tenant.Fail(tenant.Rule{With: tenant.Expand, Status: 400})
		}
		b.mustPoll()
		for _, document := range b.sink.stored {
			if strings.Contains(document, `"evidence_unavailable"`) != refused {
				t.Errorf("refused: %v, document %s", refused, document)
			}
		}
		if len(b.sink.stored) == 0 {
			t.Error("nothing was stored")
		}
	}
}
