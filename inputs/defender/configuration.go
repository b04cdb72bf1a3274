package defender

import (
	"strings"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// configurationResource reads how machines comply with Microsoft's secure
// configuration [get-assessment-secure-config.md].
var configurationResource = &resource{
	name:       "configuration",
	dataset:    "microsoft_defender_endpoint.configuration",
	path:       "/api/machines/SecureConfigurationsAssessmentByMachine",
	files:      "/api/machines/SecureConfigurationsAssessmentExport",
	strategy:   odata.Assessment,
	epoch:      odata.Daily,
	permission: "Vulnerability.Read.All",
	family:     assessmentLists,
	interval:   12 * time.Hour,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-configuration"},
	vendor:     mapping.Vendor{Path: [...]string{module, "configuration"}, Snake: true},
	newMapper:  newConfigurationMapper,
}

// configuration is one row: a machine and one of the configurations that it is
// held against (API.md 8.5). Unknown members are kept.
type configuration struct {
	DeviceID                mapping.Field `json:"deviceId"`                 // 40 hex
	DeviceName              mapping.Field `json:"deviceName"`               // null in the page's examples
	OSPlatform              mapping.Field `json:"osPlatform"`               // Windows10, also several in words: Windows10 and Windows 11
	OSVersion               mapping.Field `json:"osVersion"`                // also NT kernel 6.x
	Timestamp               mapping.Field `json:"timestamp"`                // when the machine was looked at, with a blank
	ConfigurationID         mapping.Field `json:"configurationId"`          // scid-10000
	ConfigurationName       mapping.Field `json:"configurationName"`        // text
	ConfigurationCategory   mapping.Field `json:"configurationCategory"`    // Application, OS, Network, Accounts, Security controls
	Subcategory             mapping.Field `json:"configurationSubcategory"` // text, also ""
	ConfigurationImpact     mapping.Field `json:"configurationImpact"`      // number, 1 to 10
	IsCompliant             mapping.Field `json:"isCompliant"`              // boolean
	IsApplicable            mapping.Field `json:"isApplicable"`             // boolean
	IsExpectedUserImpact    mapping.Field `json:"isExpectedUserImpact"`     // boolean
	RBACGroupID             mapping.Field `json:"rbacGroupId"`              // number, undocumented
	RBACGroupName           mapping.Field `json:"rbacGroupName"`            // nullable
	RecommendationReference mapping.Field `json:"recommendationReference"`  // sca-_-scid-10000
}

// configurationMapper maps rows as MAPPING.md 4.5 says, and to findings of a
// posture (11.3), one document each.
type configurationMapper struct {
	*mapping.Envelope
	portal  portal
	row     configuration
	key     string // of the row: see Read
	related related

	rows       *mapping.Decoder
	duplicates mapping.Table // of the vendor's object: what ECS has too
	rest       mapping.Table // of the vendor's object: what ECS has no field for
}

func newConfigurationMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &configurationMapper{Envelope: e, portal: portalOf(c)}
	r := &m.row
	m.rows = e.Decoder("", r).Fold()
	m.duplicates = e.Duplicates(mapping.Table{
		mapping.Own(&r.DeviceID, m.Text),
		mapping.Own(&r.DeviceName, m.Text),
		mapping.Own(&r.OSVersion, m.Text),
		mapping.Own(&r.ConfigurationID, m.Text),
		mapping.Own(&r.ConfigurationName, m.Text),
		mapping.Own(&r.RBACGroupID, m.Text),
		mapping.Own(&r.RBACGroupName, m.Text),
	})
	m.rest = mapping.Table{
		mapping.Own(&r.OSPlatform, m.Text),
		mapping.Own(&r.Timestamp, m.Milliseconds),
		mapping.Own(&r.ConfigurationCategory, m.Text),
		mapping.Own(&r.Subcategory, m.Text),
		mapping.Own(&r.ConfigurationImpact, m.Long),
		mapping.Own(&r.IsCompliant, m.Boolean),
		mapping.Own(&r.IsApplicable, m.Boolean),
		mapping.Own(&r.IsExpectedUserImpact, m.Boolean),
		mapping.Own(&r.RecommendationReference, m.Text),
	}
	return m
}

// Read implements mapping.RecordMapper. A machine has a row for each
// configuration: both make its id.
func (m *configurationMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.Decode(m.rows, record); err != nil {
		return "", time.Time{}, err
	}
	device, rule := m.row.DeviceID.Text(), m.row.ConfigurationID.Text()
	switch {
	case device == "":
		m.key = rule
	case rule == "":
		m.key = device
	default:
		m.key = device + "_" + rule
	}
	seen, _ := m.row.Timestamp.Time()
	return m.key, seen, nil
}

// Documents implements mapping.RecordMapper.
func (m *configurationMapper) Documents(emit func() error) error {
	r := &m.row
	m.related.reset()
	root, event := m.Begin()
	setAssessment(root, event, "state")
	event.Set("category", m.Doc.Texts("configuration"))
	event.Set("type", m.Doc.Texts("info"))
	event.Set("id", m.Short(m.key))
	event.Set("created", m.Milliseconds(&r.Timestamp))
	event.Set("url", m.portal.page("machines", r.DeviceID.Text(), m.Account()))
	m.setHost(root)
	setPosture(root, event, posture{applicable: &r.IsApplicable, compliant: &r.IsCompliant})
	setResource(m.Envelope, root, &r.DeviceID, &r.DeviceName).Set("sub_type", m.Text(&r.OSPlatform))
	m.setRule(root)
	vendor := m.Vendor()
	m.duplicates.Fill(vendor)
	m.rest.Fill(vendor)
	m.Keep(m.rows)
	m.related.set(&m.Doc, root.Object("related"))
	m.Finish(m.Began(), []byte(m.key))
	return emit()
}

// setHost maps the machine. Its platform can be several, which ECS has as a list
// in Elastic's package: Kibana takes both.
func (m *configurationMapper) setHost(root *ecs.Object) {
	r := &m.row
	setMachine(m.Envelope, root, &r.DeviceID, &r.DeviceName, m.Account())
	system := root.Object("host").Object("os")
	system.Set("platform", m.platforms(&r.OSPlatform))
	system.Set("type", ecs.Text(osType(r.OSPlatform.Text())))
	system.Set("version", m.Text(&r.OSVersion))
	setGroup(m.Envelope, root, &r.RBACGroupID, &r.RBACGroupName)
	m.related.host(r.DeviceID.Text())
	m.related.host(r.DeviceName.Text())
}

// platforms takes apart what names several platforms, as Elastic's package does:
// at the word and, else at blanks.
func (m *configurationMapper) platforms(f *mapping.Field) ecs.Value {
	whole := m.Text(f)
	text := f.Text()
	if !strings.Contains(text, " ") {
		return whole
	}
	if strings.Contains(text, " and ") {
		return m.Doc.Texts(strings.Split(text, " and ")...)
	}
	return m.Doc.Texts(strings.Fields(text)...)
}

// setRule maps what the machine is held against.
func (m *configurationMapper) setRule(root *ecs.Object) {
	r := &m.row
	rule := root.Object("rule")
	id, name, category := m.Text(&r.ConfigurationID), m.Text(&r.ConfigurationName), m.Text(&r.ConfigurationCategory)
	rule.Set("id", id)
	rule.Set("uuid", id)
	rule.Set("name", name)
	rule.Set("category", category)
	rule.Set("section", category)
	benchmark := rule.Object("benchmark")
	benchmark.Set("id", ecs.Text("secure-configuration-assessment"))
	benchmark.Set("name", ecs.Text("Microsoft secure configuration assessment"))
	benchmark.Set("rule_number", id)
	root.Set("message", name)
}
