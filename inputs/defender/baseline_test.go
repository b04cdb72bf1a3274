package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

const baselinePrefix = "microsoft_defender_endpoint.baseline."

// everyBaseline has a value in every member that the API struct names.
const everyBaseline = `{"id":"9EAF3A_profile_1.1.1","configurationId":"1.1.1","deviceId":"9EAF3A","deviceName":"WS-101.Corp.example","profileId":"profile","osPlatform":"Windows10",
"osVersion":"10.0.19045","rbacGroupId":86,"rbacGroupName":"Workstations","isApplicable":true,"isCompliant":true,"dataCollectionTimeOffset":"2026-03-01T21:08:25.917Z",
"complianceCalculationTimeOffset":"2026-03-02T02:14:06.1Z","recommendedValue":["24"],"currentValue":["0"],"source":["password_hist_len"]}`

// TestBaselineTable has one row per row of MAPPING.md 4.6 and 11.3, and target.
func TestBaselineTable(t *testing.T) {
	checkRows(t, oneOf(t, baselineResource, configOf(baselineResource), everyBaseline), []fieldRow{
		{"constant", "event.kind", "event"},
		{"constant", "event.category", []any{"configuration"}},
		{"constant", "event.type", []any{"info"}},
		{"constant", "observer.vendor", "Microsoft"},
		{"constant", "observer.product", "Microsoft Defender for Endpoint"},
		{"constant", "cloud.provider", "azure"},
		{"constant", "data_stream.dataset", "microsoft_defender_endpoint.baseline"},
		{"the tenant", "cloud.account.id", "a839b112-1253-4432-9bf6-94542403f21c"},
		{"the sweep", "@timestamp", "2026-03-02T10:00:00.000Z"},
		{"dataCollectionTimeOffset", "event.created", "2026-03-01T21:08:25.917Z"},
		{"complianceCalculationTimeOffset", baselinePrefix + "compliance_calculation_time_offset", "2026-03-02T02:14:06.100Z"},
		{"id", "event.id", "9EAF3A_profile_1.1.1"},
		{"deviceId", "host.id", "9EAF3A"},
		{"deviceId", "cloud.instance.id", "9EAF3A"},
		{"deviceId", "resource.id", "9EAF3A"},
		{"deviceId", "event.url", "https://security.microsoft.com/machines/9EAF3A?tid=a839b112-1253-4432-9bf6-94542403f21c"},
		{"deviceName", "host.hostname", "WS-101.Corp.example"},
		{"deviceName", "host.name", "ws-101.corp.example"},
		{"deviceName", "resource.name", "WS-101.Corp.example"},
		{"deviceId, deviceName", "related.hosts", []any{"9eaf3a", "ws-101.corp.example"}},
		{"constant", "resource.type", "host"},
		{"osPlatform", "resource.sub_type", "Windows10"},
		{"osPlatform", "host.os.platform", "Windows10"},
		{"osPlatform", "host.os.type", "windows"},
		{"osVersion", "host.os.version", "10.0.19045"},
		{"osPlatform, osVersion", "host.os.name", "Windows10 10.0.19045"},
		{"rbacGroupId", "group.id", "86"},
		{"rbacGroupName", "group.name", "Workstations"},
		{"isCompliant, isApplicable", "result.evaluation", "passed"},
		{"isCompliant, isApplicable", "event.outcome", "success"},
		{"isCompliant", baselinePrefix + "is_compliant", true},
		{"isApplicable", baselinePrefix + "is_applicable", true},
		{"configurationId", "rule.id", "1.1.1"},
		{"configurationId", "rule.uuid", "1.1.1"},
		{"configurationId", "rule.benchmark.rule_number", "1.1.1"},
		{"configurationId", "rule.name", "1.1.1"},
		{"profileId", "rule.benchmark.id", "profile"},
		{"profileId", baselinePrefix + "profile_id", "profile"},
		{"recommendedValue", baselinePrefix + "recommended_value", []any{"24"}},
		{"currentValue", baselinePrefix + "current_value", []any{"0"}},
		{"source", baselinePrefix + "source", []any{"password_hist_len"}},
		{"nothing", "error", nil},
		{"nothing", baselinePrefix + "unknown", nil},
	})
}

func TestBaselineDuplicates(t *testing.T) {
	checkDuplicates(t, baselineResource, everyBaseline, []fieldRow{
		{"id", "id", "9EAF3A_profile_1.1.1"},
		{"configurationId", "configuration_id", "1.1.1"},
		{"deviceId", "device_id", "9EAF3A"},
		{"deviceName", "device_name", "WS-101.Corp.example"},
		{"osPlatform", "os_platform", "Windows10"},
		{"osVersion", "os_version", "10.0.19045"},
		{"rbacGroupId", "rbac_group_id", "86"},
		{"rbacGroupName", "rbac_group_name", "Workstations"},
		{"dataCollectionTimeOffset", "data_collection_time_offset", "2026-03-01T21:08:25.917Z"},
	})
}

// TestBaselineNames are joined by the id of the configuration and, where several
// benchmarks have that, by the benchmark of the profile. Without one, nothing is
// guessed.
func TestBaselineNames(t *testing.T) {
	m := newMapper(baselineResource, configOf(baselineResource), someAgent, someTime, nil)
	names := m.Definer()
	named := func(record string) (rule, category, benchmark, version, profile string) {
		m.Read(raw(record), nil)
		if _, err := m.Documents(func(d *ecs.Document) error {
			text := func(path string) string {
				if v := d.Get(path); v.Present() {
					return v.String()
				}
				return ""
			}
			rule, category, benchmark = text("rule.name"), text("rule.section"), text("rule.benchmark.name")
			version, profile = text("rule.benchmark.version"), text(baselinePrefix+"profile_name")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return
	}
	for list, elements := range map[string][]string{
		baselineProfiles: {
			`{"id":"p10","name":"Our Windows 10","benchmark":"CIS","version":"1.4.0"}`,
			`{"Id":"p11","Name":"Our Windows 11","BenchmarkName":"STIG","BenchmarkVersion":"2"}`,
			`{"id":"p12","name":""}`, `{"name":"nobody"}`, `17`, `null`,
		},
		baselineConfigurations: {
			`{"id":"1.1.1","name":"Password history","category":"Accounts","benchmarkName":"CIS","benchmarkVersion":"1.4.0"}`,
			`{"id":"1.1.1","name":"Something else","category":"Audit","benchmark":"STIG","version":"2"}`,
			`{"id":"2.2","name":"Alone","category":"Network","benchmark":"CIS","version":"1.4.0"}`,
			`{"id":"guid-3","uniqueName":"3.3","name":"By its other name"}`,
			`{"id":"4.4","name":"One","benchmark":"CIS","version":"1.4.0"}`,
			`{"id":"4.4","name":"Another","benchmark":"CIS","version":"1.4.0"}`,
		},
	} {
		for _, element := range elements {
			names.Define(list, raw(element))
		}
	}
	for _, c := range []struct{ profile, configuration, want string }{
		{"p10", "1.1.1", "Password history, Accounts, CIS, 1.4.0, Our Windows 10"},
		{"p11", "1.1.1", "Something else, Audit, STIG, 2, Our Windows 11"},
		{"other", "1.1.1", "1.1.1, , , , "},
		{"other", "2.2", "Alone, Network, CIS, 1.4.0, "},
		{"p11", "3.3", "By its other name, , STIG, 2, Our Windows 11"},
		{"p10", "4.4", "4.4, , CIS, 1.4.0, Our Windows 10"},
		{"p12", "5.5", "5.5, , , , "},
	} {
		rule, category, benchmark, version, profile := named(fmt.Sprintf(`{"id":"x","profileId":%q,"configurationId":%q}`, c.profile, c.configuration))
		if got := strings.Join([]string{rule, category, benchmark, version, profile}, ", "); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.configuration, c.profile, got, c.want)
		}
	}
	names.Forget()
	if rule, _, _, _, _ := named(`{"id":"x","profileId":"p10","configurationId":"2.2"}`); rule != "2.2" {
		t.Errorf("a name that was forgotten: %q", rule)
	}
}
