package defendertest

import (
	"fmt"
	"strconv"
)

// rowWriter writes rows, as a list has them or as a file does: there names begin
// with a capital, and nulls are left out.
type rowWriter struct {
	b    []byte
	file bool
	open bool // a member was written
}

// row writes one row.
func (w *rowWriter) row(r row) {
	w.b, w.open = append(w.b, '{'), false
	assessmentKinds[r.kind].append(w, r)
	w.b = append(w.b, '}')
}

// key writes a member's name.
func (w *rowWriter) key(name string) {
	if w.open {
		w.b = append(w.b, ',')
	}
	w.open = true
	w.b = append(w.b, '"')
	if w.file && name[0] >= 'a' && name[0] <= 'z' {
		w.b = append(w.b, name[0]-'a'+'A')
		name = name[1:]
	}
	w.b = append(append(w.b, name...), `":`...)
}

// text writes a text that needs no quoting.
func (w *rowWriter) text(name, value string) {
	w.key(name)
	w.b = append(append(append(w.b, '"'), value...), '"')
}

func (w *rowWriter) null(name string) {
	if !w.file {
		w.key(name)
		w.b = append(w.b, "null"...)
	}
}

func (w *rowWriter) textOr(name, value string, present bool) {
	if present {
		w.text(name, value)
	} else {
		w.null(name)
	}
}

// json writes a value as it is.
func (w *rowWriter) json(name, value string) {
	w.key(name)
	w.b = append(w.b, value...)
}

func (w *rowWriter) flag(name string, value bool) { w.json(name, strconv.FormatBool(value)) }

func (w *rowWriter) number(name string, n int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
}

// blank writes a time with a blank and without a zone.
func (w *rowWriter) blank(name string, at ticks, layout string) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = append(at.time().AppendFormat(w.b, layout), '"')
}

func (w *rowWriter) zoned(name string, at ticks) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = append(at.time().AppendFormat(w.b, "2006-01-02T15:04:05.999Z07:00"), '"')
}

// deviceID writes the row's device.
func (w *rowWriter) deviceID(r row) {
	w.key("deviceId")
	w.b = append(w.b, '"')
	w.b = append(appendMachineID(r.world, w.b, r.device()), '"')
}

func (w *rowWriter) deviceName(r row) {
	w.key("deviceName")
	w.b = append(w.b, `"WS-`...)
	w.b = strconv.AppendUint(w.b, uint64(r.device()), 10)
	w.b = append(w.b, `.corp.contoso.example"`...)
}

// group writes the device's group; one that is in none is Unassigned (API.md 8.4).
func (w *rowWriter) group(r row) {
	w.number("rbacGroupId", r.group)
	name := groups[r.group]
	if r.group == 0 {
		name = "Unassigned"
	}
	w.text("rbacGroupName", name)
}

// product is a piece of software with a vulnerability.
type product struct{ vendor, name, version, update, updateID, path string }

// The last one is of Linux: an update by a word, no path, versions with an epoch.
var products = []product{
	{"microsoft", "edge_chromium-based", "122.0.2365.80", "March 2024 Security Updates", `5035853`, `C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe`},
	{"google", "chrome", "121.0.6167.85", "", "", `C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe`},
	{"7-zip", "7-zip", "19.0.0.0", "", "", `C:\\Program Files\\7-Zip\\7zFM.exe`},
	{"openssl", "openssl", "3.0.2-0ubuntu1.15", "Ubuntu security update", `"USN-7663-1"`, ""},
	{"red_hat", "kernel-core", "0:5.14.0-427.42.1.el9_4", "Red Hat security update", `"RHSA-2024:9315"`, ""},
}

var (
	cvss            = [...]string{"4.3", "5.5", "7", "7.8", "8.8", "9.8"}
	cvssLevels      = [...]string{"Medium", "Medium", "High", "High", "High", "Critical"}
	exploitability  = []string{"NoExploit", "NoExploit", "ExploitIsPublic", "ExploitIsVerified", "ExploitIsInKit"}
	blankSeconds    = "2006-01-02 15:04:05"
	blankSevenTicks = "2006-01-02 15:04:05.0000000"
)

// appendFinding writes a vulnerability. One in nine is software without a known
// one. What changes with a revision is its score.
func appendFinding(w *rowWriter, r row) {
	d := throw(r.world.seed, streamAssessment, 1<<40|uint64(r.number))
	known := !d.one(9)
	p := products[d.below(len(products))]
	year, serial := 2019+d.below(7), 1000+d.below(40_000)
	score := (d.below(len(cvss)) + r.revision) % len(cvss)
	first := r.started - d.span(day, 90*day)
	w.key("id")
	w.b = append(w.b, '"')
	w.b = appendMachineID(r.world, w.b, r.device())
	w.b = fmt.Appendf(w.b, `_%s_%s_%s_`, p.vendor, p.name, p.version)
	if known {
		w.b = fmt.Appendf(w.b, "cve-%d-%d", year, serial)
	}
	w.b = fmt.Appendf(w.b, `_%d"`, r.number%uint32(max(r.perDevice, 1)))
	w.deviceID(r)
	w.group(r)
	w.deviceName(r)
	w.findingSystem(p)
	if known {
		w.key("cveId")
		w.b = fmt.Appendf(w.b, `"CVE-%d-%d"`, year, serial)
		w.text("vulnerabilitySeverityLevel", cvssLevels[score])
		w.json("cvssScore", cvss[score])
	} else {
		w.null("cveId")
		w.null("vulnerabilitySeverityLevel")
		w.null("cvssScore")
	}
	w.text("exploitabilityLevel", d.pick(exploitability))
	w.findingUpdate(p)
	w.blank("firstSeenTimestamp", first, blankSevenTicks)
	w.blank("lastSeenTimestamp", r.changed, blankSeconds)
	w.findingState(r)
}

func (w *rowWriter) findingSystem(p product) {
	if p.path == "" {
		w.text("osPlatform", "Linux")
		w.text("osVersion", "ubuntu_linux_22.04")
	} else {
		w.text("osPlatform", "Windows11")
		w.text("osVersion", "10.0.22631.3296")
	}
	w.text("osArchitecture", "x64")
	w.text("softwareVendor", p.vendor)
	w.text("softwareName", p.name)
	w.text("softwareVersion", p.version)
}

func (w *rowWriter) findingUpdate(p product) {
	w.textOr("recommendedSecurityUpdate", p.update, p.update != "")
	if p.updateID == "" {
		w.null("recommendedSecurityUpdateId")
	} else {
		w.json("recommendedSecurityUpdateId", p.updateID)
	}
	w.null("recommendedSecurityUpdateUrl")
	if p.path != "" {
		w.json("diskPaths", `["`+p.path+`"]`)
	} else if !w.file {
		w.json("diskPaths", "[]")
	}
	w.json("registryPaths", "[]")
	w.text("recommendationReference", "va-_-"+p.vendor+"-_-"+p.name)
}

// findingState writes what only a list, a list of changes, or a file has.
func (w *rowWriter) findingState(r row) {
	if r.status != "" {
		w.flag("isOnboarded", true)
		w.text("status", r.status)
		w.zoned("eventTimestamp", r.changed)
		return
	}
	if w.file {
		w.flag("isOnboarded", true)
		return
	}
	w.flag("securityUpdateAvailable", true)
}

// rules are configurations as the service names them.
var rules = [...][4]string{
	{"scid-20", "Turn on real-time protection", "Security controls", "Antivirus"},
	{"scid-2012", "Block all Office applications from creating child processes", "Security controls", "Attack surface reduction"},
	{"scid-91", "Enable 'Require domain users to elevate when setting a network's location'", "OS", ""},
	{"scid-3001", "Set 'Minimum password length' to '14 or more characters'", "Accounts", "Password policy"},
}

// appendConfiguration writes how a device complies with a rule, which a revision turns.
func appendConfiguration(w *rowWriter, r row) {
	n := int(r.number) % max(r.perDevice, 1)
	rule := rules[n%len(rules)]
	d := throw(r.world.seed, streamAssessment, 2<<40|uint64(r.number))
	w.deviceID(r)
	w.deviceName(r)
	w.text("rbacGroupName", groups[max(r.group, 1)%len(groups)])
	w.text("osPlatform", "Windows11")
	w.text("osVersion", "NT kernel 6.x")
	w.blank("timestamp", r.changed-d.span(second, 6*hour), "2006-01-02 15:04:05.000")
	w.key("configurationId")
	w.b = fmt.Appendf(w.b, `"%s%d"`, rule[0], n/len(rules))
	w.text("configurationName", rule[1])
	w.text("configurationCategory", rule[2])
	w.text("configurationSubcategory", rule[3])
	w.number("configurationImpact", 1+d.below(10))
	w.flag("isCompliant", (d.below(2)+r.revision)%2 == 0)
	w.flag("isApplicable", !d.one(8))
	w.flag("isExpectedUserImpact", d.one(3))
	w.text("recommendationReference", "sca-_-"+rule[0])
}

// baselineProfile is the one that devices are held against.
const baselineProfile = "7cff6a5c-3b2c-4a0e-9d4a-3fd3a4f9e1d2"

// appendBaseline writes how a device complies with a rule of a profile.
func appendBaseline(w *rowWriter, r row) {
	n := int(r.number) % max(r.perDevice, 1)
	d := throw(r.world.seed, streamAssessment, 3<<40|uint64(r.number))
	w.key("id")
	w.b = append(w.b, '"')
	w.b = appendMachineID(r.world, w.b, r.device())
	w.b = fmt.Appendf(w.b, `_%s_%s"`, baselineProfile, baselineRule(n))
	w.text("configurationId", baselineRule(n))
	w.deviceID(r)
	w.deviceName(r)
	w.text("profileId", baselineProfile)
	w.text("osPlatform", "Windows10")
	w.text("osVersion", "10.0.19045.2846")
	w.group(r)
	w.flag("isApplicable", !d.one(8))
	w.flag("isCompliant", (d.below(2)+r.revision)%2 == 0)
	if !d.one(6) {
		w.zoned("dataCollectionTimeOffset", r.changed-d.span(second, 6*hour))
	}
	w.zoned("complianceCalculationTimeOffset", r.changed)
	w.json("recommendedValue", `["Greater than or equal '24'"]`)
	w.json("currentValue", `["`+strconv.Itoa(d.below(40))+`"]`)
	w.json("source", `["password_hist_len"]`)
}

func baselineRule(n int) string { return fmt.Sprintf("1.%d.%d", 1+n/10, 1+n%10) }

// appendGathered writes what was gathered of a device: an object as a text.
func appendGathered(w *rowWriter, r row) {
	d := throw(r.world.seed, streamAssessment, 4<<40|uint64(r.number))
	w.deviceID(r)
	w.deviceName(r)
	w.text("osPlatform", "Windows10")
	w.text("osVersion", "10.0.19045.4046")
	w.group(r)
	w.blank("timestamp", r.changed, blankSeconds)
	w.blank("lastSeenTime", r.changed-d.span(second, 6*hour), blankSeconds)
	w.json("deviceGatheredInfo", `"{\"AvMode\":\"`+strconv.Itoa((d.below(6)+r.revision)%6)+
		`\",\"AvEngineVersion\":\"1.1.24010.10\",\"AvSignatureVersion\":\"1.405.97.0\",\"AvIsSignatureUptoDate\":\"True\",\"AvIsEngineUptodate\":\"True\",\"EBPFStatus\":null}"`)
}
