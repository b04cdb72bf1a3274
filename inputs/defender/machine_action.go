package defender

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// machineActionResource reads /api/machineactions
// [get-machineactions-collection.md].
var machineActionResource = &resource{
	name:       "machine_action",
	dataset:    "microsoft_defender_endpoint.machine_action",
	path:       "/api/machineactions",
	pager:      odata.Timeline,
	updated:    "lastUpdateDateTimeUtc",
	created:    "creationDateTimeUtc",
	permission: "Machine.Read.All",
	priority:   1,
	interval:   time.Minute,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-machine_action"},
	newMapper:  newMachineActionMapper,
}

// machineAction is one element of /api/machineactions (API.md 3.5).
// Unknown members are kept.
type machineAction struct {
	ID                    raw `json:"id"`                      // GUID
	Type                  raw `json:"type"`                    // Isolate, RunAntiVirusScan...: open set
	Title                 raw `json:"title"`                   // text, nullable
	Scope                 raw `json:"scope"`                   // Full, Selective, Quick; open set, nullable
	Status                raw `json:"status"`                  // Pending, InProgress, Succeeded, Failed, TimeOut, Cancelled
	Requestor             raw `json:"requestor"`               // UPN, or an application's or object's id, nullable
	RequestSource         raw `json:"requestSource"`           // Portal, PublicApi; nullable
	RequestorComment      raw `json:"requestorComment"`        // text of several lines, nullable
	MachineID             raw `json:"machineId"`               // 40 hex, nullable
	ComputerDNSName       raw `json:"computerDnsName"`         // mixed case, nullable
	CreationTime          raw `json:"creationDateTimeUtc"`     // timestamp
	LastUpdateDateTime    raw `json:"lastUpdateDateTimeUtc"`   // timestamp
	LastUpdateTime        raw `json:"lastUpdateTimeUtc"`       // timestamp: the other spelling of the same
	CancellationRequestor raw `json:"cancellationRequestor"`   // as requestor, nullable
	CancellationComment   raw `json:"cancellationComment"`     // text, nullable
	CancellationTime      raw `json:"cancellationDateTimeUtc"` // timestamp, nullable
	ExternalID            raw `json:"externalId"`              // the caller's own id, nullable
	ExternalIDPage        raw `json:"externalID"`              // the documentation's spelling of the same
	ErrorHResult          raw `json:"errorHResult"`            // int32, signed; 0 is no error
	RelatedFileInfo       raw `json:"relatedFileInfo"`         // actionFile, nullable
	Commands              raw `json:"commands"`                // list of live-response commands: objects
	TroubleshootInfo      raw `json:"troubleshootInfo"`        // undocumented: any JSON; null in all samples
}

// actionFile is relatedFileInfo: the file that an action is about.
type actionFile struct {
	Identifier     raw `json:"fileIdentifier"`     // a hash, hex
	IdentifierType raw `json:"fileIdentifierType"` // Sha1, Sha256, Md5
}

// machineActionMapper maps machine actions as ecs-mapping.md 4.3 says, one
// document per version of an action.
type machineActionMapper struct {
	*envelope
	action machineAction
	file   actionFile

	actions, files *objectDecoder
	commands       elements
}

func newMachineActionMapper(e *envelope) mapper {
	m := &machineActionMapper{envelope: e}
	e.vendor = [...]string{module, "machine_action"}
	m.actions = newObjectDecoder(&m.action)
	m.actions.list("commands", &m.commands, maxElements)
	m.files = newObjectDecoder(&m.file)
	return m
}

func (m *machineActionMapper) read(record raw) (string, time.Time, error) {
	m.take(record)
	if err := m.actions.decode(record); err != nil {
		return "", time.Time{}, err
	}
	a := &m.action
	if blank(a.LastUpdateDateTime) {
		a.LastUpdateDateTime = a.LastUpdateTime
	}
	if blank(a.ExternalID) {
		a.ExternalID = a.ExternalIDPage
	}
	updated, _ := parseTime(a.LastUpdateDateTime)
	return str(a.ID), updated, nil
}

func (m *machineActionMapper) documents(emit func() error) error {
	a := &m.action
	m.faults = m.faults[:0]
	root, event := m.begin()
	event.Set("kind", ecs.Text("event"))
	observer := root.Object("observer")
	observer.Set("product", ecs.Text("Defender for Endpoint"))
	observer.Set("vendor", ecs.Text("Microsoft"))
	vendor := root.Object(m.vendor[0]).Object(m.vendor[1])
	m.event(event, vendor)
	m.machine(root.Object("host"), vendor)
	m.requestor(root.Object("user"), vendor)
	m.rest(vendor)
	m.relatedFile(root, vendor)
	m.keep("", m.actions)
	m.related(root)

	m.finish(m.timestamp(), []byte(str(a.ID)))
	return emit()
}

func (m *machineActionMapper) event(event, vendor *ecs.Object) {
	a, f := &m.action, m.envelope
	id := f.text("id", a.ID)
	event.Set("id", id)
	m.duplicate(vendor, "id", id)
	created := m.faults.milliseconds("creationDateTimeUtc", a.CreationTime)
	event.Set("created", created)
	m.duplicate(vendor, "creation_date_time_utc", created)
	m.duplicate(vendor, "last_update_date_time_utc", m.faults.milliseconds("lastUpdateDateTimeUtc", a.LastUpdateDateTime))

	action := f.text("type", a.Type)
	event.Set("action", action)
	vendor.Set("type", action)
	category, kind := actionCategory(str(a.Type))
	event.Set("category", m.doc.Texts(category))
	event.Set("type", m.doc.Texts(kind))
	vendor.Set("status", f.text("status", a.Status))
	event.Set("outcome", ecs.Text(actionOutcome(str(a.Status))))
}

// actionCategory is event.category and event.type of a type of action. A type
// that is not known is like the known ones that fit no ECS category: of type
// info, which says nothing false about it, and without a category, because
// ECS ties the allowed types to the category.
func actionCategory(action string) (category, kind string) {
	switch strings.ToLower(action) {
	case "":
		return "", ""
	case "isolate":
		return "network", "end"
	case "unisolate":
		return "network", "start"
	case "stopandquarantinefile":
		return "file", "deletion"
	case "restrictcodeexecution", "unrestrictcodeexecution":
		return "package", "access"
	default: // also RunAntiVirusScan, Offboard, LiveResponse, CollectInvestigationPackage
		return "", "info"
	}
}

// actionOutcome is event.outcome of a status. An action that ran out of time
// did not do what it was asked for: failure. One that was cancelled has ended,
// and what it did until then is not told: unknown. One that goes on, and a
// status that is not known, have none.
func actionOutcome(status string) string {
	switch strings.ToLower(status) {
	case "succeeded":
		return "success"
	case "failed", "timeout":
		return "failure"
	case "cancelled":
		return "unknown"
	default:
		return ""
	}
}

// timestamp is @timestamp: the last update, else the creation, else now.
func (m *machineActionMapper) timestamp() time.Time {
	for _, v := range []raw{m.action.LastUpdateDateTime, m.action.CreationTime} {
		if t, ok := parseTime(v); ok && !t.IsZero() {
			return t
		}
	}
	return time.Now()
}

// machine: host.name is lower case as in the other streams, so that they can be
// joined by it.
func (m *machineActionMapper) machine(host, vendor *ecs.Object) {
	a, f := &m.action, m.envelope
	id, name := f.text("machineId", a.MachineID), f.text("computerDnsName", a.ComputerDNSName)
	host.Set("id", id)
	host.Set("hostname", name)
	host.Set("name", ecs.Text(strings.ToLower(str(a.ComputerDNSName))))
	m.duplicate(vendor, "machine_id", id)
	m.duplicate(vendor, "computer_dns_name", name)
}

// requestor is a user's principal name, which is taken apart, or an id.
func (m *machineActionMapper) requestor(user, vendor *ecs.Object) {
	whole := m.text("requestor", m.action.Requestor)
	m.duplicate(vendor, "requestor", whole)
	name, domain, ok := strings.Cut(str(m.action.Requestor), "@")
	if !ok || name == "" {
		user.Set("name", whole)
		return
	}
	user.Set("name", ecs.Text(name))
	user.Set("domain", ecs.Text(domain))
	user.Set("email", whole)
}

// rest keeps what has no ECS field.
func (m *machineActionMapper) rest(vendor *ecs.Object) {
	a, f := &m.action, m.envelope
	vendor.Set("title", f.text("title", a.Title))
	vendor.Set("scope", f.text("scope", a.Scope))
	vendor.Set("request_source", f.text("requestSource", a.RequestSource))
	vendor.Set("requestor_comment", f.text("requestorComment", a.RequestorComment))
	vendor.Set("cancellation_requestor", f.text("cancellationRequestor", a.CancellationRequestor))
	vendor.Set("cancellation_comment", f.text("cancellationComment", a.CancellationComment))
	vendor.Set("cancellation_date_time_utc", m.faults.milliseconds("cancellationDateTimeUtc", a.CancellationTime))
	vendor.Set("external_id", f.text("externalId", a.ExternalID))
	vendor.Set("error_h_result", f.faults.long("errorHResult", a.ErrorHResult))
	// The field is a keyword in Elastic's package, so that Elasticsearch refuses a
	// document that has objects there; and objects taken apart into lists would no
	// longer say which parameter belongs to which command.
	vendor.Set("commands", m.list(&m.commands, m.jsonText))
	vendor.Set("troubleshoot_info", m.jsonText(a.TroubleshootInfo))
}

// relatedFile maps relatedFileInfo. The hash is filed by its type; one of
// another type stands in related.hash alone.
func (m *machineActionMapper) relatedFile(root, vendor *ecs.Object) {
	if !m.object("relatedFileInfo", m.files, m.action.RelatedFileInfo, nil) {
		return
	}
	id := m.text("relatedFileInfo.fileIdentifier", m.file.Identifier)
	o := vendor.Object("related_file_info")
	o.Set("file_identifier", id)
	o.Set("file_identifier_type", m.text("relatedFileInfo.fileIdentifierType", m.file.IdentifierType))
	m.keep("relatedFileInfo.", m.files)
	if !id.Present() {
		return
	}
	root.Object("related").Set("hash", m.doc.List(id))
	kind := strings.ToLower(str(m.file.IdentifierType))
	for _, algorithm := range []string{"sha1", "md5", "sha256"} {
		if strings.Contains(kind, algorithm) {
			root.Object("file").Object("hash").Set(algorithm, id)
			return
		}
	}
}

func (m *machineActionMapper) related(root *ecs.Object) {
	user := root.Object("user")
	hosts, users := union{}, union{}
	hosts.add(strings.ToLower(str(m.action.ComputerDNSName)), str(m.action.MachineID))
	users.add(str(m.action.CancellationRequestor), str(m.action.ExternalID))
	for _, name := range []string{"name", "email"} {
		if v := user.Get(name); v.Present() {
			users.add(v.String())
		}
	}
	related := root.Object("related")
	related.Set("hosts", m.doc.Texts(hosts...))
	related.Set("user", m.doc.Texts(users...))
}
