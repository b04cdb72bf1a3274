package defender

import (
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// baselineResource reads how machines comply with the profiles of security baselines
// [export-security-baseline-assessment.md].
var baselineResource = &resource{
	name:       "baseline",
	dataset:    "microsoft_defender_endpoint.baseline",
	path:       "/api/machines/baselineComplianceAssessmentByMachine",
	files:      "/api/machines/BaselineComplianceAssessmentExport",
	lookups:    []string{baselineProfiles, baselineConfigurations},
	strategy:   odata.Assessment,
	epoch:      odata.Daily,
	permission: "SecurityBaselinesAssessment.Read.All",
	licence:    "Defender Vulnerability Management",
	family:     assessmentLists,
	interval:   12 * time.Hour,
	tags:       []string{"forwarded", "microsoft_defender_endpoint-baseline"},
	vendor:     mapping.Vendor{Path: [...]string{module, "baseline"}, Snake: true},
	newMapper:  newBaselineMapper,
}

// baseline is one row: a machine and a configuration of a profile (API.md 8.5).
// Unknown members are kept.
type baseline struct {
	ID                        mapping.Field `json:"id"`                              // opaque; the machine in it may be another
	ConfigurationID           mapping.Field `json:"configurationId"`                 // 1.1.1
	ProfileID                 mapping.Field `json:"profileId"`                       // GUID
	DeviceID                  mapping.Field `json:"deviceId"`                        // 40 hex
	DeviceName                mapping.Field `json:"deviceName"`                      // nullable
	OSPlatform                mapping.Field `json:"osPlatform"`                      // Windows10
	OSVersion                 mapping.Field `json:"osVersion"`                       // 10.0.19045.2486
	RBACGroupID               mapping.Field `json:"rbacGroupId"`                     // number
	RBACGroupName             mapping.Field `json:"rbacGroupName"`                   // nullable
	IsApplicable              mapping.Field `json:"isApplicable"`                    // boolean
	IsCompliant               mapping.Field `json:"isCompliant"`                     // boolean
	DataCollectionTime        mapping.Field `json:"dataCollectionTimeOffset"`        // timestamp; absent where nothing was collected
	ComplianceCalculationTime mapping.Field `json:"complianceCalculationTimeOffset"` // timestamp; absent in the page's example
	RecommendedValue          mapping.List  `json:"recommendedValue"`                // list of text, though the page says text
	CurrentValue              mapping.List  `json:"currentValue"`                    // list of text
	Source                    mapping.List  `json:"source"`                          // list of text: where the value was read
}

// baselineMapper maps rows as MAPPING.md 4.6 says, and to findings of a posture
// (11.3), one document each. Names are of the lists of profiles and configurations.
type baselineMapper struct {
	*mapping.Envelope
	portal  portal
	row     baseline
	related related
	names   *baselineNames

	rows       *mapping.Decoder
	duplicates mapping.Table // of the vendor's object: what ECS has too
	rest       mapping.Table // of the vendor's object: what ECS has no field for
}

func newBaselineMapper(e *mapping.Envelope, c Config) mapping.RecordMapper {
	m := &baselineMapper{Envelope: e, portal: portalOf(c), names: newBaselineNames(e)}
	r := &m.row
	m.rows = e.Decoder("", r).Fold()
	m.duplicates = e.Duplicates(mapping.Table{
		mapping.Own(&r.ID, m.Text),
		mapping.Own(&r.ConfigurationID, m.Text),
		mapping.Own(&r.DeviceID, m.Text),
		mapping.Own(&r.DeviceName, m.Text),
		mapping.Own(&r.OSPlatform, m.Text),
		mapping.Own(&r.OSVersion, m.Text),
		mapping.Own(&r.RBACGroupID, m.Text),
		mapping.Own(&r.RBACGroupName, m.Text),
		mapping.Own(&r.DataCollectionTime, m.Milliseconds),
	})
	m.rest = mapping.Table{
		mapping.Own(&r.ProfileID, m.Text),
		mapping.Own(&r.IsApplicable, m.Boolean),
		mapping.Own(&r.IsCompliant, m.Boolean),
		mapping.Own(&r.ComplianceCalculationTime, m.Milliseconds),
		e.OwnList(&r.RecommendedValue, m.JSONText),
		e.OwnList(&r.CurrentValue, m.JSONText),
		e.OwnList(&r.Source, m.JSONText),
	}
	return m
}

// Read implements mapping.RecordMapper.
func (m *baselineMapper) Read(record raw) (string, time.Time, error) {
	m.Start(record)
	if err := m.Decode(m.rows, record); err != nil {
		return "", time.Time{}, err
	}
	calculated, _ := m.row.ComplianceCalculationTime.Time()
	return m.row.ID.Text(), calculated, nil
}

// Documents implements mapping.RecordMapper.
func (m *baselineMapper) Documents(emit func() error) error {
	r := &m.row
	m.related.reset()
	root, event := m.Begin()
	setAssessment(root, event, "event")
	event.Set("category", m.Doc.Texts("configuration"))
	event.Set("type", m.Doc.Texts("info"))
	event.Set("id", m.Text(&r.ID))
	event.Set("created", m.Milliseconds(&r.DataCollectionTime))
	event.Set("url", m.portal.page("machines", r.DeviceID.Text(), m.Account()))
	m.setHost(root)
	setPosture(root, event, posture{applicable: &r.IsApplicable, compliant: &r.IsCompliant})
	setResource(m.Envelope, root, &r.DeviceID, &r.DeviceName).Set("sub_type", m.Text(&r.OSPlatform))
	vendor := m.Vendor()
	m.setRule(root, vendor)
	m.duplicates.Fill(vendor)
	m.rest.Fill(vendor)
	m.Keep(m.rows)
	m.related.set(&m.Doc, root.Object("related"))
	m.Finish(m.Began(), []byte(r.ID.Text()))
	return emit()
}

func (m *baselineMapper) setHost(root *ecs.Object) {
	r := &m.row
	setMachine(m.Envelope, root, &r.DeviceID, &r.DeviceName, m.Account())
	setSystem(m.Envelope, root.Object("host"), &r.OSPlatform, &r.OSVersion)
	setGroup(m.Envelope, root, &r.RBACGroupID, &r.RBACGroupName)
	m.related.host(r.DeviceID.Text())
	m.related.host(r.DeviceName.Text())
}

// setRule maps the configuration, which is the rule, and the profile, which is what
// the machine is held against: one configuration can be in several. A rule without
// a name has its number for one.
func (m *baselineMapper) setRule(root, vendor *ecs.Object) {
	r := &m.row
	rule := root.Object("rule")
	id := m.Text(&r.ConfigurationID)
	profile, definition := m.names.find(r.ProfileID.Text(), r.ConfigurationID.Text())
	rule.Set("id", id)
	rule.Set("uuid", id)
	rule.Set("name", id)
	rule.Set("name", ecs.Text(definition.name))
	rule.Set("category", ecs.Text(definition.category))
	rule.Set("section", ecs.Text(definition.category))
	benchmark := rule.Object("benchmark")
	benchmark.Set("id", m.Text(&r.ProfileID))
	benchmark.Set("name", ecs.Text(definition.benchmark))
	benchmark.Set("name", ecs.Text(profile.benchmark))
	benchmark.Set("version", ecs.Text(definition.version))
	benchmark.Set("version", ecs.Text(profile.version))
	benchmark.Set("rule_number", id)
	vendor.Set("profile_name", ecs.Text(profile.name))
	root.Set("message", ecs.Text(definition.name))
}

// Forget implements mapping.Definer.
func (m *baselineMapper) Forget() { m.names.forget() }

// Define implements mapping.Definer.
func (m *baselineMapper) Define(list string, element raw) { m.names.add(list, element) }
