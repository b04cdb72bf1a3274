package defender

import (
	"math"
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// alertResource reads /api/alerts [get-alerts.md].
var alertResource = &resource{
	name:       "alert",
	dataset:    "microsoft_defender_endpoint.log",
	path:       "/api/alerts",
	pager:      odata.Timeline,
	expand:     "evidence",
	updated:    "lastUpdateTime",
	permission: "Alert.Read.All",
	interval:   time.Minute,
	tags:       []string{"microsoft-defender-endpoint", "forwarded"},
	newMapper:  newAlertMapper,
}

// alert is one element of /api/alerts (defender-api.md 3.3). Unknown members
// are kept.
type alert struct {
	ID                 raw `json:"id"`                 // text
	IncidentID         raw `json:"incidentId"`         // int64, nullable
	InvestigationID    raw `json:"investigationId"`    // int64, nullable
	AssignedTo         raw `json:"assignedTo"`         // UPN or a service's name, nullable
	Severity           raw `json:"severity"`           // UnSpecified, Informational, Low, Medium, High
	Status             raw `json:"status"`             // Unknown, New, InProgress, Resolved
	Classification     raw `json:"classification"`     // open set, nullable
	Determination      raw `json:"determination"`      // open set, nullable
	InvestigationState raw `json:"investigationState"` // open set, nullable
	DetectionSource    raw `json:"detectionSource"`    // open set
	Category           raw `json:"category"`           // a MITRE tactic or a kind of threat; open set, also the text "null"
	ThreatFamilyName   raw `json:"threatFamilyName"`   // nullable
	ThreatName         raw `json:"threatName"`         // nullable
	DetectorID         raw `json:"detectorId"`         // GUID; absent in old data
	Title              raw `json:"title"`
	Description        raw `json:"description"`       // any length, several lines, nullable
	CreationTime       raw `json:"alertCreationTime"` // timestamp
	FirstEventTime     raw `json:"firstEventTime"`    // timestamp
	LastEventTime      raw `json:"lastEventTime"`     // timestamp
	LastUpdateTime     raw `json:"lastUpdateTime"`    // timestamp on the 1/300 s grid
	ResolvedTime       raw `json:"resolvedTime"`      // timestamp, nullable
	MachineID          raw `json:"machineId"`         // 40 hex
	ComputerDNSName    raw `json:"computerDnsName"`   // mixed case, nullable
	RBACGroupName      raw `json:"rbacGroupName"`     // nullable
	AADTenantID        raw `json:"aadTenantId"`       // GUID
	MITRETechniques    raw `json:"mitreTechniques"`   // list of technique ids
	RelatedUser        raw `json:"relatedUser"`       // {userName, domainName}, nullable
	LoggedOnUsers      raw `json:"loggedOnUsers"`     // list of {accountName, domainName}
	Domains            raw `json:"domains"`           // list; empty in every sample
	Comments           raw `json:"comments"`          // list of {comment, createdBy, createdTime}
	Evidence           raw `json:"evidence"`          // list of evidence
}

// evidence is one evidence item: the union of all properties, unused ones null.
type evidence struct {
	EntityType                raw `json:"entityType"`           // User, Process, File, Ip, Url, Registry...: open set
	CreationTime              raw `json:"evidenceCreationTime"` // timestamp; absent in old data
	DetectionStatus           raw `json:"detectionStatus"`      // open set
	SHA1                      raw `json:"sha1"`
	SHA256                    raw `json:"sha256"`
	FileName                  raw `json:"fileName"`
	FilePath                  raw `json:"filePath"`  // the folder, without the file's name
	ProcessID                 raw `json:"processId"` // number
	ProcessCommandLine        raw `json:"processCommandLine"`
	ProcessCreationTime       raw `json:"processCreationTime"`       // timestamp
	ParentProcessID           raw `json:"parentProcessId"`           // number
	ParentProcessCreationTime raw `json:"parentProcessCreationTime"` // timestamp
	IPAddress                 raw `json:"ipAddress"`
	URL                       raw `json:"url"`
	ParentProcessFileName     raw `json:"parentProcessFileName"`
	ParentProcessFilePath     raw `json:"parentProcessFilePath"` // the folder
	RegistryKey               raw `json:"registryKey"`           // without the hive
	RegistryHive              raw `json:"registryHive"`          // HKEY_LOCAL_MACHINE...
	RegistryValueType         raw `json:"registryValueType"`     // ExpandString...
	RegistryValue             raw `json:"registryValue"`
	RegistryValueName         raw `json:"registryValueName"`
	AccountName               raw `json:"accountName"`
	DomainName                raw `json:"domainName"`
	UserSID                   raw `json:"userSid"`
	AADUserID                 raw `json:"aadUserId"`
	UserPrincipalName         raw `json:"userPrincipalName"`
}

type relatedUser struct {
	UserName   raw `json:"userName"`
	DomainName raw `json:"domainName"`
}

// alertMapper maps alerts as ecs-mapping.md 4.1 says, one document per evidence
// item or one per alert.
type alertMapper struct {
	*envelope
	alert    alert
	evidence evidence
	user     relatedUser

	alerts, evidences, users *objectDecoder
	items, techniques        []raw // of the alert's evidence and mitreTechniques
	id                       []byte
	time                     time.Time // of all documents of the alert
	relatedHash, relatedIP   union
	categories, types        union
}

func newAlertMapper(e *envelope) mapper {
	m := &alertMapper{envelope: e}
	m.alerts = newObjectDecoder(&m.alert)
	m.alerts.list("evidence", &m.items)
	m.alerts.list("mitreTechniques", &m.techniques)
	m.evidences = newObjectDecoder(&m.evidence)
	m.users = newObjectDecoder(&m.user)
	return m
}

func (m *alertMapper) read(record raw) (string, time.Time, error) {
	m.record, m.faults = record, m.faults[:0]
	if err := m.alerts.decode(record); err != nil {
		return "", time.Time{}, err
	}
	updated, _ := parseTime(m.alert.LastUpdateTime)
	return str(m.alert.ID), updated, nil
}

// documents maps what an alert's documents share once, and each evidence item
// on top of it.
func (m *alertMapper) documents(emit func() error) error {
	m.faults = m.faults[:0]
	m.shared()
	if m.config.Evidence == "whole" || len(m.items) == 0 {
		m.document(m.items, m.alert.Evidence)
		return emit()
	}
	ground, faults := m.doc.Keep(), len(m.faults)
	for i := range m.items {
		if i > 0 {
			m.doc.Rewind(ground)
			m.faults = m.faults[:faults]
			m.unknown += len(m.alerts.unknown)
		}
		m.document(m.items[i:i+1], m.items[i], occurrence(m.items, i)...)
		if err := emit(); err != nil {
			return err
		}
	}
	return nil
}

// occurrence tells an item from equal ones before it; it is empty for the first.
func occurrence(items []raw, i int) []byte {
	var n []byte
	for _, earlier := range items[:i] {
		if string(earlier) == string(items[i]) {
			n = append(n, '+')
		}
	}
	return n
}

// shared maps what does not depend on the evidence.
func (m *alertMapper) shared() {
	m.id, m.time = append(m.id[:0], str(m.alert.ID)...), m.timestamp()
	root, event := m.begin()
	m.constants(root, event)
	m.event(event)
	m.threat(root)
	m.machine(root)
	root.Set("message", m.faults.text("title", m.alert.Title))
	root.Object("rule").Set("description", m.faults.text("description", m.alert.Description))
	m.vendor(root.Object("microsoft").Object("defender_endpoint"))
	m.relatedUser(root.Object("user"))
}

// document makes one document of the alert with the given evidence; part tells
// it from the alert's other documents.
func (m *alertMapper) document(items []raw, part raw, occurrence ...byte) {
	a, root := &m.alert, m.doc.Root()
	m.relatedHash, m.relatedIP = m.relatedHash[:0], m.relatedIP[:0]
	m.types, m.categories = m.types[:0], append(m.categories[:0], "host")
	if is(a.Category, "malware") {
		m.categories.add("malware")
	}
	m.evidenceItems(root, items)
	switch {
	case is(a.Status, "new"):
		m.types.add("start")
	case is(a.Status, "resolved"):
		m.types.add("end")
	}
	event := root.Object("event")
	event.Set("category", m.doc.Texts(m.categories...))
	event.Set("type", m.doc.Texts(m.types...))
	m.related(root)
	m.finish(m.time, m.id, a.LastUpdateTime, part, occurrence)
}

func (m *alertMapper) constants(root, event *ecs.Object) {
	root.Object("cloud").Set("provider", ecs.Text("azure"))
	event.Set("kind", ecs.Text("alert"))
	event.Set("timezone", ecs.Text("UTC"))
	event.Set("provider", ecs.Text("defender_endpoint"))
	observer := root.Object("observer")
	observer.Set("product", ecs.Text("Defender for Endpoint"))
	observer.Set("vendor", ecs.Text("Microsoft"))
	observer.Set("name", m.faults.text("detectionSource", m.alert.DetectionSource))
}

func (m *alertMapper) event(event *ecs.Object) {
	a := &m.alert
	event.Set("id", m.faults.text("id", a.ID))
	event.Set("created", m.faults.date("alertCreationTime", a.CreationTime))
	event.Set("start", m.faults.date("firstEventTime", a.FirstEventTime))
	event.Set("end", m.faults.date("lastEventTime", a.LastEventTime))
	start, ok := parseTime(a.FirstEventTime)
	end, also := parseTime(a.LastEventTime)
	if d := end.Sub(start); ok && also && d != math.MaxInt64 && d != math.MinInt64 {
		event.Set("duration", ecs.Int(int64(d)))
	}
	switch {
	case is(a.Severity, "informational"), is(a.Severity, "low"):
		event.Set("severity", ecs.Int(21))
	case is(a.Severity, "medium"):
		event.Set("severity", ecs.Int(47))
	case is(a.Severity, "high"):
		event.Set("severity", ecs.Int(73))
	case is(a.Severity, "critical"):
		event.Set("severity", ecs.Int(99))
	}
	event.Set("action", m.faults.text("category", a.Category))
}

// timestamp is @timestamp: the creation, or with timestamp_source: update the
// last update; whatever time there is where that one is missing.
func (m *alertMapper) timestamp() time.Time {
	a := &m.alert
	order := []raw{a.CreationTime, a.LastUpdateTime, a.LastEventTime, a.FirstEventTime}
	if m.config.TimestampSource == "update" {
		order[0], order[1] = order[1], order[0]
	}
	for _, v := range order {
		if t, ok := parseTime(v); ok {
			return t
		}
	}
	return time.Now()
}

func (m *alertMapper) threat(root *ecs.Object) {
	a := &m.alert
	threat := root.Object("threat")
	technique := threat.Object("technique")
	if category := m.faults.text("category", a.Category); category.Present() {
		threat.Set("framework", ecs.Text("MITRE ATT&CK"))
		technique.Set("name", m.doc.List(category))
		threat.Object("tactic").Set("name", m.doc.List(category))
	}
	technique.Set("id", m.list(m.techniques, func(id raw) ecs.Value { return m.faults.text("mitreTechniques", id) }))
}

func (m *alertMapper) machine(root *ecs.Object) {
	a := &m.alert
	cloud, host := root.Object("cloud"), root.Object("host")
	cloud.Object("account").Set("id", m.faults.text("aadTenantId", a.AADTenantID))
	id := m.faults.text("machineId", a.MachineID)
	cloud.Object("instance").Set("id", id)
	host.Set("id", id)
	host.Set("hostname", m.faults.text("computerDnsName", a.ComputerDNSName))
	host.Set("name", ecs.Text(strings.ToLower(str(a.ComputerDNSName))))
}

// vendor keeps what has no ECS field, and every member the API adds.
func (m *alertMapper) vendor(vendor *ecs.Object) {
	a, f := &m.alert, &m.faults
	vendor.Set("incidentId", f.text("incidentId", a.IncidentID))
	vendor.Set("investigationId", f.text("investigationId", a.InvestigationID))
	vendor.Set("lastUpdateTime", f.date("lastUpdateTime", a.LastUpdateTime))
	vendor.Set("resolvedTime", f.date("resolvedTime", a.ResolvedTime))
	vendor.Set("assignedTo", f.text("assignedTo", a.AssignedTo))
	vendor.Set("status", f.text("status", a.Status))
	vendor.Set("classification", f.text("classification", a.Classification))
	vendor.Set("determination", f.text("determination", a.Determination))
	vendor.Set("investigationState", f.text("investigationState", a.InvestigationState))
	vendor.Set("threatFamilyName", f.text("threatFamilyName", a.ThreatFamilyName))
	vendor.Set("rbacGroupName", f.text("rbacGroupName", a.RBACGroupName))
	vendor.Set("mitreTechniques", m.doc.JSON(a.MITRETechniques))
	vendor.Set("detectorId", f.text("detectorId", a.DetectorID))
	vendor.Set("threatName", f.text("threatName", a.ThreatName))
	vendor.Set("loggedOnUsers", m.doc.JSON(a.LoggedOnUsers))
	vendor.Set("domains", m.doc.JSON(a.Domains))
	vendor.Set("comments", m.doc.JSON(a.Comments))
	m.keep(vendor, m.alerts.unknown)
}

func (m *alertMapper) relatedUser(user *ecs.Object) {
	if blank(m.alert.RelatedUser) {
		return
	}
	if err := m.users.decode(m.alert.RelatedUser); err != nil {
		m.faults.add("relatedUser", "an object", m.alert.RelatedUser)
		return
	}
	user.Set("name", m.faults.text("relatedUser.userName", m.user.UserName))
	user.Set("domain", m.faults.text("relatedUser.domainName", m.user.DomainName))
}

// evidenceItems maps one evidence item to ECS and the vendor's object, or
// several of them to the vendor's list, with only what ECS takes as lists.
func (m *alertMapper) evidenceItems(root *ecs.Object, items []raw) {
	vendor := root.Object("microsoft").Object("defender_endpoint")
	var kept []ecs.Value
	for _, item := range items {
		if err := m.evidences.decode(item); err != nil {
			m.faults.add("evidence", "an object", item)
			continue
		}
		switch {
		case is(m.evidence.EntityType, "process"):
			m.categories.add("process")
		case is(m.evidence.EntityType, "user"):
			m.types.add("access")
		}
		m.relatedHash.add(str(m.evidence.SHA1), str(m.evidence.SHA256))
		if ip := m.faults.ip("evidence.ipAddress", m.evidence.IPAddress); ip.Present() {
			m.relatedIP.add(ip.String())
		}
		if m.config.Evidence == "whole" {
			kept = append(kept, m.wholeEvidence(item))
			continue
		}
		m.file(root.Object("file"))
		m.process(root.Object("process"))
		m.registry(root.Object("registry"))
		setURL(root.Object("url"), m.faults.text("evidence.url", m.evidence.URL))
		root.Object("user").Set("id", m.faults.text("evidence.userSid", m.evidence.UserSID))
		m.vendorEvidence(vendor.Object("evidence"))
	}
	vendor.Set("evidence", ecs.List(kept...))
}

// wholeEvidence is an evidence item as it came, but for the fields whose type
// in Elasticsearch would refuse the document.
func (m *alertMapper) wholeEvidence(item raw) ecs.Value {
	e, f := &m.evidence, &m.faults
	v := m.doc.JSON(item)
	o := v.Object()
	if o == nil {
		return v // {}: nothing in it
	}
	for _, typed := range []struct {
		name  string
		value ecs.Value
	}{
		{"ipAddress", validIP(e.IPAddress)},
		{"processId", f.long("evidence.processId", e.ProcessID)},
		{"parentProcessId", f.long("evidence.parentProcessId", e.ParentProcessID)},
		{"processCreationTime", f.date("evidence.processCreationTime", e.ProcessCreationTime)},
		{"parentProcessCreationTime", f.date("evidence.parentProcessCreationTime", e.ParentProcessCreationTime)},
	} {
		o.Delete(typed.name)
		o.Set(typed.name, typed.value)
	}
	return v
}

func (m *alertMapper) file(file *ecs.Object) {
	e, f := &m.evidence, &m.faults
	file.Set("name", f.text("evidence.fileName", e.FileName))
	// Upstream has the folder in file.path; ECS has a field for folders.
	file.Set("path", f.text("evidence.filePath", e.FilePath))
	file.Set("directory", f.text("evidence.filePath", e.FilePath))
	hash := file.Object("hash")
	hash.Set("sha1", f.text("evidence.sha1", e.SHA1))
	hash.Set("sha256", f.text("evidence.sha256", e.SHA256))
}

func (m *alertMapper) process(process *ecs.Object) {
	e, f := &m.evidence, &m.faults
	pid := f.long("evidence.processId", e.ProcessID)
	process.Set("pid", pid)
	process.Set("start", f.date("evidence.processCreationTime", e.ProcessCreationTime))
	process.Set("command_line", f.text("evidence.processCommandLine", e.ProcessCommandLine))
	program := executable(str(e.ProcessCommandLine))
	process.Set("name", ecs.Text(baseName(program)))
	if baseName(program) != program {
		process.Set("executable", ecs.Text(program))
	}
	if is(e.EntityType, "process") {
		process.Set("executable", joinPath(e.FilePath, e.FileName))
	}
	parent := process.Object("parent")
	parent.Set("name", f.text("evidence.parentProcessFileName", e.ParentProcessFileName))
	parent.Set("executable", joinPath(e.ParentProcessFilePath, e.ParentProcessFileName))
	parentPID := f.long("evidence.parentProcessId", e.ParentProcessID)
	parent.Set("pid", parentPID)
	parent.Set("start", f.date("evidence.parentProcessCreationTime", e.ParentProcessCreationTime))
	if pid.Present() {
		process.Set("entity_id", ecs.Text(pid.String()))
	}
	if parentPID.Present() {
		parent.Set("entity_id", ecs.Text(parentPID.String()))
	}
}

// registry maps registry evidence; the vendor's fields keep it as it came.
func (m *alertMapper) registry(registry *ecs.Object) {
	e, f := &m.evidence, &m.faults
	hive, key, name := str(e.RegistryHive), str(e.RegistryKey), str(e.RegistryValueName)
	if short, ok := hives[strings.ToUpper(hive)]; ok {
		hive = short
	}
	registry.Set("hive", ecs.Text(hive))
	registry.Set("key", f.text("evidence.registryKey", e.RegistryKey))
	registry.Set("value", f.text("evidence.registryValueName", e.RegistryValueName))
	data := registry.Object("data")
	data.Set("type", f.text("evidence.registryValueType", e.RegistryValueType))
	data.Set("strings", m.doc.List(f.text("evidence.registryValue", e.RegistryValue)))
	if hive != "" && key != "" {
		registry.Set("path", ecs.Text(strings.TrimRight(hive+`\`+key+`\`+name, `\`)))
	}
}

// vendorEvidence keeps what has no ECS field.
func (m *alertMapper) vendorEvidence(o *ecs.Object) {
	e, f := &m.evidence, &m.faults
	o.Set("entityType", f.text("evidence.entityType", e.EntityType))
	o.Set("evidenceCreationTime", f.date("evidence.evidenceCreationTime", e.CreationTime))
	o.Set("detectionStatus", f.text("evidence.detectionStatus", e.DetectionStatus))
	o.Set("ipAddress", validIP(e.IPAddress))
	o.Set("parentProcessFileName", f.text("evidence.parentProcessFileName", e.ParentProcessFileName))
	o.Set("parentProcessFilePath", f.text("evidence.parentProcessFilePath", e.ParentProcessFilePath))
	o.Set("registryHive", f.text("evidence.registryHive", e.RegistryHive))
	o.Set("registryKey", f.text("evidence.registryKey", e.RegistryKey))
	o.Set("registryValueType", f.text("evidence.registryValueType", e.RegistryValueType))
	o.Set("registryValue", f.text("evidence.registryValue", e.RegistryValue))
	o.Set("registryValueName", f.text("evidence.registryValueName", e.RegistryValueName))
	o.Set("accountName", f.text("evidence.accountName", e.AccountName))
	o.Set("domainName", f.text("evidence.domainName", e.DomainName))
	o.Set("aadUserId", f.text("evidence.aadUserId", e.AADUserID))
	o.Set("userPrincipalName", f.text("evidence.userPrincipalName", e.UserPrincipalName))
	m.keep(o, m.evidences.unknown)
}

func (m *alertMapper) related(root *ecs.Object) {
	related := root.Object("related")
	related.Set("hash", m.doc.Texts(m.relatedHash...))
	related.Set("hosts", m.doc.List(m.doc.Get("host.name")))
	related.Set("ip", m.doc.Texts(m.relatedIP...))
	related.Set("user", m.doc.List(m.doc.Get("user.name")))
}
