package defender

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// machineDocument maps one machine to its one document, with the copies of ECS
// fields where duplicates is set.
func machineDocument(t *testing.T, record string, duplicates bool) string {
	t.Helper()
	c := configOf(machineResource)
	c.PreserveDuplicateCustomFields = duplicates
	documents := mapRecord(t, machineResource, c, []byte(record))
	if len(documents) != 1 {
		t.Fatalf("%d documents, want 1", len(documents))
	}
	return documents[0]
}

func machineID(t *testing.T, document string) string {
	t.Helper()
	var hit struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal([]byte(document), &hit); err != nil {
		t.Fatal(err)
	}
	return hit.ID
}

const machineRecord = `{"id":"0e23","mergedIntoMachineId":"1f34","isPotentialDuplication":true,"isExcluded":false,"exclusionReason":"Duplicate device",
"computerDnsName":"WS-042.Corp.example","firstSeen":"2025-11-05T11:54:59.5717001Z","lastSeen":"2026-03-02T02:51:57.9999999Z",
"osPlatform":"Windows11","osVersion":"10.0","osProcessor":"x64","osArchitecture":"64-bit","osBuild":22631,"version":"23H2","agentVersion":"10.8790",
"lastIpAddress":"10.20.30.40","lastExternalIpAddress":"203.0.113.10","healthStatus":"Active","onboardingStatus":"Onboarded",
"rbacGroupId":140,"rbacGroupName":"Finance","riskScore":"None","exposureLevel":"Medium","deviceValue":"High","isAadJoined":true,"aadDeviceId":"80fe",
"machineTags":["vip","tier 1"],"managedBy":"Intune","managedByStatus":"Success",
"ipAddresses":[{"ipAddress":"10.20.30.40","macAddress":"00005e0053ff","type":"Ethernet","operationalStatus":"Up"},
{"ipAddress":"2001:db8::1","macAddress":"00005E0053FF","type":"Ethernet","operationalStatus":"Up"},
{"ipAddress":"127.0.0.1","macAddress":null,"type":"SoftwareLoopback","operationalStatus":"Up"}],
"vmMetadata":{"vmId":"ca1b","cloudProvider":"Azure","resourceId":"/subscriptions/8700/vm","subscriptionId":"8700"}}`

// machineRows has a row for each row of MAPPING.md 4.2. A target with a dot
// in front is under the vendor's prefix, any other is ECS.
var machineRows = []struct {
	source, target string
	want           any
}{
	{"id", "host.id", "0e23"},
	{"id", ".id", "0e23"},
	{"aadDeviceId", "device.id", "80fe"},
	{"aadDeviceId", ".aad_device_id", "80fe"},
	{"computerDnsName", "host.hostname", "WS-042.Corp.example"},
	{"computerDnsName", "host.name", "ws-042.corp.example"},
	{"computerDnsName", ".computer_dns_name", "WS-042.Corp.example"},
	{"names", "related.hosts", []any{"80fe", "ws-042.corp.example", "0e23"}},
	{"osPlatform", "host.os.platform", "Windows11"},
	{"osPlatform", "host.os.type", "windows"},
	{"osPlatform", ".os_platform", "Windows11"},
	{"version", "host.os.version", "23H2"},
	{"version", "host.os.name", "Windows11 23H2"},
	{"version", ".version", "23H2"},
	{"osProcessor", "host.architecture", "x86_64"},
	{"osProcessor", ".os_processor", "x64"},
	{"rbacGroupId", "group.id", "140"},
	{"rbacGroupId", ".rbac_group_id", "140"},
	{"rbacGroupName", "group.name", "Finance"},
	{"rbacGroupName", ".rbac_group_name", "Finance"},
	{"riskScore", "host.risk.calculated_level", "None"},
	{"riskScore", ".risk_score", "None"},
	{"lastExternalIpAddress", "host.ip", []any{"203.0.113.10"}},
	{"lastExternalIpAddress", ".last_external_ip_address", "203.0.113.10"},
	{"lastIpAddress", ".last_ip_address", "10.20.30.40"},
	{"ipAddresses", "related.ip", []any{"10.20.30.40", "2001:db8::1", "127.0.0.1", "203.0.113.10"}},
	{"ipAddresses", ".ip_addresses", []any{
		map[string]any{"ip_address": "10.20.30.40", "mac_address": "00-00-5E-00-53-FF", "operational_status": "Up", "type": "Ethernet"},
		map[string]any{"ip_address": "2001:db8::1", "mac_address": "00-00-5E-00-53-FF", "operational_status": "Up", "type": "Ethernet"},
		map[string]any{"ip_address": "127.0.0.1", "operational_status": "Up", "type": "SoftwareLoopback"},
	}},
	{"firstSeen", ".first_seen", "2025-11-05T11:54:59.571Z"},
	{"lastSeen", ".last_seen", "2026-03-02T02:51:57.999Z"},
	{"isAadJoined", ".is_aad_joined", true},
	{"isExcluded", ".is_excluded", false},
	{"isPotentialDuplication", ".is_potential_duplication", true},
	{"osBuild", ".os_build", 22631},
	{"osVersion", ".os_version", "10.0"},
	{"mergedIntoMachineId", ".merged_into_machine_id", "1f34"},
	{"agentVersion", ".agent_version", "10.8790"},
	{"deviceValue", ".device_value", "High"},
	{"exclusionReason", ".exclusion_reason", "Duplicate device"},
	{"exposureLevel", ".exposure_level", "Medium"},
	{"healthStatus", ".health_status", "Active"},
	{"machineTags", ".machine_tags", []any{"vip", "tier 1"}},
	{"managedBy", ".managed_by", "Intune"},
	{"managedByStatus", ".managed_by_status", "Success"},
	{"onboardingStatus", ".onboarding_status", "Onboarded"},
	{"osArchitecture", ".os_architecture", "64-bit"},
	{"vmMetadata.cloudProvider", ".vm_metadata.cloud_provider", "Azure"},
	{"vmMetadata.resourceId", ".vm_metadata.resource_id", "/subscriptions/8700/vm"},
	{"vmMetadata.subscriptionId", ".vm_metadata.subscription_id", "8700"},
	{"vmMetadata.vmId", ".vm_metadata.vm_id", "ca1b"},
	{"constant", "observer.vendor", "Microsoft"},
	{"constant", "observer.product", "Defender for Endpoint"},
	{"constant", "event.kind", "event"},
	{"constant", "event.category", []any{"host"}},
	{"constant", "event.type", []any{"info"}},
	{"constant", "event.dataset", "microsoft_defender_endpoint.machine"},
	{"id", "event.id", "0e23"},
	{"none", "event.created", nil},
	{"none", "host.geo", nil},
	{"none", "error", nil},
}

func TestMachineTable(t *testing.T) {
	document := machineDocument(t, machineRecord, true)
	for _, row := range machineRows {
		t.Run(row.source+" to "+row.target, func(t *testing.T) {
			if got := machineField(t, document, row.target); !equal(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

// machineField is field, with a leading dot for the vendor's prefix.
func machineField(t *testing.T, document, path string) any {
	t.Helper()
	if strings.HasPrefix(path, ".") {
		path = "microsoft_defender_endpoint.machine" + path
	}
	return field(t, document, path)
}

// TestMachineDuplicateFields: what ECS holds is not kept twice unless asked for.
func TestMachineDuplicateFields(t *testing.T) {
	document := machineDocument(t, machineRecord, false)
	for _, name := range []string{
		".id", ".aad_device_id", ".computer_dns_name", ".os_platform", ".version", ".os_processor",
		".rbac_group_id", ".rbac_group_name", ".risk_score", ".last_external_ip_address",
	} {
		if got := machineField(t, document, name); got != nil {
			t.Errorf("%s is %v, want it removed", name, got)
		}
	}
	for _, name := range []string{".last_ip_address", ".last_seen", ".is_excluded", ".os_build", ".ip_addresses", ".vm_metadata", "host.id", "host.os.name"} {
		if machineField(t, document, name) == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestMachineTimestamp(t *testing.T) {
	const now = "2026-03-02T10:00:00.000Z" // as mapRecord has it
	for record, want := range map[string]string{
		`{"id":"a","firstSeen":"2025-11-05T11:54:59Z","lastSeen":"2026-03-01T01:02:03.4567891Z"}`: "2026-03-01T01:02:03.456Z",
		`{"id":"a","firstSeen":"2025-11-05T11:54:59Z","lastSeen":null}`:                           "2025-11-05T11:54:59.000Z",
		`{"id":"a","firstSeen":"2025-11-05T11:54:59Z","lastSeen":"never"}`:                        "2025-11-05T11:54:59.000Z",
		`{"id":"a","firstSeen":"2025-11-05T11:54:59Z","lastSeen":"0001-01-01T00:00:00Z"}`:         "2025-11-05T11:54:59.000Z",
		`{"id":"a"}`: now,
	} {
		if got := machineField(t, machineDocument(t, record, false), "@timestamp"); got != want {
			t.Errorf("%s: got %v, want %s", record, got, want)
		}
	}
}

// TestMachineID: equal for the same content, another for any change of it.
func TestMachineID(t *testing.T) {
	const record = `{"id":"a","lastSeen":"2026-03-01T01:02:03Z","riskScore":"Low"}`
	id := machineID(t, machineDocument(t, record, false))
	if again := machineID(t, machineDocument(t, record, true)); again != id {
		t.Errorf("the same machine has the ids %s and %s", id, again)
	}
	changed := strings.Replace(record, "Low", "High", 1)
	if other := machineID(t, machineDocument(t, changed, false)); other == id {
		t.Error("a changed machine has the same id")
	}
}

// The repairs of faults in the integration.

func TestMachineVMMetadataIsReadUnderItsRealName(t *testing.T) {
	document := machineDocument(t, `{"id":"a","vmMetadata":{"vmId":"ca1b","cloudProvider":"AWS"}}`, false)
	if got, want := machineField(t, document, ".vm_metadata"), map[string]any{"vm_id": "ca1b", "cloud_provider": "AWS"}; !equal(got, want) {
		t.Errorf("vm_metadata is %v, want %v", got, want)
	}
}

func TestMachineHostNameIsLowerCase(t *testing.T) {
	document := machineDocument(t, `{"id":"a","computerDnsName":"WS-042.Corp"}`, false)
	for path, want := range map[string]any{"host.name": "ws-042.corp", "host.hostname": "WS-042.Corp", "related.hosts": []any{"ws-042.corp", "a"}} {
		if got := machineField(t, document, path); !equal(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

func TestMachineMAC(t *testing.T) {
	document := machineDocument(t, `{"id":"a","ipAddresses":[{"macAddress":"00005e0053ff"},{"macAddress":"00:00:5E:00:53:FF"},
{"macAddress":"000000000000"},{"macAddress":null},{"macAddress":""},{"macAddress":"0200.5e10.0000.0001"}]}`, false)
	if got, want := machineField(t, document, "host.mac"), []any{"00-00-5E-00-53-FF", "02-00-5E-10-00-00-00-01"}; !equal(got, want) {
		t.Errorf("host.mac is %v, want %v", got, want)
	}
	want := []any{
		map[string]any{"mac_address": "00-00-5E-00-53-FF"}, map[string]any{"mac_address": "00-00-5E-00-53-FF"},
		map[string]any{"mac_address": "00-00-00-00-00-00"}, map[string]any{"mac_address": "02-00-5E-10-00-00-00-01"},
	}
	if got := machineField(t, document, ".ip_addresses"); !equal(got, want) {
		t.Errorf("ip_addresses is %v, want %v", got, want)
	}
	if got := machineField(t, document, "error.message"); got != nil {
		t.Errorf("error.message is %v", got)
	}
}

// TestMachineHostIPIsTheExternalOne: as upstream; a machine without one has no
// host.ip, no matter what its interfaces have.
func TestMachineHostIPIsTheExternalOne(t *testing.T) {
	document := machineDocument(t, `{"id":"a","lastIpAddress":"10.0.0.2","ipAddresses":[{"ipAddress":"10.0.0.1"}]}`, false)
	if got := machineField(t, document, "host.ip"); got != nil {
		t.Errorf("host.ip is %v", got)
	}
	if got, want := machineField(t, document, "related.ip"), []any{"10.0.0.1", "10.0.0.2"}; !equal(got, want) {
		t.Errorf("related.ip is %v, want %v", got, want)
	}
}

func TestMachineEmptyIPsAreSkipped(t *testing.T) {
	document := machineDocument(t, `{"id":"a","lastIpAddress":"","lastExternalIpAddress":"","ipAddresses":[{"ipAddress":"","type":"Ethernet"},{"ipAddress":""}]}`, true)
	for _, path := range []string{"error", "host.ip", "related.ip", ".last_ip_address", ".last_external_ip_address"} {
		if got := machineField(t, document, path); got != nil {
			t.Errorf("%s is %v", path, got)
		}
	}
	if got, want := machineField(t, document, ".ip_addresses"), []any{map[string]any{"type": "Ethernet"}}; !equal(got, want) {
		t.Errorf("ip_addresses is %v, want %v", got, want)
	}
}

func TestMachineUnknownMembersAreKept(t *testing.T) {
	document := machineDocument(t, `{"id":"a","healthStatus":"Active","defenderAvStatus":"Updated","isAADNew":false,"none":null,
"@odata.type":"#machine","HealthStatus":"other","nested":{"innerName":[1]},"ipAddresses":[{"ipAddress":"10.0.0.1","linkSpeed":1000}]}`, false)
	for path, want := range map[string]any{
		".unknown": map[string]any{
			"defenderAvStatus": "Updated", "isAADNew": "false", "@odata.type": "#machine", "HealthStatus": "other",
			"nested": `{"innerName":[1]}`, "ipAddresses.linkSpeed": "1000",
		},
		".health_status": "Active",
		".ip_addresses":  []any{map[string]any{"ip_address": "10.0.0.1"}},
		"error":          nil,
	} {
		if got := machineField(t, document, path); !equal(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

func TestMachineOSType(t *testing.T) {
	for platform, want := range map[string]any{
		"Windows11": "windows", "WindowsServer2019": "windows", "RedHatEnterpriseLinux": "linux", "macOS": "macos", "iOS": "ios",
		"Android": "android", "Unix": "unix", "Ubuntu": "linux", "CentOS": "linux", "Unknown": nil, "": nil,
	} {
		document := machineDocument(t, `{"id":"a","osPlatform":"`+platform+`"}`, false)
		if got := machineField(t, document, "host.os.type"); got != want {
			t.Errorf("%q: got %v, want %v", platform, got, want)
		}
		if got := machineField(t, document, "host.os.name"); got != nil {
			t.Errorf("%q: host.os.name is %v without a version", platform, got)
		}
	}
}

// TestMachineTolerantTypes: values of another JSON type that still say the same.
func TestMachineTolerantTypes(t *testing.T) {
	document := machineDocument(t, `{"id":"a","isExcluded":"False","isAadJoined":"true","osBuild":"22631","rbacGroupId":0,"version":23,"machineTags":"vip",
"ipAddresses":{"ipAddress":"10.0.0.1"}}`, true)
	for path, want := range map[string]any{
		".is_excluded": false, ".is_aad_joined": true, ".os_build": 22631, "group.id": "0", ".rbac_group_id": "0", "host.os.version": "23",
		".machine_tags": []any{"vip"}, "related.ip": []any{"10.0.0.1"}, "error": nil,
	} {
		if got := machineField(t, document, path); !equal(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// TestMachineMalformedValues: published all the same, the field named, the
// original kept, the rest mapped.
func TestMachineMalformedValues(t *testing.T) {
	for members, fault := range map[string]string{
		`"aadDeviceId":{}`:                      "aadDeviceId: want text, got an object",
		`"computerDnsName":["a"]`:               "computerDnsName: want text, got a list",
		`"osPlatform":{"a":1}`:                  "osPlatform: want text, got an object",
		`"rbacGroupId":[0]`:                     "rbacGroupId: want text, got a list",
		`"firstSeen":"yesterday"`:               "firstSeen: want a date, got text",
		`"lastSeen":20260302`:                   "lastSeen: want a date, got a number",
		`"isExcluded":"perhaps"`:                "isExcluded: want a boolean, got text",
		`"isAadJoined":1`:                       "isAadJoined: want a boolean, got a number",
		`"isPotentialDuplication":{}`:           "isPotentialDuplication: want a boolean, got an object",
		`"osBuild":"many"`:                      "osBuild: want a whole number, got text",
		`"osBuild":1e300`:                       "osBuild: want a whole number, got a number",
		`"osBuild":1.5`:                         "osBuild: want a whole number, got a number",
		`"lastIpAddress":"10.20.30"`:            "lastIpAddress: not an IP address",
		`"lastExternalIpAddress":7`:             "lastExternalIpAddress: want an IP address, got a number",
		`"ipAddresses":[["10.0.0.1"]]`:          "ipAddresses: want an object, got a list",
		`"ipAddresses":[[]]`:                    "ipAddresses: want an object, got a list",
		`"ipAddresses":[{"macAddress":"0000"}]`: "ipAddresses.macAddress: not a MAC address",
		`"ipAddresses":[{"macAddress":{}}]`:     "ipAddresses.macAddress: want text, got an object",
		`"ipAddresses":[{"type":[]}]`:           "ipAddresses.type: want text, got a list",
		`"machineTags":[{"a":1}]`:               "machineTags: want text, got an object",
		`"vmMetadata":"Azure"`:                  "vmMetadata: want an object, got text",
		`"vmMetadata":{"vmId":[1]}`:             "vmMetadata.vmId: want text, got a list",
	} {
		t.Run(members, func(t *testing.T) {
			record := `{"id":"a","riskScore":"Low",` + members + `}`
			document := machineDocument(t, record, false)
			for path, want := range map[string]any{
				"error.message": []any{fault}, "event.original": record, "event.kind": "pipeline_error", "host.id": "a", "host.risk.calculated_level": "Low",
			} {
				if got := machineField(t, document, path); !equal(got, want) {
					t.Errorf("%s is %v, want %v", path, got, want)
				}
			}
		})
	}
}

// TestMachineMapperForgets: nothing of one machine gets into the next.
func TestMachineMapperForgets(t *testing.T) {
	const last = `{"id":"c","lastSeen":"2026-03-01T00:00:00Z"}`
	got, want := machineLast(t, machineRecord, `{"id":"b","osBuild":"many"}`, last), machineLast(t, last)
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// machineLast maps records one after the other with one mapper and returns the
// last document.
func machineLast(t *testing.T, records ...string) (document string) {
	t.Helper()
	m := newMapper(machineResource, configOf(machineResource), someAgent, someTime, nil)
	for _, record := range records {
		m.Read(compact(t, []byte(record)), nil)
		if _, err := m.Documents(func(d *ecs.Document) error {
			document = d.ID + string(d.AppendJSON(nil))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return document
}
