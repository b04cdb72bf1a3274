package defender

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// alertTable are records, and the encoded value of one field of their documents.
var alertTable = []struct{ name, record, path, want string }{
	{"constant cloud.provider", `{}`, "cloud.provider", `"azure"`},
	{"constant event.kind", `{}`, "event.kind", `"alert"`},
	{"constant event.timezone", `{}`, "event.timezone", `"UTC"`},
	{"constant event.provider", `{}`, "event.provider", `"defender_endpoint"`},
	{"constant observer.product", `{}`, "observer.product", `"Defender for Endpoint"`},
	{"constant observer.vendor", `{}`, "observer.vendor", `"Microsoft"`},
	{"alertCreationTime", `{"alertCreationTime":"2021-01-26T20:31:32.9562661Z"}`, "event.created", `"2021-01-26T20:31:32.9562661Z"`},
	{"firstEventTime", `{"firstEventTime":"2021-01-26T20:31:32.9562661Z"}`, "event.start", `"2021-01-26T20:31:32.9562661Z"`},
	{"lastEventTime", `{"lastEventTime":"2021-01-26T20:31:33.0577322Z"}`, "event.end", `"2021-01-26T20:31:33.0577322Z"`},
	{"duration", `{"firstEventTime":"2021-01-26T20:31:32.9562661Z","lastEventTime":"2021-01-26T20:31:33.0577322Z"}`, "event.duration", `101466100`},
	{"duration zero", `{"firstEventTime":"2021-01-26T20:31:32Z","lastEventTime":"2021-01-26T20:31:32Z"}`, "event.duration", `0`},
	{"id", `{"id":"da1"}`, "event.id", `"da1"`},
	{"title", `{"title":"t"}`, "message", `"t"`},
	{"description", `{"description":"d"}`, "rule.description", `"d"`},
	{"category to action", `{"category":"Malware"}`, "event.action", `"Malware"`},
	{"category to technique", `{"category":"Malware"}`, "threat.technique.name", `["Malware"]`},
	{"category to framework", `{"category":"Malware"}`, "threat.framework", `"MITRE ATT&CK"`},
	{"category removed", `{"category":"Malware"}`, "microsoft.defender_endpoint.category", `null`},
	{"category Malware", `{"category":"Malware"}`, "event.category", `["host","malware"]`},
	{"entityType Process", `{"evidence":{"entityType":"Process"}}`, "event.category", `["host","process"]`},
	{"entityType User", `{"evidence":{"entityType":"User"}}`, "event.type", `["access"]`},
	{"status New", `{"status":"New"}`, "event.type", `["start"]`},
	{"status Resolved", `{"status":"Resolved","evidence":{"entityType":"User"}}`, "event.type", `["access","end"]`},
	{"status other", `{"status":"InProgress"}`, "event.type", `null`},
	{"severity", `{"severity":"medium"}`, "event.severity", `47`},
	{"severity stays", `{"severity":"medium"}`, "microsoft.defender_endpoint.severity", `"medium"`},
	{"aadTenantId", `{"aadTenantId":"t"}`, "cloud.account.id", `"t"`},
	{"machineId to cloud", `{"machineId":"m"}`, "cloud.instance.id", `"m"`},
	{"machineId to host", `{"machineId":"m"}`, "host.id", `"m"`},
	{"computerDnsName to hostname", `{"computerDnsName":"TestServer4"}`, "host.hostname", `"TestServer4"`},
	{"computerDnsName to name", `{"computerDnsName":"TestServer4"}`, "host.name", `"testserver4"`},
	{"detectionSource", `{"detectionSource":"CustomerTI"}`, "observer.name", `"CustomerTI"`},
	{"relatedUser name", `{"relatedUser":{"userName":"u","domainName":"d"}}`, "user.name", `"u"`},
	{"relatedUser domain", `{"relatedUser":{"userName":"u","domainName":"d"}}`, "user.domain", `"d"`},
	{"relatedUser removed", `{"relatedUser":{"userName":"u"}}`, "microsoft.defender_endpoint.relatedUser", `null`},
	{"userSid", `{"evidence":{"userSid":"S-1"}}`, "user.id", `"S-1"`},
	{"accountName stays", `{"evidence":{"accountName":"a"}}`, "microsoft.defender_endpoint.evidence.accountName", `"a"`},
	{"fileName", `{"evidence":{"fileName":"f"}}`, "file.name", `"f"`},
	{"filePath", `{"evidence":{"filePath":"C:\\x"}}`, "file.path", `"C:\\x"`},
	{"sha1", `{"evidence":{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}`, "file.hash.sha1", `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`},
	{"sha256", `{"evidence":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}`, "file.hash.sha256", `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
	{"processId", `{"evidence":{"processId":4780}}`, "process.pid", `4780`},
	{"processId to entity_id", `{"evidence":{"processId":4780}}`, "process.entity_id", `"4780"`},
	{"parentProcessId", `{"evidence":{"parentProcessId":668}}`, "process.parent.pid", `668`},
	{"parentProcessId to entity_id", `{"evidence":{"parentProcessId":668}}`, "process.parent.entity_id", `"668"`},
	{"processCommandLine", `{"evidence":{"processCommandLine":"a.exe -b"}}`, "process.command_line", `"a.exe -b"`},
	{"processCommandLine to name", `{"evidence":{"processCommandLine":"/bin/a -b"}}`, "process.name", `"a"`},
	{"processCreationTime", `{"evidence":{"processCreationTime":"2021-01-26T20:31:32.9Z"}}`, "process.start", `"2021-01-26T20:31:32.9Z"`},
	{"parentProcessCreationTime", `{"evidence":{"parentProcessCreationTime":"2021-01-26T20:31:32.9Z"}}`, "process.parent.start", `"2021-01-26T20:31:32.9Z"`},
	{"url full", `{"evidence":{"url":"https://h.example:8443/p/f.exe?q=1#x"}}`, "url.full", `"https://h.example:8443/p/f.exe?q=1#x"`},
	{"url domain", `{"evidence":{"url":"https://h.example:8443/p/f.exe?q=1#x"}}`, "url.domain", `"h.example"`},
	{"url port", `{"evidence":{"url":"https://h.example:8443/p/f.exe?q=1#x"}}`, "url.port", `8443`},
	{"url extension", `{"evidence":{"url":"https://h.example:8443/p/f.exe?q=1#x"}}`, "url.extension", `"exe"`},
	{"ipAddress to related", `{"evidence":{"ipAddress":"198.51.100.23"}}`, "related.ip", `["198.51.100.23"]`},
	{"ipAddress stays", `{"evidence":{"ipAddress":"198.51.100.23"}}`, "microsoft.defender_endpoint.evidence.ipAddress", `"198.51.100.23"`},
	{"related.hash", `{"evidence":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}`, "related.hash", `["da39a3ee5e6b4b0d3255bfef95601890afd80709","e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]`},
	{"related.user", `{"relatedUser":{"userName":"u"}}`, "related.user", `["u"]`},
	{"related.hosts", `{"computerDnsName":"TestServer4"}`, "related.hosts", `["testserver4"]`},
	{"incidentId", `{"incidentId":1126093}`, "microsoft.defender_endpoint.incidentId", `"1126093"`},
	{"investigationId", `{"investigationId":0}`, "microsoft.defender_endpoint.investigationId", `"0"`},
	{"lastUpdateTime", `{"lastUpdateTime":"2021-01-26T20:33:59.2Z"}`, "microsoft.defender_endpoint.lastUpdateTime", `"2021-01-26T20:33:59.2Z"`},
	{"other members", `{"detectorId":"x"}`, "microsoft.defender_endpoint.detectorId", `"x"`},
	{"empty evidence", `{"evidence":[]}`, "microsoft.defender_endpoint.evidence", `null`},
	{"dash is nothing", `{"assignedTo":"-"}`, "microsoft.defender_endpoint.assignedTo", `null`},
	{"N/A is nothing", `{"evidence":{"fileName":"N/A"}}`, "file", `null`},
	{"text null is nothing", `{"category":"null"}`, "event.action", `null`},
}

// TestAlertTable has one row per row of the mapping of Elastic's package
// (MAPPING.md 4.1): a record with one evidence item as an object, as
// Elastic's fixtures have it, and where its values go.
func TestAlertTable(t *testing.T) {
	for _, row := range alertTable {
		t.Run(row.name, func(t *testing.T) {
			documents := mapRecord(t, alertResource, configOf(alertResource), []byte(row.record))
			if len(documents) != 1 {
				t.Fatalf("%d documents", len(documents))
			}
			var want any
			if row.want != "null" {
				want = jsontext.Value(row.want)
			}
			if got := field(t, documents[0], row.path); !equal(got, want) {
				t.Errorf("got %v, want %s", got, row.want)
			}
		})
	}
}

// FuzzRecord maps anything as every resource: no panic, valid JSON, and what is
// no clean record keeps its original.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","evidence":[{"entityType":"Ip","ipAddress":"x"}],"relatedUser":3}`))
	f.Add([]byte(`[1,{"a":null}]`))
	f.Add([]byte("{\"title\":\"\xff\xfe\"}"))
	f.Add([]byte(machineRecord))
	f.Add([]byte(`{"ipAddresses":[{"macAddress":"\u0030"}],"vmMetadata":{"":1},"lastSeen":"0001-01-01T00:00:00Z","":[[]]}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		if !mapping.Valid(record) {
			return
		}
		for _, r := range resources {
			documents := mapRecord(t, r, configOf(r), record)
			if n := len(documents); n == 0 || n > 1 && r != alertResource {
				t.Errorf("%s: %d documents", r.name, n)
			}
			for _, document := range documents {
				if field(t, document, "event.kind") == "pipeline_error" && field(t, document, "event.original") == nil {
					t.Errorf("%s: the original is lost: %s", r.name, document)
				}
			}
		}
	})
}
