package defender

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// machineActionResource reads /api/machineactions
// [get-machineactions-collection.md].
var machineActionResource = &resource{
	name:       "machine_action",
	dataset:    "microsoft_defender_endpoint.machine_action",
	path:       "/api/machineactions",
	strategy:   odata.Timeline,
	updated:    "lastUpdateDateTimeUtc",
	created:    "creationDateTimeUtc",
	changesFor: 4 * 24 * time.Hour, // it times out after 3 days and 14 minutes (API.md 3.5)
	permission: "Machine.Read.All",
	priority:   1,
	interval:   time.Minute,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-machine_action"},
	vendor:     mapping.Vendor{Path: [...]string{module, "machine_action"}, Snake: true},
	newMapper:  newMachineActionMapper,
}

// machineAction is one element of /api/machineactions (API.md 3.5).
// Unknown members are kept.
type machineAction struct {
	ID                    mapping.Field `json:"id"`                      // GUID
	Type                  mapping.Field `json:"type"`                    // Isolate, RunAntiVirusScan...: open set
	Title                 mapping.Field `json:"title"`                   // text, nullable
	Scope                 mapping.Field `json:"scope"`                   // Full, Selective, Quick; open set, nullable
	Status                mapping.Field `json:"status"`                  // Pending, InProgress, Succeeded, Failed, TimeOut, Cancelled
	Requestor             mapping.Field `json:"requestor"`               // UPN, or an application's or object's id, nullable
	RequestSource         mapping.Field `json:"requestSource"`           // Portal, PublicApi; nullable
	RequestorComment      mapping.Field `json:"requestorComment"`        // text of several lines, nullable
	MachineID             mapping.Field `json:"machineId"`               // 40 hex, nullable
	ComputerDNSName       mapping.Field `json:"computerDnsName"`         // mixed case, nullable
	CreationTime          mapping.Field `json:"creationDateTimeUtc"`     // timestamp
	LastUpdateDateTime    mapping.Field `json:"lastUpdateDateTimeUtc"`   // timestamp
	LastUpdateTime        mapping.Field `json:"lastUpdateTimeUtc"`       // timestamp: the other spelling of the same
	CancellationRequestor mapping.Field `json:"cancellationRequestor"`   // as requestor, nullable
	CancellationComment   mapping.Field `json:"cancellationComment"`     // text, nullable
	CancellationTime      mapping.Field `json:"cancellationDateTimeUtc"` // timestamp, nullable
	ExternalID            mapping.Field `json:"externalId"`              // the caller's own id, nullable
	ExternalIDPage        mapping.Field `json:"externalID"`              // the documentation's spelling of the same
	ErrorHResult          mapping.Field `json:"errorHResult"`            // int32, signed; 0 is no error
	RelatedFileInfo       mapping.Field `json:"relatedFileInfo"`         // actionFile, nullable
	Commands              mapping.List  `json:"commands"`                // list of live-response commands: objects
	TroubleshootInfo      mapping.Field `json:"troubleshootInfo"`        // undocumented: any JSON; null in all samples
}

// actionFile is relatedFileInfo: the file that an action is about.
type actionFile struct {
	Identifier     mapping.Field `json:"fileIdentifier"`     // a hash, hex
	IdentifierType mapping.Field `json:"fileIdentifierType"` // Sha1, Sha256, Md5
}

// machineActionMapper maps machine actions as MAPPING.md 4.3 says, one
// document per version of an action.
type machineActionMapper struct {
	*mapping.Envelope
	action machineAction
	file   actionFile

	actions, files *mapping.Decoder
	times, parties mapping.Table // of the vendor's object: duplicates of ECS fields
	rest, related  mapping.Table // what ECS has no field for, and that of the related file
}

func newMachineActionMapper(e *mapping.Envelope, _ Config) mapping.RecordMapper {
	m := &machineActionMapper{Envelope: e}
	a := &m.action
	m.actions = e.Decoder("", a)
	m.files = e.Decoder("relatedFileInfo", &m.file)
	m.times = e.Duplicates(mapping.Table{
		mapping.Own(&a.ID, m.Text),
		mapping.Own(&a.CreationTime, m.Milliseconds),
		mapping.Own(&a.LastUpdateDateTime, m.Milliseconds),
	})
	m.parties = e.Duplicates(mapping.Table{
		mapping.Own(&a.MachineID, m.Text),
		mapping.Own(&a.ComputerDNSName, m.Text),
		mapping.Own(&a.Requestor, m.Text),
	})
	m.rest = m.restFields()
	m.related = mapping.Table{
		mapping.Own(&m.file.Identifier, m.Text),
		mapping.Own(&m.file.IdentifierType, m.Text),
	}
	return m
}

// restFields keep what has no ECS field.
func (m *machineActionMapper) restFields() mapping.Table {
	a := &m.action
	return mapping.Table{
		mapping.Own(&a.Title, m.Text),
		mapping.Own(&a.Scope, m.Text),
		mapping.Own(&a.RequestSource, m.Text),
		mapping.Own(&a.RequestorComment, m.Text),
		mapping.Own(&a.CancellationRequestor, m.Text),
		mapping.Own(&a.CancellationComment, m.Text),
		mapping.Own(&a.CancellationTime, m.Milliseconds),
		mapping.Own(&a.ExternalID, m.Text),
		mapping.Own(&a.ErrorHResult, m.Long),
		mapping.Own(&a.Commands.Field, m.commands),
		mapping.Own(&a.TroubleshootInfo, m.JSON),
	}
}

// commands are texts: the field is a keyword in Elastic's package, so that
// Elasticsearch refuses a document that has objects there; and objects taken
// apart into lists would no longer say which parameter belongs to which command.
func (m *machineActionMapper) commands(*mapping.Field) ecs.Value {
	return m.Map(&m.action.Commands, m.JSONText)
}

// Read implements mapping.RecordMapper.
func (m *machineActionMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.actions.Decode(record); err != nil {
		return "", time.Time{}, err
	}
	a := &m.action
	a.LastUpdateDateTime.Default(&a.LastUpdateTime)
	a.ExternalID.Default(&a.ExternalIDPage)
	updated, _ := a.LastUpdateDateTime.Time()
	return a.ID.Text(), updated, nil
}

// Documents implements mapping.RecordMapper.
func (m *machineActionMapper) Documents(emit func() error) error {
	a := &m.action
	root, event := m.Begin()
	event.Set("kind", ecs.Text("event"))
	setObserver(root)
	vendor := m.Vendor()
	m.setEvent(event, vendor)
	m.setHost(root.Object("host"))
	m.parties.Fill(vendor)
	m.setUser(root.Object("user"))
	m.rest.Fill(vendor)
	m.setFile(root, vendor)
	m.Keep(m.actions)
	m.setRelated(root)

	m.Finish(m.FirstTime(&a.LastUpdateDateTime, &a.CreationTime), []byte(a.ID.Text()))
	return emit()
}

func (m *machineActionMapper) setEvent(event, vendor *ecs.Object) {
	a := &m.action
	event.Set("id", m.Text(&a.ID))
	event.Set("created", m.Milliseconds(&a.CreationTime))
	m.Milliseconds(&a.LastUpdateDateTime) // a fault where it is no time, be it kept or not
	m.times.Fill(vendor)
	action := m.Text(&a.Type)
	event.Set("action", action)
	vendor.Set(a.Type.Own, action)
	category, kind := actionCategory(a.Type.Text())
	event.Set("category", m.Doc.Texts(category))
	event.Set("type", m.Doc.Texts(kind))
	vendor.Set(a.Status.Own, m.Text(&a.Status))
	event.Set("outcome", ecs.Text(actionOutcome(a.Status.Text())))
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

// setHost: host.name is lower case as in the other streams, so that they can be
// joined by it.
func (m *machineActionMapper) setHost(host *ecs.Object) {
	a := &m.action
	host.Set("id", m.Text(&a.MachineID))
	host.Set("hostname", m.Text(&a.ComputerDNSName))
	host.Set("name", ecs.Text(strings.ToLower(a.ComputerDNSName.Text())))
}

// setUser maps the requestor: a user's principal name, which is taken apart, or
// an id.
func (m *machineActionMapper) setUser(user *ecs.Object) {
	whole := m.Text(&m.action.Requestor)
	name, domain, ok := strings.Cut(m.action.Requestor.Text(), "@")
	if !ok || name == "" {
		user.Set("name", whole)
		return
	}
	user.Set("name", ecs.Text(name))
	user.Set("domain", ecs.Text(domain))
	user.Set("email", whole)
}

// setFile maps relatedFileInfo. The hash is filed by its type; one of another
// type stands in related.hash alone.
func (m *machineActionMapper) setFile(root, vendor *ecs.Object) {
	f := &m.action.RelatedFileInfo
	if !m.Object(m.files, f.Value) {
		return
	}
	m.related.Fill(vendor.Object(f.Own))
	m.Keep(m.files)
	hash := m.Text(&m.file.Identifier)
	if !hash.Present() {
		return
	}
	root.Object("related").Set("hash", m.Doc.List(hash))
	kind := strings.ToLower(m.file.IdentifierType.Text())
	for _, algorithm := range []string{"sha1", "md5", "sha256"} {
		if strings.Contains(kind, algorithm) {
			root.Object("file").Object("hash").Set(algorithm, hash)
			return
		}
	}
}

func (m *machineActionMapper) setRelated(root *ecs.Object) {
	a, user := &m.action, root.Object("user")
	hosts, users := mapping.Union{}, mapping.Union{}
	hosts.Add(strings.ToLower(a.ComputerDNSName.Text()), a.MachineID.Text())
	users.Add(a.CancellationRequestor.Text(), a.ExternalID.Text())
	for _, name := range []string{"name", "email"} {
		if v := user.Get(name); v.Present() {
			users.Add(v.String())
		}
	}
	related := root.Object("related")
	related.Set("hosts", m.Doc.Texts(hosts...))
	related.Set("user", m.Doc.Texts(users...))
}
