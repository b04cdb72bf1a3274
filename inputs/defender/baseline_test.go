package defender

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

const baselinePrefix = "microsoft_defender_endpoint.baseline."

// everyBaseline has a value in every member that the API struct names.
const everyBaseline = `{"id":"9EAF3A_profile_1.1.1","configurationId":"1.1.1","deviceId":"9EAF3A","deviceName":"WS-101.Corp.example","profileId":"profile","osPlatform":"Windows10",
"osVersion":"10.0.19045","rbacGroupId":86,"rbacGroupName":"Workstations","isApplicable":true,"isCompliant":true,"dataCollectionTimeOffset":"2026-03-01T21:08:25.917Z",
"complianceCalculationTimeOffset":"2026-03-02T02:14:06.1Z","recommendedValue":["24"],"currentValue":["0"],"source":["password_hist_len"]}`

// TestBaselineTable has one row per row of MAPPING.md 4.6 and 11.3, and target.
func TestBaselineTable(t *testing.T) {
	checkRows(t, oneOf(t, baselineResource, configOf(baselineResource), everyBaseline), slices.Concat(postureRows, []fieldRow{
		{"constant", "event.kind", "event"},
		{"constant", "data_stream.dataset", "microsoft_defender_endpoint.baseline"},
		{"dataCollectionTimeOffset", "event.created", "2026-03-01T21:08:25.917Z"},
		{"complianceCalculationTimeOffset", baselinePrefix + "compliance_calculation_time_offset", "2026-03-02T02:14:06.100Z"},
		{"id", "event.id", "9EAF3A_profile_1.1.1"},
		{"osPlatform", "resource.sub_type", "Windows10"},
		{"osPlatform", "host.os.platform", "Windows10"},
		{"osPlatform, osVersion", "host.os.name", "Windows10 10.0.19045"},
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
		{"nothing", baselinePrefix + "unknown", nil},
	}))
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
		if got := named(t, m, c.profile, c.configuration); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.configuration, c.profile, got, c.want)
		}
	}
	names.Forget()
	if got := named(t, m, "p10", "2.2"); got != "2.2, , , , " {
		t.Errorf("names that were forgotten: %q", got)
	}
}

// named is what a row's document says of its rule and profile.
func named(t *testing.T, m *mapping.Mapper, profile, configuration string) string {
	t.Helper()
	var texts []string
	m.Read(fmt.Appendf(nil, `{"id":"x","profileId":%q,"configurationId":%q}`, profile, configuration), nil)
	if _, err := m.Documents(func(d *ecs.Document) error {
		for _, path := range []string{"rule.name", "rule.section", "rule.benchmark.name", "rule.benchmark.version", baselinePrefix + "profile_name"} {
			text := ""
			if v := d.Get(path); v.Present() {
				text = v.String()
			}
			texts = append(texts, text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(texts, ", ")
}
