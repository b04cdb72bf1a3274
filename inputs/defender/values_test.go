package defender

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/attack"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// TestValues holds the documents of captures, small cases and the demo's tenant
// against what the fields of ECS mean.
func TestValues(t *testing.T) {
	judge := func(name string, source map[string]any) {
		for _, fault := range wrongValues(source) {
			t.Errorf("%s: %s", name, fault)
		}
	}
	everyDocument(t, judge)
	simulated := simulatedRecords(t)
	for _, r := range resources {
		for _, c := range readCases(t, r.name) {
			for _, document := range mapRecord(t, r, configOf(r), c.Record) {
				judge(c.Case, sourceOfDocument(t, document))
			}
		}
		records := 0
		for _, bodies := range simulated[r.name] {
			for body := range bodies {
				records++
				for _, document := range mapRecord(t, r, configOf(r), []byte(body)) {
					judge("demo "+r.name, sourceOfDocument(t, document))
				}
			}
		}
		if records == 0 {
			t.Errorf("no %s in the demo", r.name)
		}
	}
}

// simulatedRecords are those of a simulated tenant by resource, rows of lists, of
// files and of changes.
func simulatedRecords(t *testing.T) map[string][]iter.Seq[string] {
	t.Helper()
	tenant := defendertest.New(defendertest.Options{
		Seed: 7, Alerts: 150, Machines: 40, Actions: 60, Vulnerabilities: 5, Configurations: 4, Baselines: 4, Now: someTime,
	})
	for _, change := range []func(...int) error{tenant.FixFindings, tenant.FindAgain, tenant.MoveFindings} {
		if err := change(3, 17, 90); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(a defendertest.Assessment) []iter.Seq[string] {
		return []iter.Seq[string]{tenant.RowBodies(a, false), tenant.RowBodies(a, true)}
	}
	return map[string][]iter.Seq[string]{
		"alert":                 {tenant.Bodies(defendertest.Alerts)},
		"machine":               {tenant.Bodies(defendertest.Machines)},
		"machine_action":        {tenant.Bodies(defendertest.MachineActions)},
		"vulnerability":         append(rows(defendertest.Vulnerabilities), tenant.ChangeBodies(defendertest.Vulnerabilities)),
		"configuration":         rows(defendertest.Configurations),
		"baseline":              rows(defendertest.Baselines),
		"information_gathering": {tenant.RowBodies(defendertest.Gathered, true)},
	}
}

// FuzzValues: no text in any member of evidence or of a record makes a field of ECS
// say what it does not mean.
func FuzzValues(f *testing.F) {
	for _, text := range []string{
		"bad.example", "hxxps://bad[.]example:8443/a.exe?x=1", "[fe80::1%12]:443", "T1562.001", "DefenseEvasion", "HKLM:\\SOFTWARE\\X", "Registry::HKEY_USERS\\S-1-5",
		`"C:\Program Files\a.exe" -x`, `C:\x y\a.exe`, "App (x@corp.example)", "@", "a@b@c", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "0001-01-01T00:00:00Z", "null", "-", "CiscoIOS", "İ",
	} {
		f.Add(text, text)
	}
	places := map[*resource]string{
		alertResource: `{"id":%1,"category":%1,"mitreTechniques":[%1,%2],"computerDnsName":%1,"domains":[%1],"relatedUser":{"userName":%1,"domainName":%2},"alertCreationTime":%1,
"firstEventTime":%2,"lastEventTime":%1,"evidence":[{"entityType":"Process","fileName":%1,"filePath":%2,"processCommandLine":%1,"sha1":%1,"sha256":%2,"parentProcessFileName":%1,"parentProcessFilePath":%2},
{"entityType":%2,"url":%1,"ipAddress":%2,"registryKey":%1,"registryHive":%2,"registryValueType":%1,"accountName":%2,"userPrincipalName":%1,"userSid":%2,"processCommandLine":%2}]}`,
		machineResource:              `{"id":%1,"computerDnsName":%1,"osPlatform":%1,"osProcessor":%2,"lastIpAddress":%1,"lastExternalIpAddress":%2,"ipAddresses":[{"ipAddress":%1,"macAddress":%2}],"lastSeen":%1}`,
		machineActionResource:        `{"id":%1,"type":%1,"status":%2,"requestor":%1,"cancellationRequestor":%2,"externalId":%1,"computerDnsName":%1,"requestorComment":%1,"relatedFileInfo":{"fileIdentifier":%1,"fileIdentifierType":%2},"creationDateTimeUtc":%1,"lastUpdateDateTimeUtc":%2}`,
		vulnerabilityResource:        `{"id":%1,"deviceId":%2,"deviceName":%1,"osPlatform":%1,"osVersion":%2,"osArchitecture":%1,"cveId":%1,"softwareName":%2,"softwareVersion":%1,"cvssScore":%2,"status":%1,"eventTimestamp":%1,"firstSeenTimestamp":%2}`,
		configurationResource:        `{"deviceId":%2,"deviceName":%1,"osPlatform":%1,"osVersion":%2,"configurationId":%1,"configurationName":%2,"configurationCategory":%1,"timestamp":%2,"isCompliant":%1,"isApplicable":%2,"configurationImpact":%1}`,
		baselineResource:             `{"id":%1,"deviceId":%2,"deviceName":%1,"osPlatform":%1,"osVersion":%2,"configurationId":%1,"profileId":%2,"isCompliant":%2,"isApplicable":%1,"complianceCalculationTimeOffset":%1,"dataCollectionTimeOffset":%2,"currentValue":[%1,%2]}`,
		informationGatheringResource: `{"DeviceId":%1,"DeviceName":%2,"OsPlatform":%1,"OsVersion":%2,"Timestamp":%1,"LastSeenTime":%2,"DeviceGatheredInfo":%2,"RbacGroupId":%1}`,
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		first, _ := json.Marshal(one)
		second, _ := json.Marshal(two)
		for r, place := range places {
			record := strings.NewReplacer("%1", string(first), "%2", string(second)).Replace(place)
			for _, document := range mapRecord(t, r, configOf(r), []byte(record)) {
				for _, fault := range wrongValues(sourceOfDocument(t, document)) {
					t.Errorf("%s: %s", r.name, fault)
				}
			}
		}
	})
}

func sourceOfDocument(t *testing.T, document string) map[string]any {
	t.Helper()
	var hit struct {
		Source map[string]any `json:"_source"`
	}
	dec := json.NewDecoder(strings.NewReader(document))
	dec.UseNumber()
	if err := dec.Decode(&hit); err != nil {
		t.Fatal(err)
	}
	return hit.Source
}

// values are the fields of a document by dotted name, each as a list of texts.
type values map[string][]string

func (v values) one(name string) string { return strings.Join(v[name], ",") }

// meanings are what the texts of fields have to be like.
var meanings = map[string]*regexp.Regexp{
	"threat.technique.id":              regexp.MustCompile(`^T\d{4}$`),
	"threat.technique.subtechnique.id": regexp.MustCompile(`^T\d{4}\.\d{3}$`),
	"url.domain":                       regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[^A-Z\s/:?#@\[\]\\]+)$`),
	"url.extension":                    regexp.MustCompile(`^[^/.]+$`),
	"url.registered_domain":            regexp.MustCompile(`^[^.]+\.[^/:]+$`),
	"registry.hive":                    regexp.MustCompile(`^HK(CR|CC|CU|LM|U|PD)$`),
	"registry.data.type":               regexp.MustCompile(`^REG_[A-Z_]+$`),
	"host.os.type":                     regexp.MustCompile(`^(linux|macos|unix|windows|ios|android)$`),
	"result.evaluation":                regexp.MustCompile(`^(passed|failed|unknown)$`),
	"vulnerability.status":             regexp.MustCompile(`^(open|fixed|reopened|unknown)$`),
	"vulnerability.reference":          regexp.MustCompile(`^https://www\.cve\.org/CVERecord\?id=[CVE0-9-]+$`),
	"vulnerability.enumeration":        regexp.MustCompile(`^(CVE|TVM)$`),
	"event.severity":                   regexp.MustCompile(`^(21|47|73|99)$`),
	"event.duration":                   regexp.MustCompile(`^[^-]+$`),
	"event.url":                        regexp.MustCompile(`^https://security\.microsoft\.com/(alerts|machines)/[^/?#\s]+(\?tid=[^\s]+)?$`),
	"user.email":                       regexp.MustCompile(`^[^@]+@[^@]+$`),
	"process.name":                     regexp.MustCompile(`^[^/\\]+$`),
	"process.parent.name":              regexp.MustCompile(`^[^/\\]+$`),
	"host.mac":                         regexp.MustCompile(`^[0-9A-F]{2}(-[0-9A-F]{2}){5}(-[0-9A-F]{2}-[0-9A-F]{2})?$`),
}

// hashForms are the fields of hashes by what they are called.
var hashForms = map[string]*regexp.Regexp{
	"md5": regexp.MustCompile(`^[0-9a-f]{32}$`), "sha1": regexp.MustCompile(`^[0-9a-f]{40}$`),
	"sha256": regexp.MustCompile(`^[0-9a-f]{64}$`), "sha512": regexp.MustCompile(`^[0-9a-f]{128}$`),
}

// wrongValues are the values of a document that their fields do not mean.
func wrongValues(source map[string]any) (faults []string) {
	v := values{}
	walkFields("", source, func(name string, leaf any) { v[name] = append(v[name], texts(leaf)...) })
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for name, meaning := range meanings {
		for _, text := range v[name] {
			if !meaning.MatchString(text) {
				fault("%s is %q", name, text)
			}
		}
	}
	for _, check := range []func(values, func(string, ...any)){checkThreat, checkHashes, checkPaths, checkRelated, checkTimes} {
		check(v, fault)
	}
	if a := v.one("host.architecture"); slices.Contains([]string{"x64", "amd64"}, strings.ToLower(a)) {
		fault("host.architecture is %q", a)
	}
	if v.one("data_stream.dataset") == alertResource.dataset {
		for _, name := range []string{"message", "event.created", "cloud.account.id", "event.kind"} {
			if v["event.id"] != nil && v[name] == nil {
				fault("an alert without %s", name)
			}
		}
	}
	return faults
}

func checkThreat(v values, fault func(string, ...any)) {
	for i, name := range v["threat.tactic.name"] {
		tactic, ok := attack.TacticOf(name)
		if ids := v["threat.tactic.id"]; !ok || tactic.Name != name || i >= len(ids) || ids[i] != tactic.ID {
			fault("threat.tactic is %q, %q", name, v["threat.tactic.id"])
		}
	}
	for _, sub := range v["threat.technique.subtechnique.id"] {
		if !slices.Contains(v["threat.technique.id"], sub[:5]) {
			fault("sub-technique %s without its technique in %q", sub, v["threat.technique.id"])
		}
	}
}

func checkHashes(v values, fault func(string, ...any)) {
	for _, of := range []string{"file", "process"} {
		for algorithm, form := range hashForms {
			for _, hash := range v[of+".hash."+algorithm] {
				if !form.MatchString(hash) || !slices.Contains(v["related.hash"], hash) {
					fault("%s.hash.%s is %q, related.hash %q", of, algorithm, hash, v["related.hash"])
				}
			}
		}
	}
}

func checkPaths(v values, fault func(string, ...any)) {
	for _, of := range []string{"process", "process.parent"} {
		name, path := v.one(of+".name"), v.one(of+".executable")
		if path != "" && !strings.HasSuffix(strings.ToLower(path), strings.ToLower(name)) {
			fault("%s.executable is %q, the name %q", of, path, name)
		}
	}
	key, hive := v.one("registry.key"), v.one("registry.hive")
	if first, _, _ := strings.Cut(key, `\`); first != "" && hives[strings.ToUpper(first)] != "" && hives[strings.ToUpper(first)] == hive && !strings.HasPrefix(v.one("registry.path"), hive+`\`) {
		fault("registry.key is %q", key)
	}
	domain := v.one("url.domain")
	for _, part := range []string{"url.registered_domain", "url.top_level_domain"} {
		if text := v.one(part); text != "" && !strings.HasSuffix(domain, text) {
			fault("%s is %q of %q", part, text, domain)
		}
	}
	if domain != "" && v.one("url.path") == domain {
		fault("url.path is the domain %q", domain)
	}
}

// checkRelated: related.* has all that is in the fields it is of, and nothing
// else that has a form of its own.
func checkRelated(v values, fault func(string, ...any)) {
	within := func(name, all string) {
		for _, text := range v[name] {
			if !slices.Contains(v[all], text) {
				fault("%s %q is not in %s %q", name, text, all, v[all])
			}
		}
	}
	within("user.name", "related.user")
	within("user.email", "related.user")
	within("host.name", "related.hosts")
	within("host.ip", "related.ip")
	if domain := v.one("url.domain"); domain != "" {
		if addr, err := netip.ParseAddr(strings.Trim(domain, "[]")); err == nil {
			if !slices.Contains(v["related.ip"], addr.String()) {
				fault("url.domain %q is not in related.ip %q", domain, v["related.ip"])
			}
		} else if within("url.domain", "related.hosts"); !mapping.IsHostName(domain) {
			fault("url.domain is %q", domain)
		}
	}
	for _, name := range append(v["related.hosts"], v["host.name"]...) {
		if name != strings.ToLower(name) {
			fault("host %q is not in lower case", name)
		}
	}
	for _, ip := range append(v["related.ip"], v["host.ip"]...) {
		if addr, err := netip.ParseAddr(ip); err != nil || addr.Zone() != "" {
			fault("address %q", ip)
		}
	}
}

func checkTimes(v values, fault func(string, ...any)) {
	for _, name := range []string{"@timestamp", "event.created", "event.start", "event.end", "process.start", "process.parent.start"} {
		for _, text := range v[name] {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				at, err = time.Parse("2006-01-02T15:04:05.999999999", text)
			}
			if err != nil || at.Year() <= 1 {
				fault("%s is %q", name, text)
			}
		}
	}
}

// TestAccountIsTheTokens: records that do not say whose they are are of the token's
// tenant, also where the configuration names a domain.
func TestAccountIsTheTokens(t *testing.T) {
	for _, r := range resources {
		c := configOf(r)
		c.TenantID = "contoso.example"
		m := newMapper(r, c, someAgent, someTime, nil)
		for _, want := range []string{"", "tenant-1"} {
			if want != "" {
				m.Account(want)
			}
			m.Read([]byte(`{"id":"a"}`), nil)
			if _, err := m.Documents(func(d *ecs.Document) error {
				if got := d.Get("cloud.account.id"); got.Present() != (want != "") || got.Present() && got.String() != want {
					t.Errorf("%s: cloud.account.id %v, want %q", r.name, got, want)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
