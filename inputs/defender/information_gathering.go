package defender

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// informationGatheringResource reads what Defender gathers of machines, its
// antivirus above all [get-assessment-information-gathering.md].
var informationGatheringResource = &resource{
	name:       "information_gathering",
	dataset:    "microsoft_defender_endpoint.information_gathering",
	files:      "/api/machines/InfoGatheringExport",
	strategy:   odata.Assessment,
	epoch:      odata.Once,
	permission: "Vulnerability.Read.All",
	interval:   12 * time.Hour,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-information_gathering"},
	vendor:     mapping.Vendor{Path: [...]string{module, "information_gathering"}, Snake: true},
	newMapper:  newInformationGatheringMapper,
}

// informationGathering is one row of a file: a machine (API.md 8.5). Unknown members
// are kept.
type informationGathering struct {
	DeviceID      mapping.Field `json:"deviceId"`           // 40 hex
	DeviceName    mapping.Field `json:"deviceName"`         // nullable
	OSPlatform    mapping.Field `json:"osPlatform"`         // Windows10, Linux...
	OSVersion     mapping.Field `json:"osVersion"`          // 10.0.19045.2486
	RBACGroupID   mapping.Field `json:"rbacGroupId"`        // number
	RBACGroupName mapping.Field `json:"rbacGroupName"`      // nullable
	Timestamp     mapping.Field `json:"timestamp"`          // of the row, with a blank
	LastSeenTime  mapping.Field `json:"lastSeenTime"`       // of the machine, with a blank
	Gathered      mapping.Field `json:"deviceGatheredInfo"` // gatheredInfo, as the text of its JSON
}

// informationGatheringMapper maps rows as MAPPING.md 4.7 says, one document each.
type informationGatheringMapper struct {
	*mapping.Envelope
	portal  portal
	row     informationGathering
	info    gatheredInfo
	related related

	rows, infos *mapping.Decoder
	duplicates  mapping.Table // of the vendor's object: what ECS has too
	rest        mapping.Table // of the vendor's object: what ECS has no field for
	gathered    mapping.Table // of the vendor's part of what was gathered
}

func newInformationGatheringMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &informationGatheringMapper{Envelope: e, portal: portalOf(c)}
	r := &m.row
	m.rows = e.Decoder("", r).Fold()
	m.infos = e.Decoder("deviceGatheredInfo", &m.info).Fold()
	m.duplicates = e.Duplicates(mapping.Table{
		mapping.Own(&r.DeviceID, m.Text),
		mapping.Own(&r.DeviceName, m.Text),
		mapping.Own(&r.OSVersion, m.Text),
		mapping.Own(&r.RBACGroupName, m.Text),
		mapping.Own(&r.Timestamp, m.Milliseconds),
	})
	m.rest = mapping.Table{
		mapping.Own(&r.OSPlatform, m.Text),
		mapping.Own(&r.RBACGroupID, m.Text),
		mapping.To("last_seen", &r.LastSeenTime, m.Milliseconds),
	}
	m.gathered = m.info.table(e)
	return m
}

// Read implements mapping.RecordMapper.
func (m *informationGatheringMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.Decode(m.rows, record); err != nil {
		return "", time.Time{}, err
	}
	gathered, _ := m.row.Timestamp.Time()
	return m.row.DeviceID.Text(), gathered, nil
}

// Documents implements mapping.RecordMapper.
func (m *informationGatheringMapper) Documents(emit func() error) error {
	r := &m.row
	m.related.reset()
	root, event := m.Begin()
	setAssessment(root, event, "event")
	event.Set("category", m.Doc.Texts("host", "configuration"))
	event.Set("type", m.Doc.Texts("info"))
	event.Set("id", m.Text(&r.DeviceID))
	event.Set("created", m.Milliseconds(&r.Timestamp))
	event.Set("url", m.portal.page("machines", r.DeviceID.Text(), m.Account()))
	m.setHost(root)
	vendor := m.Vendor()
	m.duplicates.Fill(vendor)
	m.rest.Fill(vendor)
	m.setGathered(vendor)
	m.Keep(m.rows)
	m.related.set(&m.Doc, root.Object("related"))
	m.Finish(m.FirstTime(&r.Timestamp, &r.LastSeenTime), []byte(r.DeviceID.Text()))
	return emit()
}

// setHost maps the machine. The operating system is as in version 4.13.0 of Elastic's
// package: its platform is the family where that is known.
func (m *informationGatheringMapper) setHost(root *ecs.Object) {
	r := &m.row
	setMachine(m.Envelope, root, &r.DeviceID, &r.DeviceName, m.Account())
	system := root.Object("host").Object("os")
	name, version, family := m.Text(&r.OSPlatform), m.Text(&r.OSVersion), ecs.Text(osType(r.OSPlatform.Text()))
	system.Set("name", name)
	system.Set("version", version)
	if name.Present() && version.Present() {
		system.Set("full", m.Short(r.OSPlatform.Text()+" "+r.OSVersion.Text()))
	}
	system.Set("platform", name)
	system.Set("platform", family)
	system.Set("type", family)
	setGroup(m.Envelope, root, &r.RBACGroupID, &r.RBACGroupName)
	m.related.host(r.DeviceID.Text())
	m.related.host(r.DeviceName.Text())
}

// setGathered maps what was gathered: JSON in a text. What is none is a fault, and
// in the original.
func (m *informationGatheringMapper) setGathered(vendor *ecs.Object) {
	f := &m.row.Gathered
	if mapping.Blank(f.Value) {
		return
	}
	info := f.Value
	if info.Kind() == '"' {
		info = mapping.Repair(raw(ecs.Unquote(info)))
		if !mapping.Valid(info) {
			m.Note(f, "not JSON")
			return
		}
	}
	if m.Object(m.infos, info) {
		m.gathered.Fill(vendor.Object("device_gathered_info"))
		m.Keep(m.infos)
	}
}
