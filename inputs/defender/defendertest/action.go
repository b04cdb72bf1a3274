package defendertest

func appendActionID(w *world, b []byte, sequence uint32) []byte {
	d := throw(w.seed, streamActionID, uint64(sequence))
	return d.guid(b)
}

// appendAction writes a machine action. It goes from Pending to its end with
// its revisions; one in eight ends by a timeout or a cancellation. What succeeds
// does so within a quarter of an hour, and a timeout comes after three days.
func appendAction(w *world, b []byte, r record, _ bool) []byte {
	d := throw(w.seed, streamAction, uint64(r.sequence))
	kind, machine := d.pick(actions), d.below(w.machines)
	age := d.span(second, 3*day)
	end, result, cancelled := stages[len(stages)-1], 0, false
	switch d.below(16) {
	case 0:
		end, result = "TimeOut", -2145844840
	case 1:
		end, result, cancelled = "Cancelled", -2147467260, true
	}
	stage := min(d.below(8)+int(r.revision), len(stages)-1)
	finished, status := stage == len(stages)-1, stages[stage]
	switch {
	case finished && end == "TimeOut":
		status, age = end, 3*day+14*minute
	case finished:
		status, age = end, 20*second+age/300
	}
	created := r.created - age

	b = append(b, `{"id":"`...)
	b = append(appendActionID(w, b, r.sequence), '"')
	b = appendNull(appendText(b, "type", kind), "title")
	b = appendText(b, "requestor", d.pick(requestors))
	b = appendTextOr(b, "requestorComment", `Cut off from network\r\n(second line)`, !d.one(3))
	b = appendText(b, "status", status)
	b = append(b, `,"machineId":"`...)
	b = append(appendMachineID(w, b, uint32(machine)), '"')
	b = appendMachineName(w, b, machine)
	b = appendTime(b, "creationDateTimeUtc", created)
	b = appendTime(b, "lastUpdateDateTimeUtc", r.time)
	if finished && cancelled {
		b = appendText(b, "cancellationRequestor", "e062d1f9-2398-4234-a024-12345673a25a")
		b = appendText(b, "cancellationComment", "Machine action was canceled by automation")
		b = appendTime(b, "cancellationDateTimeUtc", r.time-1)
	} else {
		b = append(b, `,"cancellationRequestor":null,"cancellationComment":null,"cancellationDateTimeUtc":null`...)
	}
	if !finished {
		result = 0
	}
	b = appendNumber(b, "errorHResult", result)
	b = appendTextOr(b, "scope", "Full", kind == "Isolate" || kind == "RunAntiVirusScan")
	b = appendTextOr(b, "externalId", "case-4711", d.one(4))
	b = appendText(b, "requestSource", d.pick([]string{"Portal", "PublicApi"}))
	b = appendActionDetails(b, &d, kind, created)
	return append(b, `,"troubleshootInfo":null}`...)
}

func appendActionDetails(b []byte, d *dice, kind string, created ticks) []byte {
	b = append(b, `,"relatedFileInfo":`...)
	if kind == "StopAndQuarantineFile" {
		b = append(b, `{"fileIdentifier":"`...)
		b = append(d.hex(b, 20), `","fileIdentifierType":"Sha1"}`...)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"commands":[`...)
	if kind == "LiveResponse" {
		b = append(b, `{"index":0`...)
		b = appendTime(b, "startTime", created+30*second)
		b = appendTime(b, "endTime", created+2*minute)
		b = append(b, `,"commandStatus":"Completed","errors":[],"command":{"type":"RunScript","params":[{"key":"ScriptName","value":"dump.ps1"},{"key":"Args","value":"lsass"}]}},`+
			`{"index":1,"startTime":null,"endTime":null,"commandStatus":"Created","errors":[],"command":{"type":"GetFile","params":[{"key":"Path","value":"C:\\Windows\\Temp\\x.zip"}]}}`...)
	}
	return append(b, ']')
}
