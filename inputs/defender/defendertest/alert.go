package defendertest

import "strconv"

const (
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// appendAlertID writes one of the three forms of ids seen, which follow neither
// the order of creation nor that of updates.
func appendAlertID(w *world, b []byte, sequence uint32) []byte {
	d := throw(w.seed, streamAlertID, uint64(sequence))
	switch d.below(16) {
	case 0:
		b = append(b, "ar6389"...)
		b = append(d.digits(b, 14), '_')
		return d.digits(b, 8)
	case 1, 2:
		b = d.guid(append(b, "da"...))
		return append(b, "_1"...)
	}
	b = append(b, "da6389"...)
	b = append(d.digits(b, 14), '_')
	if d.one(2) {
		b = append(b, '-')
	}
	return d.digits(append(b, byte('1'+d.below(9))), 8)
}

// alertFacts is what several parts of one alert agree on.
type alertFacts struct {
	record
	scenario *encoded
	created  ticks // alertCreationTime
	machine  int
	status   int // index into statuses
	updates  int // changes since the first version
}

// evidenceCount is how many evidence items an alert carries.
func evidenceCount(w *world, r record) int {
	if w.evidence > 0 {
		return w.evidence + int(r.grown)
	}
	d := throw(w.seed, streamEvidence, uint64(r.sequence))
	return d.below(7) + int(r.grown)
}

func appendAlert(w *world, b []byte, r record, expand bool) []byte {
	d := throw(w.seed, streamAlert, uint64(r.sequence))
	f := alertFacts{record: r, updates: int(r.revision)}
	f.scenario = &scenarios[d.below(len(scenarios))]
	f.created = r.created - d.span(2*second, 6*hour)
	f.machine = d.below(w.machines)
	f.status = min(d.below(len(statuses))+f.updates, len(statuses)-1)

	b = append(b, `{"id":"`...)
	b = appendAlertID(w, b, r.sequence)
	b = append(b, '"')
	b = appendAlertState(b, &d, &f)
	b = append(b, f.scenario.category...)
	b = appendAlertTimes(b, &d, &f)
	b = append(b, `,"machineId":"`...)
	b = appendMachineID(w, b, uint32(f.machine))
	b = append(b, '"')
	b = appendMachineName(w, b, f.machine)
	b = appendTextOr(b, "rbacGroupName", d.pick(groups), !d.one(4))
	b = append(append(b, `,"aadTenantId":`...), w.tenant...)
	b = append(append(b, f.scenario.threat...), f.scenario.techniques...)
	b = appendAlertPeople(b, &d, &f)
	b = append(b, `,"evidence":[`...)
	if expand {
		b = appendEvidence(w, b, &f)
	}
	return append(b, `],"domains":[]}`...)
}

func appendAlertState(b []byte, d *dice, f *alertFacts) []byte {
	investigated, classified := !d.one(4), d.one(3)
	b = appendNumberOr(b, "incidentId", 1+d.below(2_000_000), !d.one(16))
	b = appendNumberOr(b, "investigationId", 1+d.below(900_000), investigated)
	assignee := "Automation"
	if d.one(2) || f.updates > 0 {
		assignee = "analyst1@contoso.example"
	}
	b = appendTextOr(b, "assignedTo", assignee, f.status > 0)
	b = appendText(b, "severity", d.pick(severities))
	b = appendText(b, "status", statuses[f.status])
	b = appendTextOr(b, "classification", d.pick(verdicts), classified && f.status > 0)
	b = appendTextOr(b, "determination", d.pick(causes), classified && f.status > 0)
	b = appendTextOr(b, "investigationState", d.pick(progress), investigated)
	b = append(b, f.scenario.detection...)
	if d.one(8) {
		return appendNull(b, "detectorId")
	}
	b = append(b, `,"detectorId":"`...)
	return append(d.guid(b), '"')
}

// appendAlertTimes keeps the distances seen: events 1.5 to 20 minutes before
// the alert, 27 days with custom indicators; resolved 0.1 to 0.4 s before the
// last update.
func appendAlertTimes(b []byte, d *dice, f *alertFacts) []byte {
	first := f.created - d.span(90*second, 20*minute)
	if f.scenario.customerTI {
		first -= 27 * day
	}
	last := first + d.span(0, minute)
	resolved := f.time - d.span(second/10, second*4/10)
	b = appendTime(b, "alertCreationTime", f.created)
	b = appendTime(b, "firstEventTime", first)
	b = appendTime(b, "lastEventTime", last)
	b = appendTime(b, "lastUpdateTime", f.time)
	if statuses[f.status] != "Resolved" {
		return appendNull(b, "resolvedTime")
	}
	return appendTime(b, "resolvedTime", resolved)
}

func appendAlertPeople(b []byte, d *dice, f *alertFacts) []byte {
	user := d.pick(users)
	b = append(b, `,"relatedUser":`...)
	if d.one(3) {
		b = append(b, `{"userName":"`...)
		b = append(append(b, user...), '"')
		b = append(appendTextOr(b, "domainName", "CONTOSO", !d.one(4)), '}')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"loggedOnUsers":[`...)
	for n, i := d.below(3), 0; i < n; i++ {
		b = separate(b, i)
		b = append(b, `{"accountName":"`...)
		b = append(append(b, d.pick(users)...), '"')
		b = append(appendText(b, "domainName", "CONTOSO"), '}')
	}
	b = append(b, `],"comments":[`...)
	for i := range min(f.updates, 5) {
		b = separate(b, i)
		b = append(b, `{"comment":"Looked into it, note `...)
		b = append(strconv.AppendInt(b, int64(f.updates-i), 10), '"')
		b = appendText(b, "createdBy", "analyst1@contoso.example")
		b = append(appendTime(b, "createdTime", f.time-second), '}')
	}
	return append(b, ']')
}

func separate(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendNumberOr(b []byte, name string, n int, present bool) []byte {
	if present {
		return appendNumber(b, name, n)
	}
	return appendNull(b, name)
}
