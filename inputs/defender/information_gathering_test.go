package defender

import (
	"encoding/json"
	"testing"
)

const gatheringPrefix = "microsoft_defender_endpoint.information_gathering."

// everyInfo has a value in every member that the API struct names.
const everyInfo = `{"AvMode":"4","AvModeDataRefreshTime":"2026-03-02 04:10:00","AvEngineVersion":"1.1","AvEngineRing":"Current","AvEnginePublishTime":"2026-02-27 17:01:12",
"AvEngineUpdateTime":"2026-02-28 03:10:31","AvIsEngineUptodate":"True","IsAvEngineLoaded":true,"AvPlatformVersion":"4.18","AvPlatformRing":"Preview","AvPlatformPublishTime":"2026-02-20 10:00:00",
"AvPlatformUpdateTime":"2026-02-22 01:00:31","AvPlatformExpirationTime":"2026-06-20 10:00:00","AvIsPlatformUptodate":"False","AvSignatureVersion":"1.405","AvSignatureRing":"Staged",
"AvSignaturePublishTime":"2026-03-01 19:42:30","AvSignatureUpdateTime":"2026-03-01 23:21:05","AvSignatureDataRefreshTime":"2026-03-02 04:11:00","AvIsSignatureUptoDate":"False",
"AvScanResults":{"Quick":"Completed"},"QuickScanResult":"Completed","QuickScanError":"0x0","QuickScanTime":"2026-03-01 12:00:00","FullScanResult":"Failed","FullScanError":"0x80508023",
"FullScanTime":"2026-02-01 12:00:00","CloudProtectionState":"1","EBPFStatus":"Enabled","Bootiful_Mind_status":"none","WdavorHeartbeatEventType":"3","LocalCveScannerExecuted":"No",
"Log4j_CVE_2021_44228":"NotAffected","Log4JHandlersModified":"False","Log4JEnvironmentVariableMitigation":"Set","Spring4Shell_CVE_2022_22965":"Affected"}`

func gatheringRow(t *testing.T, info string) string {
	t.Helper()
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return `{"DeviceId":"9EAF3A","DeviceName":"WS-101.Corp.example","OsPlatform":"Windows10","OsVersion":"10.0.19045","RbacGroupId":86,"RbacGroupName":"Workstations",` +
		`"Timestamp":"2026-03-02 05:00:10","LastSeenTime":"2026-03-02 04:31:00","DeviceGatheredInfo":` + string(text) + `}`
}

// TestInformationGatheringTable has one row per row of MAPPING.md 4.7 and target.
func TestInformationGatheringTable(t *testing.T) {
	document := oneOf(t, informationGatheringResource, configOf(informationGatheringResource), gatheringRow(t, everyInfo))
	checkRows(t, document, []fieldRow{
		{"constant", "event.kind", "event"},
		{"constant", "event.category", []any{"host", "configuration"}},
		{"constant", "event.type", []any{"info"}},
		{"constant", "observer.vendor", "Microsoft"},
		{"constant", "observer.product", "Microsoft Defender for Endpoint"},
		{"constant", "cloud.provider", "azure"},
		{"constant", "data_stream.dataset", "microsoft_defender_endpoint.information_gathering"},
		{"the tenant", "cloud.account.id", "a839b112-1253-4432-9bf6-94542403f21c"},
		{"Timestamp", "@timestamp", "2026-03-02T05:00:10.000Z"},
		{"Timestamp", "event.created", "2026-03-02T05:00:10.000Z"},
		{"LastSeenTime", gatheringPrefix + "last_seen", "2026-03-02T04:31:00.000Z"},
		{"DeviceId", "event.id", "9EAF3A"},
		{"DeviceId", "host.id", "9EAF3A"},
		{"DeviceId", "cloud.instance.id", "9EAF3A"},
		{"DeviceId", "event.url", "https://security.microsoft.com/machines/9EAF3A?tid=a839b112-1253-4432-9bf6-94542403f21c"},
		{"DeviceName", "host.hostname", "WS-101.Corp.example"},
		{"DeviceName", "host.name", "ws-101.corp.example"},
		{"DeviceId, DeviceName", "related.hosts", []any{"9eaf3a", "ws-101.corp.example"}},
		{"OsPlatform", "host.os.name", "Windows10"},
		{"OsPlatform", "host.os.platform", "windows"},
		{"OsPlatform", "host.os.type", "windows"},
		{"OsPlatform", gatheringPrefix + "os_platform", "Windows10"},
		{"OsVersion", "host.os.version", "10.0.19045"},
		{"OsPlatform, OsVersion", "host.os.full", "Windows10 10.0.19045"},
		{"RbacGroupId", "group.id", "86"},
		{"RbacGroupId", gatheringPrefix + "rbac_group_id", "86"},
		{"RbacGroupName", "group.name", "Workstations"},
		{"nothing", "error", nil},
		{"nothing", gatheringPrefix + "unknown", nil},
	})
}

// TestGatheredInfoTable: the text's JSON is taken apart, under the names that
// Elastic's package declares.
func TestGatheredInfoTable(t *testing.T) {
	rows := []fieldRow{
		{"AvMode", "av_mode", "4"},
		{"AvMode", "av_mode_name", "EDRBlocked"},
		{"AvModeDataRefreshTime", "av_mode_data_refresh_time", "2026-03-02T04:10:00.000Z"},
		{"AvEngineVersion", "av_engine_version", "1.1"},
		{"AvEngineRing", "av_engine_ring", "Current"},
		{"AvEnginePublishTime", "av_engine_publish_time", "2026-02-27T17:01:12.000Z"},
		{"AvEngineUpdateTime", "av_engine_update_time", "2026-02-28T03:10:31.000Z"},
		{"AvIsEngineUptodate", "av_is_engine_up_to_date", true},
		{"IsAvEngineLoaded", "is_av_engine_loaded", true},
		{"AvPlatformVersion", "av_platform_version", "4.18"},
		{"AvPlatformRing", "av_platform_ring", "Preview"},
		{"AvPlatformPublishTime", "av_platform_publish_time", "2026-02-20T10:00:00.000Z"},
		{"AvPlatformUpdateTime", "av_platform_update_time", "2026-02-22T01:00:31.000Z"},
		{"AvPlatformExpirationTime", "av_platform_expiration_time", "2026-06-20T10:00:00.000Z"},
		{"AvIsPlatformUptodate", "av_is_platform_up_to_date", false},
		{"AvSignatureVersion", "av_signature_version", "1.405"},
		{"AvSignatureRing", "av_signature_ring", "Staged"},
		{"AvSignaturePublishTime", "av_signature_publish_time", "2026-03-01T19:42:30.000Z"},
		{"AvSignatureUpdateTime", "av_signature_update_time", "2026-03-01T23:21:05.000Z"},
		{"AvSignatureDataRefreshTime", "av_signature_data_refresh_time", "2026-03-02T04:11:00.000Z"},
		{"AvIsSignatureUptoDate", "av_is_signature_up_to_date", false},
		{"AvScanResults", "av_scan_results", `{"Quick":"Completed"}`},
		{"QuickScanResult", "quick_scan_result", "Completed"},
		{"QuickScanError", "quick_scan_error", "0x0"},
		{"QuickScanTime", "quick_scan_time", "2026-03-01T12:00:00.000Z"},
		{"FullScanResult", "full_scan_result", "Failed"},
		{"FullScanError", "full_scan_error", "0x80508023"},
		{"FullScanTime", "full_scan_time", "2026-02-01T12:00:00.000Z"},
		{"CloudProtectionState", "cloud_protection_state", "1"},
		{"EBPFStatus", "ebpf_status", "Enabled"},
		{"Bootiful_Mind_status", "bootiful_mind_status", "none"},
		{"WdavorHeartbeatEventType", "wdavor_heartbeat_event_type", "3"},
		{"LocalCveScannerExecuted", "local_cve_scanner_executed", "No"},
		{"Log4j_CVE_2021_44228", "log4j_cve_2021_44228", "NotAffected"},
		{"Log4JHandlersModified", "log4j_handlers_modified", "False"},
		{"Log4JEnvironmentVariableMitigation", "log4j_environment_variable_mitigation", "Set"},
		{"Spring4Shell_CVE_2022_22965", "spring4shell_cve_2022_22965", "Affected"},
	}
	for i := range rows {
		rows[i].target = gatheringPrefix + "device_gathered_info." + rows[i].target
	}
	checkRows(t, oneOf(t, informationGatheringResource, configOf(informationGatheringResource), gatheringRow(t, everyInfo)), rows)
	if want := len(membersOf(&gatheredInfo{})) + 1; len(rows) != want {
		t.Errorf("%d rows for %d targets", len(rows), want)
	}
}

func TestInformationGatheringDuplicates(t *testing.T) {
	checkDuplicates(t, informationGatheringResource, gatheringRow(t, `{}`), []fieldRow{
		{"DeviceId", "device_id", "9EAF3A"},
		{"DeviceName", "device_name", "WS-101.Corp.example"},
		{"OsVersion", "os_version", "10.0.19045"},
		{"RbacGroupName", "rbac_group_name", "Workstations"},
		{"Timestamp", "timestamp", "2026-03-02T05:00:10.000Z"},
	})
}

// TestGatheredInfoFaults: what the text holds is judged like any member, and what is
// not known there is kept.
func TestGatheredInfoFaults(t *testing.T) {
	c := configOf(informationGatheringResource)
	for info, want := range map[string]any{
		`{"AvEngineUpdateTime":"soon"}`: []any{"deviceGatheredInfo.avEngineUpdateTime: want a date, got text"},
		`{"IsAvEngineLoaded":3}`:        []any{"deviceGatheredInfo.isAvEngineLoaded: want a boolean, got a number"},
		`[1]`:                           []any{"deviceGatheredInfo: want an object, got a list"},
		`{"AvMode":`:                    []any{"deviceGatheredInfo: not JSON"},
		`soon`:                          []any{"deviceGatheredInfo: not JSON"},
	} {
		checkRows(t, oneOf(t, informationGatheringResource, c, gatheringRow(t, info)), []fieldRow{
			{info, "error.message", want}, {info, "event.kind", "pipeline_error"}, {info, "event.original", gatheringRow(t, info)},
		})
	}
	checkRows(t, oneOf(t, informationGatheringResource, c, gatheringRow(t, `{"New":{"x":1},"AvMode":"9"}`)), []fieldRow{
		{"New", gatheringPrefix + "unknown", map[string]any{"deviceGatheredInfo.New": `{"x":1}`}},
		{"AvMode", gatheringPrefix + "device_gathered_info", map[string]any{"av_mode": "9"}},
		{"nothing", "error", nil},
	})
}
