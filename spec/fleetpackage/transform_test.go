package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// transform is what is read of a transform.yml.
type transform struct {
	Source struct {
		Index []string `yaml:"index"`
	} `yaml:"source"`
	Dest struct {
		Index   string `yaml:"index"`
		Aliases []struct {
			Alias string `yaml:"alias"`
		} `yaml:"aliases"`
	} `yaml:"dest"`
	Latest struct {
		UniqueKey []string `yaml:"unique_key"`
		Sort      string   `yaml:"sort"`
	} `yaml:"latest"`
	Retention struct {
		Time struct {
			Field string `yaml:"field"`
		} `yaml:"time"`
	} `yaml:"retention_policy"`
	Sync struct {
		Time struct {
			Field string `yaml:"field"`
		} `yaml:"time"`
	} `yaml:"sync"`
	Meta struct {
		RunAsKibanaSystem *bool  `yaml:"run_as_kibana_system"`
		Version           string `yaml:"fleet_transform_version"`
	} `yaml:"_meta"`
}

func loadTransform(t *testing.T, name string) transform {
	t.Helper()
	var tr transform
	if err := readYAML(packageDir+"/elasticsearch/transform/"+name+"/transform.yml", &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestTransforms: each reads its data stream by fields that are declared there,
// and runs with the rights of who installs the package: Kibana's own user may
// not write to these destinations.
func TestTransforms(t *testing.T) {
	there, err := os.ReadDir(packageDir + "/elasticsearch/transform")
	if err != nil || len(there) != len(transforms) {
		t.Errorf("%d folders for %d transforms (%v)", len(there), len(transforms), err)
	}
	for name, stream := range transforms {
		tr := loadTransform(t, name)
		if want := "logs-microsoft_defender_endpoint." + stream + "-*"; len(tr.Source.Index) != 1 || tr.Source.Index[0] != want {
			t.Errorf("%s reads %v, want %s", name, tr.Source.Index, want)
		}
		declared := declaredFields(t, "data_stream/"+stream)
		fields := append([]string{tr.Latest.Sort, tr.Sync.Time.Field}, tr.Latest.UniqueKey...)
		if tr.Retention.Time.Field != "" {
			fields = append(fields, tr.Retention.Time.Field)
		}
		for _, field := range fields {
			if declared[field].Name == "" {
				t.Errorf("%s uses %q, which %s does not declare", name, field, stream)
			}
		}
		if tr.Meta.RunAsKibanaSystem == nil || *tr.Meta.RunAsKibanaSystem || tr.Meta.Version == "" {
			t.Errorf("%s: run_as_kibana_system must be false and fleet_transform_version set: %+v", name, tr.Meta)
		}
		if len(tr.Dest.Aliases) != 1 || !strings.HasPrefix(tr.Dest.Index, "logs-") && tr.Dest.Index == tr.Dest.Aliases[0].Alias {
			t.Errorf("%s: want one alias that is not the index: %+v", name, tr.Dest)
		}
	}
}

// TestLatestHasTheStreamsFields: a transform's destination has the mapping of
// its source, but for the constant that tells them apart, and the namespace:
// the first document would make it a constant of the whole index, which then
// refuses those of any other namespace.
func TestLatestHasTheStreamsFields(t *testing.T) {
	const constant, namespace = "labels.is_transform_source", "data_stream.namespace"
	for name, stream := range transforms {
		source, latest := declaredFields(t, "data_stream/"+stream), declaredFields(t, "elasticsearch/transform/"+name)
		for field, d := range source {
			want := d.Type
			if field == namespace {
				want = "keyword"
			}
			if latest[field].Type != want {
				t.Errorf("%s: %s is %q in the destination, want %q", name, field, latest[field].Type, want)
			}
		}
	}
	source, latest := declaredFields(t, "data_stream/machine_action"), declaredFields(t, "elasticsearch/transform/latest_action")
	if source[constant].Value != "true" || latest[constant].Value != "false" {
		t.Errorf("%s is %q in the source and %q in the destination", constant, source[constant].Value, latest[constant].Value)
	}
}

// externalAlerts are the index patterns of Elastic's rule External Alerts
// (elastic/detection-rules, rules/promotions/external_alerts.toml). What they
// match and has event.kind alert becomes an Elastic alert, document by document.
var externalAlerts = []string{"apm-*-transaction*", "traces-apm*", "auditbeat-*", "filebeat-*", "logs-*", "packetbeat-*", "winlogbeat-*"}

// TestLatestAlertIsNoAlertAgain: neither External Alerts nor Kibana's findings
// read the latest state of alerts, nor does the stack make a data stream of it.
func TestLatestAlertIsNoAlertAgain(t *testing.T) {
	tr := loadTransform(t, "latest_alert")
	if tr.Dest.Aliases[0].Alias != latestAlert {
		t.Errorf("the alias is %s, want %s", tr.Dest.Aliases[0].Alias, latestAlert)
	}
	for _, name := range []string{tr.Dest.Index, tr.Dest.Aliases[0].Alias} {
		for _, pattern := range append([]string{"security_solution-*", "metrics-*-*", "synthetics-*-*"}, externalAlerts...) {
			if matched, err := path.Match(pattern, name); err != nil || matched {
				t.Errorf("%s matches %s (%v)", name, pattern, err)
			}
		}
	}
}

// TestRuleReadsNoTransform: the rule's index pattern matches its data stream and
// no transform's destination.
func TestRuleReadsNoTransform(t *testing.T) {
	files, err := filepath.Glob(packageDir + "/kibana/security_rule/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules (%v)", err)
	}
	for _, file := range files {
		for _, pattern := range loadRule(t, file).Attributes.Index {
			if matched, err := path.Match(pattern, "logs-microsoft_defender_endpoint.log-default"); err != nil || !matched {
				t.Errorf("%s: %s does not match the data stream (%v)", file, pattern, err)
			}
			for name := range transforms {
				if matched, _ := path.Match(pattern, loadTransform(t, name).Dest.Index); matched {
					t.Errorf("%s: %s matches the destination of %s", file, pattern, name)
				}
			}
		}
	}
}
