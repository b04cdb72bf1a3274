package defender_test

import (
	"fmt"
	"strings"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// placedPoison are records that cannot be served where there is little to tell
// them from a server that fails, and in every way of paging.
func placedPoison() []hostile {
	var rows []hostile
	lists := map[tenant.Resource]string{tenant.Alerts: alertList, tenant.Machines: machineList, tenant.MachineActions: actionList}
	for _, res := range tenant.Resources() {
		add := func(name string, before func(*hostileRun), rules ...tenant.Rule) *hostile {
			rows = append(rows, hostile{
				name: res.String() + ", " + name, resource: res, before: before, rules: rules, length: 2 * time.Hour, poisoned: true, healthy: true,
				options:  tenant.Options{Alerts: 120, Machines: 120, Actions: 120, EvidencePerAlert: 1},
				settings: map[string]any{"batch_size": 50}, twin: res == tenant.MachineActions || res == tenant.Machines && len(rows)%3 > 0 || strings.Contains(name, "ignored"),
			})
			return &rows[len(rows)-1]
		}
		path := lists[res]
		newest := addPoison(0)
		add("the newest record poisoned", newest, poison(0))
		add("the newest record poisoned, newer and late ones follow", newest, poison(0)).during = follow
		add("two poisoned neighbours", addPoison(2*time.Hour, 2*time.Hour-time.Second), poison(0), poison(1))
		add("five poisoned neighbours of one time", addPoison(2*time.Hour, 2*time.Hour, 2*time.Hour, 2*time.Hour, 2*time.Hour), poison(0), poison(1), poison(2), poison(3), poison(4))
		add("three poisoned records far from each other", scattered, poison(0), poison(1), poison(2))
		add("three poisoned records far from each other, $orderby refused", scattered, tenant.Rule{Path: path, With: tenant.OrderBy, Status: 400}, poison(0), poison(1), poison(2))
		add("the two newest records poisoned", addPoison(0, time.Second), poison(0), poison(1))
		add("two poisoned records, one healthy between them", addPoison(2*time.Hour, 2*time.Hour-2*time.Second), poison(0), poison(1)).before = func(h *hostileRun) {
			addPoison(2*time.Hour, 2*time.Hour-2*time.Second)(h)
			h.tenant.Add(res, recordAt(res, "poison-0-a-healthy-one", h.tenant.Now().Add(-2*time.Hour+time.Second)))
		}
		one := add("a poisoned record, and no other", addPoison(2*time.Hour), poison(0))
		one.options = tenant.Options{EvidencePerAlert: 1}
		add("a poisoned record, $orderby refused", addPoison(2*time.Hour), tenant.Rule{Path: path, With: tenant.OrderBy, Status: 400}, poison(0))
		add("a poisoned record, $orderby ignored", addPoison(2*time.Hour), tenant.Rule{Path: path, Ignore: tenant.OrderBy}, poison(0))
		add("two poisoned neighbours, $orderby refused", addPoison(2*time.Hour, 2*time.Hour-time.Second), tenant.Rule{Path: path, With: tenant.OrderBy, Status: 400}, poison(0), poison(1))
		add("a poisoned record, $filter ignored", addPoison(2*time.Hour), tenant.Rule{Path: path, Ignore: tenant.Filter}, poison(0))
		served := add("a poisoned record that is served again after 40 minutes, $orderby refused", addPoison(2*time.Hour), tenant.Rule{Path: path, With: tenant.OrderBy, Status: 400}, poison(0))
		served.poisoned, served.length, served.during = false, 3*time.Hour, heal
		served = add("the newest record poisoned, served again after 40 minutes", newest, poison(0))
		served.poisoned, served.during = false, heal
	}
	return rows
}

// poison is a record that cannot be served.
func poison(number int) tenant.Rule {
	return tenant.Rule{Status: 500, Serves: fmt.Sprint("poison-", number)}
}

// isPoison reports whether an id is that of a record that cannot be served.
func isPoison(id string) bool {
	return id == "poison" || len(id) == len("poison-0") && strings.HasPrefix(id, "poison-")
}

// scattered adds poison at the beginning, in the middle and near the end, by time
// and by id.
func scattered(h *hostileRun) {
	addPoison(20*time.Hour, 10*time.Hour, time.Hour)(h)
	for i := range 130 {
		h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprintf("poison-%d-%03d", i%3, i), h.tenant.Now().Add(-time.Duration(i)*10*time.Minute)))
	}
}

// addPoison adds records of so long ago that poison is about.
func addPoison(ago ...time.Duration) func(*hostileRun) {
	return func(h *hostileRun) {
		for i, d := range ago {
			h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprint("poison-", i), h.tenant.Now().Add(-d)))
		}
	}
}

// follow adds records for an hour: some are new, some become visible late.
func follow(h *hostileRun) {
	for i := range 20 {
		time.Sleep(3 * time.Minute)
		h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprint("new-", i), h.tenant.Now()))
		h.tenant.Add(h.row.resource, recordAt(h.row.resource, fmt.Sprint("late-", i), h.tenant.Now().Add(-10*time.Minute)))
	}
}

func heal(h *hostileRun) {
	time.Sleep(40 * time.Minute)
	h.tenant.Heal()
}
