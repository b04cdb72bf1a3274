package defender_test

import (
	"fmt"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// addOne adds an alert in the middle of the others' times.
func addOne(id string) func(*hostileRun) {
	return func(h *hostileRun) {
		at := h.tenant.Now().Add(-2 * time.Hour)
		h.tenant.Add(h.row.resource, recordAt(h.row.resource, id, at))
	}
}

// recordAt is a hand-written record of a time.
func recordAt(res tenant.Resource, id string, at time.Time) string {
	when := at.UTC().Format("2006-01-02T15:04:05.9999999Z")
	switch res {
	case tenant.Machines:
		return fmt.Sprintf(`{"id":%q,"computerDnsName":"ws-1","firstSeen":%q,"lastSeen":%q,"osPlatform":"Windows11"}`, id, when, when)
	case tenant.MachineActions:
		return fmt.Sprintf(`{"id":%q,"type":"Isolate","status":"Succeeded","creationDateTimeUtc":%q,"lastUpdateDateTimeUtc":%q}`, id, when, when)
	}
	return fmt.Sprintf(`{"id":%q,"title":"by hand","severity":"Low","alertCreationTime":%q,"lastUpdateTime":%q,"evidence":[]}`, id, when, when)
}

// otherOrder is a property that nobody asks to sort by.
var otherOrder = map[tenant.Resource]string{tenant.Alerts: "severity", tenant.Machines: "riskScore", tenant.MachineActions: "status"}

// misled are the lists of misleading servers.
var misled = []struct {
	resource tenant.Resource
	path     string
	options  tenant.Options
}{
	{tenant.Alerts, alertList, tenant.Options{Alerts: 350, EvidencePerAlert: 1}},
	{tenant.Machines, machineList, tenant.Options{Machines: 350}},
	{tenant.MachineActions, actionList, tenant.Options{Actions: 350}},
}

// misleading are servers that answer, and not what was asked.
func misleading() []hostile {
	var rows []hostile
	for _, list := range misled {
		add := func(name string, rules ...tenant.Rule) *hostile {
			for i := range rules {
				rules[i].Path = list.path
			}
			rows = append(rows, hostile{name: list.resource.String() + ": " + name, resource: list.resource, options: list.options,
				settings: map[string]any{"batch_size": 100}, rules: rules, twin: list.resource == tenant.MachineActions})
			return &rows[len(rows)-1]
		}
		for _, o := range []tenant.Option{tenant.Filter, tenant.OrderBy, tenant.Top, tenant.Skip, tenant.Expand, tenant.IDAfter,
			tenant.Filter | tenant.OrderBy, tenant.OrderBy | tenant.IDAfter} {
			add(o.String()+" ignored", tenant.Rule{Ignore: o})
		}
		// One page again and again is all that such a server shows: what is behind
		// cannot be read, and an error must say so.
		again := add("the same page again", tenant.Rule{Ignore: tenant.Filter | tenant.Skip})
		again.unreadable, again.twin = true, list.resource != tenant.Machines
		add("$top clamped to 7", tenant.Rule{ClampTop: 7})
		add("$orderby refused, $skip clamped to 60", tenant.Rule{With: tenant.OrderBy, Status: 400, Body: tenant.APIError("ODataError", "no")}, tenant.Rule{ClampSkip: 60}).twin = list.resource != tenant.Alerts
		add("pages that never end", tenant.Rule{Endless: true}).twin = list.resource != tenant.Machines
		add("sorted within the page", tenant.Rule{SortPage: true})
		add("sorted within the page, of a list in no order", tenant.Rule{SortPage: true, Sort: tenant.Shuffled})
		add("sorted within the page, of a list by another property", tenant.Rule{SortPage: true, Sort: otherOrder[list.resource]})
		add("ids not rising", tenant.Rule{Sort: tenant.Shuffled})
		add("sorted down", tenant.Rule{Sort: versionTimes[list.resource] + " desc"})
		add("sorted by another property", tenant.Rule{Sort: otherOrder[list.resource]})
		prematureEnds(add)
		add("HTML once", tenant.Rule{NotJSON: true, After: 1, Times: 3})
		add("404", tenant.Rule{Status: 404}).unreadable = list.resource != tenant.Machines
		add("HTML", tenant.Rule{NotJSON: true}).unreadable = true
		add("whole seconds", tenant.Rule{WholeSeconds: true})
		add("times without zone", tenant.Rule{Writing: tenant.WithoutZone})
		add("whole seconds, times without zone", tenant.Rule{WholeSeconds: true, Writing: tenant.WithoutZone})
	}
	return append(dropImpossible(rows), misplaced()...)
}

// prematureEnds are answers that say, once, that there is nothing more. The second
// call asks about the order of the first page, the third one for the second page.
func prematureEnds(add func(string, ...tenant.Rule) *hostile) {
	for call, where := range map[int]string{2: "asked about the order", 3: "behind the first page", 7: "in the second poll", 8: "behind the first page of the second poll"} {
		add("one empty page "+where, tenant.Rule{EmptyPage: true, After: call - 1, Times: 1})
		add("one 404 "+where, tenant.Rule{Status: 404, After: call - 1, Times: 1})
	}
}

// misplaced are servers whose records or paths are not where they were asked for.
func misplaced() []hostile {
	dense := tenant.Options{Alerts: 2000, Actions: 2000, EvidencePerAlert: 1, Span: 25 * time.Minute, Live: 0.5}
	whole := []tenant.Rule{{WholeSeconds: true}}
	byNumber := func(name string, rule tenant.Rule) hostile {
		rule.Path, rule.Times = machineList, 1
		return hostile{name: "machines: $filter by id refused, one " + name + " behind the first page of the second poll", resource: tenant.Machines, options: tenant.Options{Machines: 350},
			settings: map[string]any{"batch_size": 100}, rules: []tenant.Rule{rule, {Path: machineList, With: tenant.IDAfter, Status: 400}}}
	}
	return []hostile{
		byNumber("404", tenant.Rule{Status: 404, With: tenant.Skip, After: 12}),
		byNumber("empty page", tenant.Rule{EmptyPage: true, With: tenant.Skip, After: 9}),
		{name: "whole seconds, several alerts in each", options: dense, settings: map[string]any{"batch_size": 100}, rules: whole, healthy: true},
		{name: "whole seconds, several actions in each", twin: true, resource: tenant.MachineActions, options: dense, settings: map[string]any{"batch_size": 100}, rules: whole, healthy: true},
		{name: "machines: 404 behind the first page, always", resource: tenant.Machines, options: tenant.Options{Machines: 350}, settings: map[string]any{"batch_size": 100}, unreadable: true,
			rules: []tenant.Rule{{With: tenant.Skip, Status: 404}, {With: tenant.IDAfter, Status: 404}}},
		{name: "404 on every list, machines alone", resource: tenant.Machines, unreadable: true, rules: []tenant.Rule{{Path: "/api/", Status: 404}}},
		{name: "404 on machines, a page on alerts", resource: tenant.Machines, unreadable: true, rules: []tenant.Rule{{Path: machineList, Status: 404}, {Path: alertList, NotJSON: true}}},
		{name: "404 on machines, 503 on alerts", resource: tenant.Machines, unreadable: true, rules: []tenant.Rule{{Path: machineList, Status: 404}, {Path: alertList, Status: 503}}},
		{name: "404 on machines, 401 on alerts", resource: tenant.Machines, healthy: true, rules: []tenant.Rule{{Path: machineList, Status: 404}, {Path: alertList, Status: 401}}},
		{name: "404 on machines, 403 on alerts", resource: tenant.Machines, healthy: true, rules: []tenant.Rule{{Path: machineList, Status: 404}, {Path: alertList, Status: 403}}},
		{name: "404 on machines alone", resource: tenant.Machines, healthy: true},
		{name: "one alert sorted before its time", settings: map[string]any{"batch_size": 100}, rules: []tenant.Rule{{Path: alertList, Sort: "alertCreationTime"}}, before: outOfPlace},
	}
}

// outOfPlace adds alerts a minute apart. The last of the first page shows an
// update an hour later than the place that the server sorts it in.
func outOfPlace(h *hostileRun) {
	from := h.tenant.Now().Add(-8 * time.Hour)
	for i := range 300 {
		at := from.Add(time.Duration(i) * time.Minute)
		shown := at
		if i == 99 {
			shown = at.Add(time.Hour)
		}
		h.tenant.Add(tenant.Alerts, fmt.Sprintf(`{"id":"a-%d","title":"by hand","severity":"Low","alertCreationTime":%q,"lastUpdateTime":%q,"evidence":[]}`,
			i, at.UTC().Format(time.RFC3339), shown.UTC().Format(time.RFC3339)))
	}
}

var versionTimes = map[tenant.Resource]string{
	tenant.Alerts: "lastUpdateTime", tenant.Machines: "lastSeen", tenant.MachineActions: "lastUpdateDateTimeUtc",
}

// dropImpossible leaves out what no client can tell: 404 on machines alone is an
// empty tenant.
func dropImpossible(rows []hostile) []hostile {
	kept := rows[:0]
	for _, row := range rows {
		if row.name != "machines: 404" {
			kept = append(kept, row)
		}
	}
	return kept
}
