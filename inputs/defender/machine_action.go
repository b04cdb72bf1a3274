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
	portal  portal
	action  machineAction
	file    actionFile
	related related
	// keepsRequestor: the vendor's field repeats what ECS has.
	keepsRequestor bool

	actions, files *mapping.Decoder
	times, parties mapping.Table // of the vendor's object: duplicates of ECS fields
	rest, about    mapping.Table // what ECS has no field for, and that of the related file
}

func newMachineActionMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &machineActionMapper{Envelope: e, portal: portalOf(c), keepsRequestor: c.PreserveDuplicateCustomFields}
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
	})
	m.rest = m.restFields()
	m.about = mapping.Table{
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
	if err := m.Decode(m.actions, record); err != nil {
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
	m.related.reset()
	root, event := m.Begin()
	event.Set("kind", ecs.Text("event"))
	setObserver(root)
	vendor := m.Vendor()
	m.setEvent(event, vendor)
	m.setTimes(event)
	setMachine(m.Envelope, root, &a.MachineID, &a.ComputerDNSName, m.Account())
	m.parties.Fill(vendor)
	m.setUser(root.Object("user"), vendor)
	m.rest.Fill(vendor)
	m.setFile(root, vendor)
	m.Keep(m.actions)
	m.related.host(a.ComputerDNSName.Text())
	m.related.host(a.MachineID.Text())
	m.related.set(&m.Doc, root.Object("related"))
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
	// An action has no page of its own; the machine's has its actions.
	event.Set("url", m.portal.page("machines", a.MachineID.Text(), m.Account()))
	vendor.Set("kibana_action_id", ecs.Text(kibanaAction(a.RequestorComment.Text())))
}

// setTimes says how long the action took, once it has come to an end: what has an
// outcome.
func (m *machineActionMapper) setTimes(event *ecs.Object) {
	a := &m.action
	event.Set("start", m.Milliseconds(&a.CreationTime))
	if actionOutcome(a.Status.Text()) == "" {
		return
	}
	event.Set("end", m.Milliseconds(&a.LastUpdateDateTime))
	event.Set("duration", duration(&a.CreationTime, &a.LastUpdateDateTime))
}

// kibanaAction is the id that Kibana's response actions write into the comment of
// an action, regardless of the language of the rest: (action id: UUID).
func kibanaAction(comment string) string {
	const mark, length = "(action id: ", len("00000000-0000-0000-0000-000000000000")
	for {
		_, after, found := strings.Cut(comment, mark)
		if !found {
			return ""
		}
		if len(after) > length && after[length] == ')' && isTenantID(after[:length]) {
			return after[:length]
		}
		comment = after
	}
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
// and what it did until then is not reported: unknown. One that continues, and a
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

// setUser maps the requestor: a user's principal name, which is taken apart, an
// application with its owner's address, or an id. The vendor's field repeats it
// where ECS does not have it whole.
func (m *machineActionMapper) setUser(user, vendor *ecs.Object) {
	a := &m.action
	whole := m.Text(&a.Requestor)
	name, domain, email := person(a.Requestor.Text())
	user.Set("name", ecs.Text(name))
	user.Set("domain", ecs.Text(domain))
	user.Set("email", ecs.Text(email))
	if m.keepsRequestor || name == "" {
		vendor.Set(a.Requestor.Own, whole)
	}
	cancelled, _, address := person(a.CancellationRequestor.Text())
	if address != "" {
		cancelled = address
	}
	m.related.users.Add(cancelled, name, email)
}

// setFile maps relatedFileInfo. The form of the hash shows which it is; what is no
// hash is under the vendor prefix alone.
func (m *machineActionMapper) setFile(root, vendor *ecs.Object) {
	f := &m.action.RelatedFileInfo
	if !m.Object(m.files, f.Value) {
		return
	}
	m.about.Fill(vendor.Object(f.Own))
	m.Keep(m.files)
	if algorithm, hash := mapping.Hash(m.file.Identifier.Text()); hash != "" {
		m.related.hashes.Add(hash)
		root.Object("file").Object("hash").Set(algorithm, ecs.Text(hash))
	}
}
