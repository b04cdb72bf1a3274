package defender

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// alertResource reads /api/alerts [get-alerts.md].
var alertResource = &resource{
	name:       "alert",
	dataset:    "microsoft_defender_endpoint.log",
	path:       "/api/alerts",
	strategy:   odata.Timeline,
	expand:     "evidence",
	updated:    "lastUpdateTime",
	permission: "Alert.Read.All",
	interval:   time.Minute,
	tags:       []string{"microsoft-defender-endpoint", "forwarded"},
	vendor:     mapping.Vendor{Path: [...]string{"microsoft", "defender_endpoint"}},
	sets:       []string{"evidence"},
	sentinels:  []string{"-", "N/A"},
	newMapper:  newAlertMapper,
}

// alert is one element of /api/alerts (API.md 3.3). Unknown members
// are kept.
type alert struct {
	ID                 mapping.Field `json:"id"`                 // text
	IncidentID         mapping.Field `json:"incidentId"`         // int64, nullable
	InvestigationID    mapping.Field `json:"investigationId"`    // int64, nullable
	AssignedTo         mapping.Field `json:"assignedTo"`         // UPN or a service's name, nullable
	Severity           mapping.Field `json:"severity"`           // UnSpecified, Informational, Low, Medium, High
	Status             mapping.Field `json:"status"`             // Unknown, New, InProgress, Resolved
	Classification     mapping.Field `json:"classification"`     // open set, nullable
	Determination      mapping.Field `json:"determination"`      // open set, nullable
	InvestigationState mapping.Field `json:"investigationState"` // open set, nullable
	DetectionSource    mapping.Field `json:"detectionSource"`    // open set
	Category           mapping.Field `json:"category"`           // a MITRE tactic or a kind of threat; open set, also the text "null"
	ThreatFamilyName   mapping.Field `json:"threatFamilyName"`   // nullable
	ThreatName         mapping.Field `json:"threatName"`         // nullable
	DetectorID         mapping.Field `json:"detectorId"`         // GUID; absent in old data
	Title              mapping.Field `json:"title"`
	Description        mapping.Field `json:"description"`       // any length, several lines, nullable
	CreationTime       mapping.Field `json:"alertCreationTime"` // timestamp
	FirstEventTime     mapping.Field `json:"firstEventTime"`    // timestamp
	LastEventTime      mapping.Field `json:"lastEventTime"`     // timestamp
	LastUpdateTime     mapping.Field `json:"lastUpdateTime"`    // timestamp on the 1/300 s grid
	ResolvedTime       mapping.Field `json:"resolvedTime"`      // timestamp, nullable
	MachineID          mapping.Field `json:"machineId"`         // 40 hex
	ComputerDNSName    mapping.Field `json:"computerDnsName"`   // mixed case, nullable
	RBACGroupName      mapping.Field `json:"rbacGroupName"`     // nullable
	AADTenantID        mapping.Field `json:"aadTenantId"`       // GUID
	MITRETechniques    mapping.List  `json:"mitreTechniques"`   // list of technique ids
	RelatedUser        mapping.Field `json:"relatedUser"`       // relatedUser, or text as its page says; nullable
	LoggedOnUsers      mapping.List  `json:"loggedOnUsers"`     // list of loggedOnUser
	Domains            mapping.List  `json:"domains"`           // list of domain; empty in today's samples
	Comments           mapping.List  `json:"comments"`          // list of comment
	Evidence           mapping.List  `json:"evidence"`          // list of evidence
}

type relatedUser struct {
	UserName   mapping.Field `json:"userName"`
	DomainName mapping.Field `json:"domainName"`
}

type loggedOnUser struct {
	AccountName mapping.Field `json:"accountName"`
	DomainName  mapping.Field `json:"domainName"`
}

type comment struct {
	Comment     mapping.Field `json:"comment"`
	CreatedBy   mapping.Field `json:"createdBy"`
	CreatedTime mapping.Field `json:"createdTime"` // timestamp
	CreateTime  mapping.Field `json:"createTime"`  // the documentation's spelling of the same
}

// domain and technique are what elements of domains and mitreTechniques were in
// earlier years; today they are text, which is taken for the member.
type (
	domain struct {
		Host mapping.Field `json:"host"`
	}
	technique struct {
		ID mapping.Field `json:"id"`
	}
)

// alertMapper maps alerts as MAPPING.md 4.1 says, one document per evidence
// item or one per alert. What goes into the fields of ECS is in alert_ecs.go,
// one function for each group; what makes documents of an alert, in
// alert_documents.go.
type alertMapper struct {
	*mapping.Envelope
	whole         bool // evidence: whole
	updateIsFirst bool // timestamp_source: update

	alert     alert
	evidence  evidence
	user      relatedUser
	loggedOn  loggedOnUser
	comment   comment
	domain    domain
	technique technique

	alerts, evidences, users           *mapping.Decoder
	loggedOns, notes, domains, attacks *mapping.Decoder
	event, vendor                      mapping.Table // of the alert
	loggedOnFields, commentFields      mapping.Table // of the elements of its lists
	evidenceFields                     mapping.Table // of an evidence item
	foreignFields                      mapping.Table // of one of a type that is not this API's

	portal   portal
	id, part []byte
	time     time.Time // of all documents of the alert
	related  related   // of the document
	attack   techniques

	hasUser bool   // the alert names a related user
	person  bool   // the document's evidence names a user
	hive    string // that the item's registry key begins with
	// hashes are the item's members sha1 and sha256 by the form of what they have.
	hashes [2]struct{ algorithm, text string }

	categories, types mapping.Union
	names             mapping.Union // of techniques
	arguments         []string
}

func newAlertMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &alertMapper{Envelope: e, whole: c.Evidence == "whole", updateIsFirst: c.TimestampSource == "update", portal: portalOf(c)}
	m.alerts = e.Decoder("", &m.alert)
	m.evidences = e.Decoder("evidence", &m.evidence)
	m.users = e.Decoder("relatedUser", &m.user).OrScalar(&m.user.UserName)
	m.loggedOns = e.Decoder("loggedOnUsers", &m.loggedOn).OrScalar(&m.loggedOn.AccountName)
	m.notes = e.Decoder("comments", &m.comment).OrScalar(&m.comment.Comment)
	m.domains = e.Decoder("domains", &m.domain).OrScalar(&m.domain.Host)
	m.attacks = e.Decoder("mitreTechniques", &m.technique).OrScalar(&m.technique.ID)
	m.event, m.vendor = m.eventFields(), m.vendorFields()
	m.loggedOnFields = mapping.Table{
		mapping.Own(&m.loggedOn.AccountName, m.Text),
		mapping.Own(&m.loggedOn.DomainName, m.Text),
	}
	m.commentFields = mapping.Table{
		mapping.Own(&m.comment.Comment, m.Text),
		mapping.Own(&m.comment.CreatedBy, m.Text),
		mapping.Own(&m.comment.CreatedTime, m.Date),
	}
	m.evidenceFields, m.foreignFields = m.evidenceRest(), m.evidenceWhole()
	if m.whole {
		m.evidenceFields = m.foreignFields
	} else {
		m.alert.Evidence.Most = maxItems
	}
	return m
}

// vendorFields keep what has no ECS field.
func (m *alertMapper) vendorFields() mapping.Table {
	a := &m.alert
	return mapping.Table{
		mapping.Own(&a.IncidentID, m.Text),
		mapping.Own(&a.InvestigationID, m.Text),
		mapping.Own(&a.LastUpdateTime, m.Date),
		mapping.Own(&a.ResolvedTime, m.Date),
		mapping.Own(&a.AssignedTo, m.Text),
		mapping.Own(&a.Severity, m.Text),
		mapping.Own(&a.Status, m.Text),
		mapping.Own(&a.Classification, m.Text),
		mapping.Own(&a.Determination, m.Text),
		mapping.Own(&a.InvestigationState, m.Text),
		mapping.Own(&a.ThreatFamilyName, m.Text),
		mapping.Own(&a.RBACGroupName, m.Text),
		mapping.Own(&a.MITRETechniques.Field, m.techniques),
		mapping.Own(&a.DetectorID, m.Text),
		mapping.Own(&a.ThreatName, m.Text),
		m.OwnList(&a.LoggedOnUsers, m.loggedOnUser),
		m.OwnList(&a.Domains, m.domainHost),
		m.OwnList(&a.Comments, m.commentObject),
	}
}

// Read implements mapping.RecordMapper.
func (m *alertMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.Decode(m.alerts, record); err != nil {
		return "", time.Time{}, err
	}
	updated, _ := m.alert.LastUpdateTime.Time()
	return m.alert.ID.Text(), updated, nil
}

func (m *alertMapper) techniques(*mapping.Field) ecs.Value {
	return m.alert.MITRETechniques.OneOrMany(m.attack.given)
}

func (m *alertMapper) techniqueID(element raw) ecs.Value {
	if !m.Object(m.attacks, element) {
		return ecs.Value{}
	}
	m.Keep(m.attacks)
	m.attack.add(m.technique.ID.Text())
	return m.TextAs(m.alert.MITRETechniques.Name, m.technique.ID.Value)
}

func (m *alertMapper) domainHost(element raw) ecs.Value {
	if !m.Object(m.domains, element) {
		return ecs.Value{}
	}
	m.Keep(m.domains)
	m.related.host(m.domain.Host.Text())
	return m.TextAs(m.alert.Domains.Name, m.domain.Host.Value)
}

func (m *alertMapper) loggedOnUser(element raw) ecs.Value {
	if !m.Object(m.loggedOns, element) {
		return ecs.Value{}
	}
	item := m.Doc.NewObject()
	m.loggedOnFields.Fill(item.Object())
	m.related.users.Add(m.loggedOn.AccountName.Text())
	m.Keep(m.loggedOns)
	return item
}

func (m *alertMapper) commentObject(element raw) ecs.Value {
	if !m.Object(m.notes, element) {
		return ecs.Value{}
	}
	m.comment.CreatedTime.Default(&m.comment.CreateTime)
	item := m.Doc.NewObject()
	m.commentFields.Fill(item.Object())
	m.Keep(m.notes)
	return item
}
