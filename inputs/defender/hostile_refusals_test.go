package defender_test

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	tenant "github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// paths of the lists, for rules.
const (
	alertList   = "/api/alerts"
	machineList = "/api/machines"
	actionList  = "/api/machineactions"
)

// refusing are servers that answer 400 to a part of the query, in every wording.
func refusing() []hostile {
	var rows []hostile
	wordings := tenant.Wordings("The request is not valid.")
	for _, wording := range slices.Sorted(maps.Keys(wordings)) {
		no := func(r tenant.Rule) []tenant.Rule {
			r.Status, r.Body = 400, wordings[wording]
			return []tenant.Rule{r}
		}
		few := map[string]any{"batch_size": 100}
		alerts, machines, actions := tenant.Options{Alerts: 350, EvidencePerAlert: 1}, tenant.Options{Machines: 350}, tenant.Options{Actions: 350}
		rows = append(rows,
			hostile{name: "$orderby of alerts refused, " + wording, options: alerts, settings: few, rules: no(tenant.Rule{Path: alertList, With: tenant.OrderBy})},
			hostile{name: "id gt of machines refused, " + wording, resource: tenant.Machines, options: machines, settings: few, rules: no(tenant.Rule{Path: machineList, With: tenant.IDAfter})},
			hostile{name: "everything refused, " + wording, options: alerts, unreadable: true, rules: no(tenant.Rule{Path: alertList})},
		)
		if wording == "plain text" || wording == "HTML" {
			continue // the same in kind, and time is short
		}
		rows = append(rows,
			hostile{name: "$top above 80 refused, " + wording, options: alerts, settings: few, rules: no(tenant.Rule{Path: alertList, TopAbove: 80})},
			hostile{name: "$skip refused, " + wording, options: tenant.Options{Alerts: 350, EvidencePerAlert: 1, TieRun: 60}, settings: map[string]any{"batch_size": 200}, rules: no(tenant.Rule{Path: alertList, With: tenant.Skip})},
			hostile{name: "$expand refused, " + wording, options: alerts, settings: few, rules: no(tenant.Rule{Path: alertList, With: tenant.Expand})},
			hostile{name: "filter of alerts by update time refused, " + wording, options: alerts, settings: few, rules: no(tenant.Rule{Path: alertList, FilterBy: "lastUpdateTime"})},
			hostile{name: "$orderby of machines refused, " + wording, resource: tenant.Machines, options: machines, settings: few, rules: no(tenant.Rule{Path: machineList, With: tenant.OrderBy})},
			hostile{name: "update time of actions refused, " + wording, resource: tenant.MachineActions, options: actions, settings: few, rules: no(tenant.Rule{Path: actionList, FilterBy: "lastUpdateDateTimeUtc"})},
			hostile{name: "$orderby of actions refused, " + wording, resource: tenant.MachineActions, options: actions, settings: few, rules: no(tenant.Rule{Path: actionList, With: tenant.OrderBy})},
		)
	}
	for i := range rows {
		rows[i].twin = !strings.HasSuffix(rows[i].name, "BadRequest")
	}
	return append(rows, largePages()...)
}

// silentAbove is a network that answers no call for more than so many records.
func silentAbove(most int) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if top, _ := strconv.Atoi(r.URL.Query().Get("$top")); top > most {
				return silent(next, r)
			}
			return next.RoundTrip(r)
		})
	}
}

// largePages are servers that give up on a page that would hold many records.
func largePages() []hostile {
	var rows []hostile
	tooLarge := tenant.APIError("BadRequest", "The result set is too large. Reduce the page size.")
	for name, answer := range map[string]tenant.Rule{
		"504": {Status: 504}, "500": {Status: 500}, "503 with seconds": {Status: 503, RetryAfter: 30 * time.Second},
		"400 too large": {Status: 400, Body: tooLarge}, "cut": {CutAfter: 20_000},
	} {
		answer.Holds = 40
		twin := name == "504" || name == "500" // a 503 with other digits, and asked more often
		rows = append(rows,
			hostile{name: "alerts, large pages: " + name, twin: twin, options: tenant.Options{Alerts: 500, EvidencePerAlert: 1}, settings: map[string]any{"batch_size": 400}, rules: []tenant.Rule{answer}},
			hostile{name: "machines, large pages: " + name, twin: twin, resource: tenant.Machines, options: tenant.Options{Machines: 500}, settings: map[string]any{"batch_size": 400}, rules: []tenant.Rule{answer}},
			hostile{name: "actions, large pages: " + name, twin: true, resource: tenant.MachineActions, options: tenant.Options{Actions: 500}, settings: map[string]any{"batch_size": 400}, rules: []tenant.Rule{answer}})
	}
	for res, options := range map[tenant.Resource]tenant.Options{tenant.Alerts: {Alerts: 500, EvidencePerAlert: 1}, tenant.Machines: {Machines: 500}} {
		rows = append(rows, hostile{name: res.String() + ", large pages: silence", resource: res, options: options, settings: map[string]any{"batch_size": 400}, network: silentAbove(40)})
	}
	for i := range rows {
		rows[i].length = time.Hour
	}
	one := func(name string, rule tenant.Rule) hostile {
		rule.Path, rule.With = alertList, tenant.Expand
		return hostile{name: name, options: tenant.Options{Alerts: 60, EvidencePerAlert: 2}, length: time.Hour, rules: []tenant.Rule{rule},
			settings: map[string]any{"batch_size": 50}, before: addOne("unexpandable")}
	}
	return append(rows,
		one("$expand gives 500 for one alert", tenant.Rule{Status: 500, Serves: "unexpandable"}),
		one("$expand gives 500 for every alert", tenant.Rule{Status: 500}),
	)
}
