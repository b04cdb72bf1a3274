package main

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender"
)

// The vendor's objects of the assessment streams.
const (
	configurationPrefix = defender.Type + ".configuration."
	baselinePrefix      = defender.Type + ".baseline."
	gatheringPrefix     = defender.Type + ".information_gathering."
	infoPrefix          = gatheringPrefix + "device_gathered_info."
)

// freeNamed reports whether a field is a member of a flattened one, whose names
// are not declared.
func freeNamed(name string, typeOf func(name string) string) bool {
	for at := strings.IndexByte(name, '.'); at >= 0; {
		if typeOf(name[:at]) == "flattened" {
			return true
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			return false
		}
		at += 1 + next
	}
	return false
}

func loadCatalogue(t *testing.T) catalogue {
	t.Helper()
	c, err := readCatalogue("fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// declaredFields are the fields in a folder's field files, with ECS resolved.
func declaredFields(t *testing.T, dir string) map[string]definition {
	t.Helper()
	c, declared := loadCatalogue(t), map[string]definition{}
	for _, name := range []string{"base-fields.yml", "ecs.yml", "fields.yml"} {
		var list []definition
		if err := readYAML(packageDir+"/"+dir+"/fields/"+name, &list); err != nil {
			t.Fatal(err)
		}
		if err := c.resolve(list); err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if declared[d.Name].Name != "" {
				t.Errorf("%s: %s is declared twice", dir, d.Name)
			}
			declared[d.Name] = d
		}
	}
	return declared
}

func typesByField(t *testing.T) map[string]string {
	t.Helper()
	types := map[string]string{}
	for _, s := range load(t).streams {
		for name, d := range declaredFields(t, "data_stream/"+s.name) {
			types[name] = d.Type
		}
	}
	return types
}

// TestEveryFieldIsDeclared: what the production mapping makes of the captures
// of a data stream is declared there.
func TestEveryFieldIsDeclared(t *testing.T) {
	emitted, err := mapCaptures()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range load(t).streams {
		if len(emitted[s.name]) == 0 {
			t.Errorf("data stream %s: no capture", s.name)
		}
		declared := declaredFields(t, "data_stream/"+s.name)
		typeOf := func(name string) string { return declared[name].Type }
		for name := range emitted[s.name] {
			if declared[name].Name == "" && !freeNamed(name, typeOf) {
				t.Errorf("data stream %s: field %s is not declared: add it to fields.csv", s.name, name)
			}
		}
	}
}

// TestGoldenFieldsAreDeclared holds the component's golden list of fields
// against fields.csv.
func TestGoldenFieldsAreDeclared(t *testing.T) {
	b, err := os.ReadFile(capturesDir + "/fields.golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, f := range loadCatalogue(t) {
		known[f.Name] = f.Type
	}
	typeOf := func(name string) string { return known[name] }
	for line := range strings.Lines(string(b)) {
		if name := strings.Fields(line)[0]; known[name] == "" && !freeNamed(name, typeOf) {
			t.Errorf("field %s is not in fields.csv", name)
		}
	}
}

// TestCatalogueIsOrdered: sorted, each field once, each described.
func TestCatalogueIsOrdered(t *testing.T) {
	former := ""
	for _, f := range loadCatalogue(t) {
		if f.Name <= former {
			t.Errorf("%s is behind %s", f.Name, former)
		}
		if f.Description == "" || !slices.Contains([]string{"ecs", "vendor", "base", "finding"}, f.Source) {
			t.Errorf("%s: source %q, description %q", f.Name, f.Source, f.Description)
		}
		former = f.Name
	}
}

// TestLongTextsAreSearched: what is longer than Fleet's ignore_above in earnest
// data has its own, up to which the collector cuts it; the zip says so too.
func TestLongTextsAreSearched(t *testing.T) {
	for dir, names := range map[string][]string{
		"data_stream/log":                       {"rule.description", "process.command_line", "process.name", "url.full", alertPrefix + "unknown"},
		"data_stream/machine":                   {machinePrefix + "unknown"},
		"data_stream/machine_action":            {actionPrefix + "commands", actionPrefix + "unknown"},
		"data_stream/vulnerability":             {vulnerabilityPrefix + "unknown", vulnerabilityPrefix + "disk_paths", "vulnerability.title"},
		"data_stream/configuration":             {configurationPrefix + "unknown", "rule.name"},
		"data_stream/baseline":                  {baselinePrefix + "unknown", baselinePrefix + "current_value", "rule.name"},
		"data_stream/information_gathering":     {gatheringPrefix + "unknown", gatheringPrefix + "device_gathered_info.av_scan_results"},
		"elasticsearch/transform/latest_action": {actionPrefix + "unknown"},
		"elasticsearch/transform/latest_alert":  {"rule.description", alertPrefix + "unknown"},
	} {
		declared := declaredFields(t, dir)
		for _, name := range names {
			if got := declared[name].IgnoreAbove; got != longText {
				t.Errorf("%s: ignore_above of %s is %d, want %d", dir, name, got, longText)
			}
		}
	}
}

// TestECSTypes compares the types of ECS fields with the facts in testdata.
func TestECSTypes(t *testing.T) {
	f, err := os.Open("../../testdata/ecs/fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	facts := map[string][]string{}
	for _, r := range rows[1:] {
		facts[r[0]] = r
	}
	for _, f := range loadCatalogue(t) {
		if f.Source != "ecs" || strings.HasPrefix(f.Name, "host.geo.") { // the facts leave out geo
			continue
		}
		fact := facts[f.Name]
		if fact == nil {
			t.Errorf("%s is not ECS", f.Name)
			continue
		}
		if fact[1] != f.Type || (fact[2] == "array") != slices.Contains(f.Mapping, "array") {
			t.Errorf("%s: type %s %v, ECS says %v", f.Name, f.Type, f.Mapping, fact[1:3])
		}
	}
}

// upstreamTypes are the types of fields that are no keywords, and of those outside the
// machines' and the assessments' objects.
var upstreamTypes = map[string][]string{
	"date": {
		alertPrefix + "lastUpdateTime", alertPrefix + "resolvedTime", machinePrefix + "first_seen", machinePrefix + "last_seen",
		actionPrefix + "cancellation_date_time_utc", actionPrefix + "creation_date_time_utc", actionPrefix + "last_update_date_time_utc",
		vulnerabilityPrefix + "event_timestamp", vulnerabilityPrefix + "first_seen_timestamp", vulnerabilityPrefix + "last_seen_timestamp",
		gatheringPrefix + "last_seen", infoPrefix + "av_engine_publish_time", infoPrefix + "av_engine_update_time", infoPrefix + "av_mode_data_refresh_time",
		infoPrefix + "av_platform_expiration_time", infoPrefix + "av_platform_publish_time", infoPrefix + "av_platform_update_time",
		infoPrefix + "av_signature_data_refresh_time", infoPrefix + "av_signature_publish_time", infoPrefix + "av_signature_update_time",
		// Upstream has none of these.
		configurationPrefix + "timestamp", baselinePrefix + "compliance_calculation_time_offset", baselinePrefix + "data_collection_time_offset",
		gatheringPrefix + "timestamp", infoPrefix + "quick_scan_time", infoPrefix + "full_scan_time",
	},
	"float": {vulnerabilityPrefix + "cvss_score", "vulnerability.score.base"},
	"ip": {
		alertPrefix + "evidence.ipAddress", machinePrefix + "last_external_ip_address", machinePrefix + "last_ip_address",
		machinePrefix + "ip_addresses.ip_address",
	},
	"boolean": {
		machinePrefix + "is_aad_joined", machinePrefix + "is_excluded", machinePrefix + "is_potential_duplication", vulnerabilityPrefix + "is_onboarded",
		vulnerabilityPrefix + "security_update_available", configurationPrefix + "is_applicable", configurationPrefix + "is_compliant",
		configurationPrefix + "is_expected_user_impact", baselinePrefix + "is_applicable", baselinePrefix + "is_compliant",
		infoPrefix + "av_is_engine_up_to_date", infoPrefix + "av_is_platform_up_to_date", infoPrefix + "av_is_signature_up_to_date", infoPrefix + "is_av_engine_loaded",
	},
	"long": {machinePrefix + "os_build", actionPrefix + "error_h_result", configurationPrefix + "configuration_impact"},
	"flattened": { // upstream has none
		alertPrefix + "unknown", machinePrefix + "unknown", actionPrefix + "unknown", vulnerabilityPrefix + "unknown",
		configurationPrefix + "unknown", baselinePrefix + "unknown", gatheringPrefix + "unknown",
	},
	"constant_keyword": {"data_stream.type", "data_stream.dataset", "data_stream.namespace", "event.dataset", "event.module", "labels.is_transform_source"},
	"keyword": {
		alertPrefix + "assignedTo", alertPrefix + "classification", alertPrefix + "determination", alertPrefix + "evidence.aadUserId",
		alertPrefix + "evidence.accountName", alertPrefix + "evidence.domainName", alertPrefix + "evidence.entityType",
		alertPrefix + "evidence.userPrincipalName", alertPrefix + "incidentId", alertPrefix + "investigationId",
		alertPrefix + "investigationState", alertPrefix + "rbacGroupName", alertPrefix + "status", alertPrefix + "threatFamilyName",
		"input.type", "resource.id", "resource.name", "vulnerability.cve", "vulnerability.status", "vulnerability.title",
	},
}

// TestUpstreamTypes: where Elastic's package declares a vendor field, the type
// is the same, so that data of both can be searched together.
func TestUpstreamTypes(t *testing.T) {
	types := typesByField(t)
	special := map[string]bool{}
	for typ, names := range upstreamTypes {
		for _, name := range names {
			special[name] = true
			if types[name] != typ {
				t.Errorf("%s is %q, upstream's is %s", name, types[name], typ)
			}
		}
	}
	for name, typ := range types { // in all streams but the alerts' the other fields are keywords there
		ours := strings.HasPrefix(name, selfPrefix) // upstream reports nothing about the collector
		if strings.HasPrefix(name, defender.Type+".") && !ours && !special[name] && typ != "keyword" {
			t.Errorf("%s is %s, upstream's is keyword", name, typ)
		}
	}
}
