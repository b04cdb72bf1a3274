package defender

import (
	"math"
	"strconv"
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
	RelatedUser        raw `json:"relatedUser"`       // relatedUser, or text as its page says; nullable
	LoggedOnUsers      raw `json:"loggedOnUsers"`     // list of loggedOnUser
	Domains            raw `json:"domains"`           // list of domain; empty in today's samples
	Comments           raw `json:"comments"`          // list of comment
	Evidence           raw `json:"evidence"`          // list of evidence
}

type relatedUser struct {
	UserName   raw `json:"userName"`
	DomainName raw `json:"domainName"`
}

type loggedOnUser struct {
	AccountName raw `json:"accountName"`
	DomainName  raw `json:"domainName"`
}

type comment struct {
	Comment     raw `json:"comment"`
	CreatedBy   raw `json:"createdBy"`
	CreatedTime raw `json:"createdTime"` // timestamp
	CreateTime  raw `json:"createTime"`  // the documentation's spelling of the same
}

// domain and technique are what elements of domains and mitreTechniques were in
// earlier years; today they are text, which is taken for the member.
type (
	domain struct {
		Host raw `json:"host"`
	}
	technique struct {
		ID raw `json:"id"`
	}
)

// alertMapper maps alerts as ecs-mapping.md 4.1 says, one document per evidence
// item or one per alert.
type alertMapper struct {
	*envelope
	alert     alert
	evidence  evidence
	user      relatedUser
	loggedOn  loggedOnUser
	comment   comment
	domain    domain
	technique technique

	alerts, evidences, users            *objectDecoder
	loggedOns, notes, domains, attacks  *objectDecoder
	items, techniques                   elements // of the alert's evidence and mitreTechniques
	loggedOnUsers, comments, hosts      elements // of its loggedOnUsers, comments and domains
	techniqueIDs                        ecs.Value
	id, part                            []byte
	time                                time.Time // of all documents of the alert
	relatedHash, relatedIP, relatedHost union
	categories, types                   union
}

func newAlertMapper(e *envelope) mapper {
	m := &alertMapper{envelope: e}
	e.content.sets = []string{`"evidence"`}
	e.vendor = [...]string{"microsoft", "defender_endpoint"}
	m.alerts = newObjectDecoder(&m.alert)
	items := maxItems
	if e.config.Evidence == "whole" {
		items = maxElements
	}
	m.alerts.list("evidence", &m.items, items)
	m.alerts.list("mitreTechniques", &m.techniques, maxElements)
	m.alerts.list("loggedOnUsers", &m.loggedOnUsers, maxElements)
	m.alerts.list("comments", &m.comments, maxElements)
	m.alerts.list("domains", &m.hosts, maxElements)
	m.evidences = newObjectDecoder(&m.evidence)
	m.users = newObjectDecoder(&m.user)
	m.loggedOns = newObjectDecoder(&m.loggedOn)
	m.notes = newObjectDecoder(&m.comment)
	m.domains = newObjectDecoder(&m.domain)
	m.attacks = newObjectDecoder(&m.technique)
	return m
}

func (m *alertMapper) read(record raw) (string, time.Time, error) {
	m.take(record)
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
	items := m.items.values
	if m.config.Evidence == "whole" || len(items) == 0 {
		m.noteBeyond(&m.items)
		m.document(items, "", 0)
		return emit()
	}
	ground, faults, lossy, kept := m.doc.Keep(), len(m.faults), m.lossy, m.kept
	again := func() {
		m.doc.Rewind(ground)
		m.faults, m.lossy, m.kept = m.faults[:faults], lossy, kept
		m.unknown += len(m.alerts.unknown) + m.alerts.beyond
	}
	room := maxExpansion
	for i := range items {
		if i > 0 {
			again()
		}
		if room -= m.sizeOf(items[i]); room < 0 && i > 0 {
			m.items.beyond += len(items) - i
			m.items.values = items[:i]
			break
		}
		m.document(items[i:i+1], "item", m.contentOf().rank(i))
		if err := emit(); err != nil {
			return err
		}
	}
	if m.items.beyond == 0 {
		return nil
	}
	again()
	m.noteBeyond(&m.items)
	m.document(nil, "beyond", 0)
	return emit()
}

const (
	// maxItems is how many evidence items of an alert have a document each, and
	// maxExpansion how many bytes the documents of an alert may have, about: each
	// has what they share, so that a record of 12 MiB could become terabytes. One
	// more document, without evidence, says what is left out and has the original.
	maxItems     = 1 << 18
	maxExpansion = 512 << 20
	// perDocument is about what a document has of its own, in bytes.
	perDocument = 1 << 10
)

// sizeOf is about what the document of an evidence item has, in bytes.
func (m *alertMapper) sizeOf(item raw) int {
	size := perDocument + len(m.record) - len(m.alert.Evidence) + 2*len(item)
	if m.config.PreserveOriginalEvent || m.lossy || len(m.faults) > 0 {
		size += len(m.record)
	}
	return size
}

// shared maps what does not depend on the evidence.
func (m *alertMapper) shared() {
	m.id, m.time = append(m.id[:0], str(m.alert.ID)...), m.timestamp()
	root, event := m.begin()
	m.constants(root, event)
	m.event(event)
	m.techniqueIDs = m.list(&m.techniques, m.techniqueID)
	m.threat(root)
	m.machine(root)
	root.Set("message", m.text("title", m.alert.Title))
	root.Object("rule").Set("description", m.text("description", m.alert.Description))
	m.rest(root.Object(m.vendor[0]).Object(m.vendor[1]))
	m.relatedUser(root.Object("user"))
}

// document makes one document of the alert with the given evidence; part and
// number tell it from the alert's other documents.
func (m *alertMapper) document(items []raw, part string, number int) {
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
	m.part = strconv.AppendInt(append(m.part[:0], part...), int64(number), 10)
	m.finish(m.time, m.id, m.part)
}

func (m *alertMapper) constants(root, event *ecs.Object) {
	root.Object("cloud").Set("provider", ecs.Text("azure"))
	event.Set("kind", ecs.Text("alert"))
	event.Set("timezone", ecs.Text("UTC"))
	event.Set("provider", ecs.Text("defender_endpoint"))
	observer := root.Object("observer")
	observer.Set("product", ecs.Text("Defender for Endpoint"))
	observer.Set("vendor", ecs.Text("Microsoft"))
	observer.Set("name", m.text("detectionSource", m.alert.DetectionSource))
}

func (m *alertMapper) event(event *ecs.Object) {
	a := &m.alert
	event.Set("id", m.text("id", a.ID))
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
	event.Set("action", m.text("category", a.Category))
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
		if t, ok := parseTime(v); ok && !t.IsZero() {
			return t
		}
	}
	return time.Now()
}

func (m *alertMapper) threat(root *ecs.Object) {
	a := &m.alert
	threat := root.Object("threat")
	technique := threat.Object("technique")
	if category := m.text("category", a.Category); category.Present() {
		threat.Set("framework", ecs.Text("MITRE ATT&CK"))
		technique.Set("name", m.doc.List(category))
		threat.Object("tactic").Set("name", m.doc.List(category))
	}
	technique.Set("id", m.techniqueIDs)
}

func (m *alertMapper) machine(root *ecs.Object) {
	a := &m.alert
	cloud, host := root.Object("cloud"), root.Object("host")
	cloud.Object("account").Set("id", m.text("aadTenantId", a.AADTenantID))
	id := m.text("machineId", a.MachineID)
	cloud.Object("instance").Set("id", id)
	host.Set("id", id)
	host.Set("hostname", m.text("computerDnsName", a.ComputerDNSName))
	name := strings.ToLower(str(a.ComputerDNSName))
	host.Set("name", ecs.Text(name))
	m.relatedHost = m.relatedHost[:0]
	m.relatedHost.add(name)
}

// rest keeps what has no ECS field, and every member the API adds.
func (m *alertMapper) rest(vendor *ecs.Object) {
	a, f := &m.alert, m.envelope
	vendor.Set("incidentId", f.text("incidentId", a.IncidentID))
	vendor.Set("investigationId", f.text("investigationId", a.InvestigationID))
	vendor.Set("lastUpdateTime", f.faults.date("lastUpdateTime", a.LastUpdateTime))
	vendor.Set("resolvedTime", f.faults.date("resolvedTime", a.ResolvedTime))
	vendor.Set("assignedTo", f.text("assignedTo", a.AssignedTo))
	vendor.Set("status", f.text("status", a.Status))
	vendor.Set("classification", f.text("classification", a.Classification))
	vendor.Set("determination", f.text("determination", a.Determination))
	vendor.Set("investigationState", f.text("investigationState", a.InvestigationState))
	vendor.Set("threatFamilyName", f.text("threatFamilyName", a.ThreatFamilyName))
	vendor.Set("rbacGroupName", f.text("rbacGroupName", a.RBACGroupName))
	vendor.Set("mitreTechniques", oneOrList(a.MITRETechniques, m.techniqueIDs))
	vendor.Set("detectorId", f.text("detectorId", a.DetectorID))
	vendor.Set("threatName", f.text("threatName", a.ThreatName))
	vendor.Set("loggedOnUsers", oneOrList(a.LoggedOnUsers, m.list(&m.loggedOnUsers, m.loggedOnUser)))
	vendor.Set("domains", oneOrList(a.Domains, m.list(&m.hosts, m.domainHost)))
	vendor.Set("comments", oneOrList(a.Comments, m.list(&m.comments, m.commentObject)))
	m.keep("", m.alerts)
}

func (m *alertMapper) techniqueID(element raw) ecs.Value {
	if !m.object("mitreTechniques", m.attacks, element, &m.technique.ID) {
		return ecs.Value{}
	}
	m.keep("mitreTechniques.", m.attacks)
	return m.text("mitreTechniques", m.technique.ID)
}

func (m *alertMapper) domainHost(element raw) ecs.Value {
	if !m.object("domains", m.domains, element, &m.domain.Host) {
		return ecs.Value{}
	}
	m.keep("domains.", m.domains)
	m.relatedHost.add(strings.ToLower(str(m.domain.Host)))
	return m.text("domains", m.domain.Host)
}

func (m *alertMapper) loggedOnUser(element raw) ecs.Value {
	if !m.object("loggedOnUsers", m.loggedOns, element, &m.loggedOn.AccountName) {
		return ecs.Value{}
	}
	item := m.doc.NewObject()
	o := item.Object()
	o.Set("accountName", m.text("loggedOnUsers.accountName", m.loggedOn.AccountName))
	o.Set("domainName", m.text("loggedOnUsers.domainName", m.loggedOn.DomainName))
	m.keep("loggedOnUsers.", m.loggedOns)
	return item
}

func (m *alertMapper) commentObject(element raw) ecs.Value {
	if !m.object("comments", m.notes, element, &m.comment.Comment) {
		return ecs.Value{}
	}
	c, item := &m.comment, m.doc.NewObject()
	if blank(c.CreatedTime) {
		c.CreatedTime = c.CreateTime
	}
	o := item.Object()
	o.Set("comment", m.text("comments.comment", c.Comment))
	o.Set("createdBy", m.text("comments.createdBy", c.CreatedBy))
	o.Set("createdTime", m.faults.date("comments.createdTime", c.CreatedTime))
	m.keep("comments.", m.notes)
	return item
}

func (m *alertMapper) relatedUser(user *ecs.Object) {
	if !m.object("relatedUser", m.users, m.alert.RelatedUser, &m.user.UserName) {
		return
	}
	user.Set("name", m.text("relatedUser.userName", m.user.UserName))
	user.Set("domain", m.text("relatedUser.domainName", m.user.DomainName))
	m.keep("relatedUser.", m.users)
}

func (m *alertMapper) related(root *ecs.Object) {
	related := root.Object("related")
	related.Set("hash", m.doc.Texts(m.relatedHash...))
	related.Set("hosts", m.doc.Texts(m.relatedHost...))
	related.Set("ip", m.doc.Texts(m.relatedIP...))
	related.Set("user", m.doc.List(m.doc.Get("user.name")))
}
