package defender

import (
	"slices"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

const configurationPrefix = "microsoft_defender_endpoint.configuration."

// everyConfiguration has a value in every member that the API struct names.
const everyConfiguration = `{"deviceId":"9EAF3A","deviceName":"WS-101.Corp.example","osPlatform":"Windows10 and Windows 11","osVersion":"10.0.19045","timestamp":"2026-03-02 01:21:27.864",
"configurationId":"scid-20","configurationName":"Turn on real-time protection","configurationCategory":"Security controls","configurationSubcategory":"Antivirus","configurationImpact":9,
"isCompliant":false,"isApplicable":true,"isExpectedUserImpact":true,"rbacGroupId":86,"rbacGroupName":"Workstations","recommendationReference":"sca-_-scid-20"}`

// TestConfigurationTable has one row per row of MAPPING.md 4.5 and 11.3, and target.
func TestConfigurationTable(t *testing.T) {
	checkRows(t, oneOf(t, configurationResource, configOf(configurationResource), everyConfiguration), configurationRows)
}

// postureRows say what everyConfiguration and everyBaseline become alike: both lists
// hold a machine against a rule.
var postureRows = []fieldRow{
	{"constant", "event.category", []any{"configuration"}},
	{"constant", "event.type", []any{"info"}},
	{"constant", "observer.vendor", "Microsoft"},
	{"constant", "observer.product", "Microsoft Defender for Endpoint"},
	{"constant", "cloud.provider", "azure"},
	{"the tenant", "cloud.account.id", "a839b112-1253-4432-9bf6-94542403f21c"},
	{"the sweep", "@timestamp", "2026-03-02T10:00:00.000Z"},
	{"deviceId", "host.id", "9EAF3A"},
	{"deviceId", "cloud.instance.id", "9EAF3A"},
	{"deviceId", "resource.id", "9EAF3A"},
	{"deviceId", "event.url", "https://security.microsoft.com/machines/9EAF3A?tid=a839b112-1253-4432-9bf6-94542403f21c"},
	{"deviceName", "host.hostname", "WS-101.Corp.example"},
	{"deviceName", "host.name", "ws-101.corp.example"},
	{"deviceName", "resource.name", "WS-101.Corp.example"},
	{"deviceId, deviceName", "related.hosts", []any{"9eaf3a", "ws-101.corp.example"}},
	{"constant", "resource.type", "host"},
	{"osPlatform", "host.os.type", "windows"},
	{"osVersion", "host.os.version", "10.0.19045"},
	{"rbacGroupId", "group.id", "86"},
	{"rbacGroupName", "group.name", "Workstations"},
	{"nothing", "error", nil},
}

// configurationRows say what everyConfiguration becomes.
var configurationRows = slices.Concat(postureRows, []fieldRow{
	{"constant", "event.kind", "state"},
	{"constant", "data_stream.dataset", "microsoft_defender_endpoint.configuration"},
	{"timestamp", "event.created", "2026-03-02T01:21:27.864Z"},
	{"timestamp", configurationPrefix + "timestamp", "2026-03-02T01:21:27.864Z"},
	{"deviceId and configurationId", "event.id", "9EAF3A_scid-20"},
	{"osPlatform", "resource.sub_type", "Windows10 and Windows 11"},
	{"osPlatform", "host.os.platform", []any{"Windows10", "Windows 11"}},
	{"osPlatform", configurationPrefix + "os_platform", "Windows10 and Windows 11"},
	{"isCompliant, isApplicable", "result.evaluation", "failed"},
	{"isCompliant, isApplicable", "event.outcome", "failure"},
	{"isCompliant", configurationPrefix + "is_compliant", false},
	{"isApplicable", configurationPrefix + "is_applicable", true},
	{"isExpectedUserImpact", configurationPrefix + "is_expected_user_impact", true},
	{"configurationId", "rule.id", "scid-20"},
	{"configurationId", "rule.uuid", "scid-20"},
	{"configurationId", "rule.benchmark.rule_number", "scid-20"},
	{"constant", "rule.benchmark.id", "secure-configuration-assessment"},
	{"constant", "rule.benchmark.name", "Microsoft secure configuration assessment"},
	{"configurationName", "rule.name", "Turn on real-time protection"},
	{"configurationName", "message", "Turn on real-time protection"},
	{"configurationCategory", "rule.section", "Security controls"},
	{"configurationCategory", "rule.category", "Security controls"},
	{"configurationCategory", configurationPrefix + "configuration_category", "Security controls"},
	{"configurationSubcategory", configurationPrefix + "configuration_subcategory", "Antivirus"},
	{"configurationImpact", configurationPrefix + "configuration_impact", 9.0},
	{"recommendationReference", configurationPrefix + "recommendation_reference", "sca-_-scid-20"},
	{"nothing", configurationPrefix + "unknown", nil},
	{"nothing", "host.os.name", nil},
})

func TestConfigurationDuplicates(t *testing.T) {
	checkDuplicates(t, configurationResource, everyConfiguration, []fieldRow{
		{"deviceId", "device_id", "9EAF3A"},
		{"deviceName", "device_name", "WS-101.Corp.example"},
		{"osVersion", "os_version", "10.0.19045"},
		{"configurationId", "configuration_id", "scid-20"},
		{"configurationName", "configuration_name", "Turn on real-time protection"},
		{"rbacGroupId", "rbac_group_id", "86"},
		{"rbacGroupName", "rbac_group_name", "Workstations"},
	})
}

func TestConfigurationPlatforms(t *testing.T) {
	for platform, want := range map[string]any{
		"Windows10":                []any{"Windows10"},
		"Windows10 and Windows 11": []any{"Windows10", "Windows 11"},
		"Windows10 Windows11":      []any{"Windows10", "Windows11"},
	} {
		document := oneOf(t, configurationResource, configOf(configurationResource), `{"deviceId":"a","osPlatform":"`+platform+`"}`)
		got := field(t, document, "host.os.platform")
		if text, ok := got.(string); ok {
			got = []any{text}
		}
		if !equal(got, want) {
			t.Errorf("%s: got %v, want %v", platform, got, want)
		}
	}
}

// TestPostureIsStoredOnceADay: the id of a row is its key's, its content's and the
// epoch's, which is the day of the sweep; when in the day it was read, or how it was
// written, tells nothing.
func TestPostureIsStoredOnceADay(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for r, records := range map[*resource][2]string{
		configurationResource: {`{"deviceId":"d","configurationId":"scid-1","isCompliant":true,"deviceName":null}`, `{"ConfigurationId":"scid-1","DeviceId":"d","IsCompliant":true}`},
		baselineResource:      {`{"id":"d_p_1","configurationId":"1","isCompliant":true}`, `{"Id":"d_p_1","IsCompliant":true,"ConfigurationId":"1"}`},
	} {
		m := newMapper(r, configOf(r), someAgent, someTime, nil)
		read := func(day string, started time.Time, record string) (id string, at time.Time) {
			m.Begin(mapping.Sweep{Epoch: []byte(day), Started: started, Whole: true})
			m.Read(raw(record), nil)
			if _, err := m.Documents(func(d *ecs.Document) error { id, at = d.ID, d.Timestamp; return nil }); err != nil {
				t.Fatal(err)
			}
			return id, at
		}
		first, at := read("2026-03-02", noon, records[0])
		if !at.Equal(noon) {
			t.Errorf("%s: @timestamp %s, want the sweep's %s", r.name, at, noon)
		}
		if again, _ := read("2026-03-02", noon.Add(time.Hour), records[1]); again != first {
			t.Errorf("%s: stored twice on a day", r.name)
		}
		if tomorrow, _ := read("2026-03-03", noon.AddDate(0, 0, 1), records[0]); tomorrow == first {
			t.Errorf("%s: not stored on the next day", r.name)
		}
		changed := records[0][:len(records[0])-1] + `,"isApplicable":false}`
		if other, _ := read("2026-03-02", noon, changed); other == first {
			t.Errorf("%s: a change is not stored", r.name)
		}
	}
}
