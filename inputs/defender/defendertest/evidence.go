package defendertest

// An evidence item is the union of all properties; those that its type has no
// use for are null. These are the runs of nulls, in the order of the API.
const (
	noFile     = `,"sha1":null,"sha256":null,"fileName":null,"filePath":null`
	noProcess  = `,"processId":null,"processCommandLine":null,"processCreationTime":null,"parentProcessId":null,"parentProcessCreationTime":null,"parentProcessFileName":null,"parentProcessFilePath":null`
	noIP       = `,"ipAddress":null`
	noURL      = `,"url":null`
	noRegistry = `,"registryKey":null,"registryHive":null,"registryValueType":null,"registryValue":null,"registryValueName":null`
	noUser     = `,"accountName":null,"domainName":null,"userSid":null,"aadUserId":null,"userPrincipalName":null`
	toIP       = noFile + noProcess
	afterIP    = noURL + noRegistry + noUser
	afterURL   = noRegistry + noUser
	afterProc  = noIP + noURL + noRegistry + noUser
)

// oldFile is an item as of 2020: without the properties added since, and with
// the pseudo name of a script that never was a file.
const oldFile = `{"entityType":"File","sha1":null,"sha256":null,"fileName":"amsistream-1D89ECED25A52AB98B76FF619B7BA07A","filePath":null,"processId":null,"processCommandLine":null,"processCreationTime":null,"parentProcessId":null,"parentProcessCreationTime":null,"ipAddress":null,"url":null,"accountName":null,"domainName":null,"userSid":null,"aadUserId":null,"userPrincipalName":null}`

// appendEvidence writes the items of an alert. They are drawn apart from the
// rest of it, one stream for all, so that an item added later leaves those
// before it as they were.
func appendEvidence(w *world, b []byte, f *alertFacts) []byte {
	d := throw(w.seed, streamEvidence, uint64(f.sequence))
	d.below(7) // the count, see evidenceCount
	for i := range evidenceCount(w, f.record) {
		b = separate(b, i)
		b = appendItem(b, &d, f.created)
	}
	return b
}

// appendItem writes one item of a drawn type. The spellings Url and Registry
// are unconfirmed; SomethingNew represents types still to come.
func appendItem(b []byte, d *dice, created ticks) []byte {
	kind := d.below(32)
	if kind == 0 {
		return append(b, oldFile...)
	}
	b = append(b, `{"entityType":"`...)
	at := (created + d.span(0, 5*minute)).onGrid()
	switch {
	case kind == 1:
		b = appendTime(append(b, `SomethingNew"`...), "evidenceCreationTime", at)
		b = append(b, `,"futureProperty":{"nested":true,"list":["one","two","three"]}`...)
	case kind < 12:
		b = appendTime(append(b, `Process"`...), "evidenceCreationTime", at)
		b = appendFile(b, d)
		b = appendProcess(b, d, created)
		b = append(b, afterProc...)
	case kind < 20:
		b = appendTime(append(b, `File"`...), "evidenceCreationTime", at)
		b = appendFile(b, d)
		b = append(b, noProcess+afterProc...)
	case kind < 25:
		b = appendTime(append(b, `User"`...), "evidenceCreationTime", at)
		b = append(b, toIP+noIP+noURL+noRegistry...)
		b = appendAccount(b, d)
	case kind < 28:
		b = appendTime(append(b, `Ip"`...), "evidenceCreationTime", at)
		b = append(b, toIP...)
		b = appendAddress(b, d)
		b = append(b, afterIP...)
	case kind < 30:
		b = appendTime(append(b, `Url"`...), "evidenceCreationTime", at)
		b = append(b, toIP+noIP...)
		b = appendText(b, "url", d.pick(urls))
		b = append(b, afterURL...)
	default:
		b = appendTime(append(b, `Registry"`...), "evidenceCreationTime", at)
		b = append(b, toIP+noIP+noURL...)
		b = appendRegistry(b, d)
		b = append(b, noUser...)
	}
	b = append(b, `,"detectionStatus":`...)
	return append(append(b, d.pick(detections)...), '}')
}

func appendFile(b []byte, d *dice) []byte {
	if d.one(16) {
		b = append(b, `,"sha1":null,"sha256":null`...)
	} else {
		b = append(b, `,"sha1":"`...)
		b = append(d.hex(b, 20), `","sha256":"`...)
		b = append(d.hex(b, 32), '"')
	}
	b = appendText(b, "fileName", d.pick(files))
	return appendText(b, "filePath", d.pick(folders))
}

func appendProcess(b []byte, d *dice, created ticks) []byte {
	started := created - d.span(2*minute, 30*minute)
	b = appendNumber(b, "processId", 4+d.below(60_000))
	b = appendText(b, "processCommandLine", d.pick(commands))
	b = appendTime(b, "processCreationTime", started)
	b = appendNumber(b, "parentProcessId", 4+d.below(60_000))
	b = appendTime(b, "parentProcessCreationTime", started-d.span(second, hour))
	b = appendText(b, "parentProcessFileName", d.pick(parents))
	return appendText(b, "parentProcessFilePath", d.pick(folders))
}

func appendAccount(b []byte, d *dice) []byte {
	user := d.pick(users)
	b = appendText(b, "accountName", user)
	b = appendText(b, "domainName", "CONTOSO")
	b = append(b, `,"userSid":"S-1-5-21-1111111111-2222222222-333333333-`...)
	b = append(d.digits(b, 4), '"')
	if d.one(4) {
		return append(b, `,"aadUserId":null,"userPrincipalName":null`...)
	}
	b = append(b, `,"aadUserId":"`...)
	b = append(d.guid(b), `","userPrincipalName":"`...)
	b = append(b, user...)
	return append(b, `@contoso.example"`...)
}

// appendAddress writes IPv4, IPv6, or the null that real items show.
func appendAddress(b []byte, d *dice) []byte {
	switch d.below(8) {
	case 0:
		return append(b, noIP...)
	case 1:
		b = append(b, `,"ipAddress":"2001:db8::`...)
		return append(d.hex(b, 1), '"')
	}
	b = append(b, `,"ipAddress":"`...)
	return append(d.ipv4(b, "198.51."), '"')
}

func appendRegistry(b []byte, d *dice) []byte {
	b = appendText(b, "registryKey", d.pick(keys))
	b = appendText(b, "registryHive", d.pick(hives))
	b = appendText(b, "registryValueType", "ExpandString")
	b = appendText(b, "registryValue", `%TEMP%\\x.exe`)
	return appendText(b, "registryValueName", "Updater")
}
