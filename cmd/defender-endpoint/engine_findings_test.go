package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest/engine"
	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// TestEngineFindings: the transforms that Kibana's pages of findings read keep one
// document of each finding, with its newest state. The engine has no transforms:
// their queries, keys and orders are run as aggregations.
func TestEngineFindings(t *testing.T) {
	e, p := engine.Start(t, engine.Options{}), engine.ReadPackage(t, repository)
	f := &feed{TB: t, namespace: "findings"}
	f.vulnerabilities()
	f.postures()
	f.machines()
	in := e.Install(t, p, engine.Installation{Namespace: "findings", Strict: true, Settings: map[string]any{"index.final_pipeline": "_none"}})
	r := in.Feed(t, f.documents)
	if r.Stored != r.Offered || len(r.Faults) > 0 {
		t.Fatalf("of %d documents %d were stored, faults %v", r.Offered, r.Stored, r.Faults)
	}
	a := alertAssets{TB: t, engine: e, namespace: "findings"}
	now := func(expression string) string {
		return strings.Replace(expression, "now", ingestions.Add(48*time.Hour).Format(time.RFC3339)+"||", 1)
	}
	compareKept(t, "latest_cdr_vuln", a.kept("latest_cdr_vuln", now), []string{"package.name", "package.version"}, []string{"vulnerability.status", "group.name"}, vulnerabilitiesKept)
	compareKept(t, "latest_cdr_misconfigurations", a.kept("latest_cdr_misconfigurations", now), []string{"rule.benchmark.name", "rule.id"}, []string{"result.evaluation", "host.name"}, posturesKept)
	compareKept(t, "latest_machine", a.kept("latest_machine", now), []string{"host.id"}, []string{"microsoft_defender_endpoint.machine.health_status"}, machinesKept)
}

// compareKept holds what a transform keeps against lines of fields.
func compareKept(t *testing.T, transform string, kept []found, by, state []string, want []string) {
	t.Helper()
	var got []string
	for _, f := range kept {
		var line []string
		for _, path := range append(slices.Clone(by), state...) {
			line = append(line, fmt.Sprint(valueAt(f.Hit.Hits.Hits[0].Source, path)))
		}
		got = append(got, strings.Join(line, ", "))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s keeps\n%s\nwant\n%s", transform, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// valueAt is the value at a dotted path.
func valueAt(source map[string]any, path string) any {
	var at any = source
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	return at
}

var vulnerabilitiesKept = []string{
	"broken, 1, open, Servers",                    // the newest state has a member that cannot be mapped
	"chrome, 1, fixed, Servers",                   // New, then Fixed
	"chrome, 2, open, Servers",                    // the version after the upgrade
	"moved, 1, open, DMZ",                         // Fixed in one group and New in another in one slot
	"open, 1, open, Servers",                      // in two full lists
	"reader, 1, open, Servers",                    // of one vendor
	"reader, 1, open, Servers",                    // of another, by the same name
	"returned, 1, open, Servers",                  // Fixed, and New later
	"seen before it was fixed, 1, fixed, Servers", // in the full list of the slot before
}

// vulnerabilities adds findings in the order in which they would come, so that the
// newest state is not the last document, and what no page may show.
func (f *feed) vulnerabilities() {
	full := func(at time.Time, software string) {
		f.addAt("vulnerability", at, findingRow(software, "1", "v", "Servers", "", ""))
	}
	change := func(software, version, vendor, group, status, at string) {
		f.addAt("vulnerability", time.Time{}, findingRow(software, version, vendor, group, status, "2026-03-0"+at+":00:00Z"))
	}
	slot := ingestions.Truncate(6 * time.Hour) // 06:00
	full(slot.Add(7*time.Hour), "open")
	full(slot.Add(30*time.Hour), "open")
	change("chrome", "1", "v", "Servers", "Fixed", "2T12")
	change("chrome", "2", "v", "Servers", "New", "2T12")
	change("chrome", "1", "v", "Servers", "New", "2T06")
	change("moved", "1", "v", "Servers", "Fixed", "2T12") // first: of documents of one time an engine takes that one
	change("moved", "1", "v", "DMZ", "New", "2T12")
	change("returned", "1", "v", "Servers", "New", "2T18")
	change("returned", "1", "v", "Servers", "Fixed", "2T12")
	change("reader", "1", "adobe", "Servers", "New", "2T12")
	change("reader", "1", "foxit", "Servers", "New", "2T12")
	full(slot.Add(7*time.Hour), "seen before it was fixed") // read at 13:00, and found fixed in the slot of 12:00
	change("seen before it was fixed", "1", "v", "Servers", "Fixed", "2T12")
	change("broken", "1", "v", "Servers", "Fixed", "2T06")
	f.addAt("vulnerability", time.Time{}, strings.Replace(findingRow("broken", "1", "v", "Servers", "New", "2026-03-02T12:00:00Z"), `"isOnboarded":true`, `"isOnboarded":"perhaps"`, 1))
	f.add("vulnerability", split, "without a CVE", []byte(`{"id":"w","deviceId":"m","softwareName":"without","cveId":null}`))
	f.addAt("vulnerability", time.Time{}, findingRow("too old", "1", "v", "Servers", "New", "2026-02-10T12:00:00Z"))
}

func findingRow(software, version, vendor, group, status, at string) string {
	row := fmt.Sprintf(`{"id":"m_%s_%s","deviceId":"m","softwareVendor":%q,"softwareName":%q,"softwareVersion":%q,"cveId":"CVE-2026-1","rbacGroupName":%q,"isOnboarded":true`,
		software, version, vendor, software, version, group)
	if status != "" {
		row += fmt.Sprintf(`,"status":%q,"eventTimestamp":%q`, status, at)
	}
	return row + "}"
}

var posturesKept = []string{
	"<nil>, 1.1, failed, ws-1", // one configuration in two profiles
	"<nil>, 1.1, passed, ws-1",
	"Microsoft secure configuration assessment, scid-1, failed, ws-1", // passed in the sweep before
	"Microsoft secure configuration assessment, scid-2, unknown, ws-1",
}

// postures adds rows of two sweeps, the newer one first.
func (f *feed) postures() {
	newer, older := ingestions.Add(40*time.Hour), ingestions.Add(28*time.Hour)
	f.addAt("configuration", newer, `{"deviceId":"m","deviceName":"WS-1","configurationId":"scid-1","isCompliant":false,"isApplicable":true}`)
	f.addAt("configuration", older, `{"deviceId":"m","deviceName":"WS-1","configurationId":"scid-1","isCompliant":true,"isApplicable":true}`)
	f.addAt("configuration", older, `{"deviceId":"m","deviceName":"WS-1","configurationId":"scid-2","isCompliant":false,"isApplicable":false}`)
	f.addAt("configuration", older.Add(-12*time.Hour), `{"deviceId":"gone","deviceName":"WS-2","configurationId":"scid-1","isCompliant":false}`)
	f.addAt("baseline", newer, `{"id":"a","deviceId":"m","deviceName":"WS-1","profileId":"p1","configurationId":"1.1","isCompliant":true}`)
	f.addAt("baseline", older, `{"id":"a","deviceId":"m","deviceName":"WS-1","profileId":"p1","configurationId":"1.1","isCompliant":false}`)
	f.addAt("baseline", newer, `{"id":"b","deviceId":"m","deviceName":"WS-1","profileId":"p2","configurationId":"1.1","isCompliant":false}`)
}

var machinesKept = []string{"m1, Inactive", "m2, Active"}

// machines adds states of machines whose last contact did not move, and the lesser
// form of a document that was refused.
func (f *feed) machines() {
	add := func(minute int, id, health string) {
		f.ingest(minute, func() {
			f.add("machine", usual, "machine", fmt.Appendf(nil, `{"id":%q,"healthStatus":%q,"lastSeen":"2026-03-02T06:00:00Z"}`, id, health))
		})
	}
	add(60, "m1", "Inactive")
	add(0, "m1", "Active")
	add(0, "m2", "Active")
	f.documents = append(f.documents, engine.Document{Target: "logs-" + datasetOf["machine"] + "-" + f.namespace, ID: "lesser", Source: "lesser form", JSON: fmt.Appendf(nil,
		`{"@timestamp":"2026-03-02T11:00:00Z","data_stream":{"type":"logs","dataset":%q,"namespace":%q},"event":{"kind":"pipeline_error","id":"m2","ingested":"2026-03-02T12:00:00Z"},"host":{"id":"m2"}}`,
		datasetOf["machine"], f.namespace)})
}

// addAt adds the documents of a record of a whole read that began at a time, or of a
// change where that is zero.
func (f *feed) addAt(resource string, began time.Time, record string) {
	f.Helper()
	dataset := datasetOf[resource]
	m, err := defender.NewMapper(resource, map[string]any{"data_stream": map[string]any{"dataset": dataset, "namespace": f.namespace}}, engineAgent)
	if err != nil {
		f.Fatal(err)
	}
	if !began.IsZero() {
		m.Began(began)
	}
	if _, err := m.Map([]byte(record), func(d *ecs.Document) error {
		f.documents = append(f.documents, engine.Document{
			Target: "logs-" + dataset + "-" + f.namespace, ID: fmt.Sprintf("%d-%s", len(f.documents), d.ID), Source: record, JSON: d.AppendJSON(nil),
		})
		return nil
	}); err != nil {
		f.Fatal(err)
	}
}
