package main

import (
	"os"
	"path"
	"path/filepath"
	"slices"
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
			Field  string `yaml:"field"`
			MaxAge string `yaml:"max_age"`
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

// kibanaMay are the transforms whose source Kibana's own user may read and whose
// destination it may write (KibanaOwnedReservedRoleDescriptors of elastic/elasticsearch,
// in 8.19.3 and 9.1.2).
var kibanaMay = map[string]bool{"latest_cdr_vuln": true}

// TestTransforms: each reads its data streams by fields that are declared there,
// and runs with the rights of the user who installs the package where Kibana's own user may
// not read the source or write to the destination.
func TestTransforms(t *testing.T) {
	there, err := os.ReadDir(packageDir + "/elasticsearch/transform")
	if err != nil || len(there) != len(transforms) {
		t.Errorf("%d folders for %d transforms (%v)", len(there), len(transforms), err)
	}
	for name, streams := range transforms {
		tr := loadTransform(t, name)
		fields := append([]string{tr.Latest.Sort, tr.Sync.Time.Field}, tr.Latest.UniqueKey...)
		if tr.Retention.Time.Field != "" {
			fields = append(fields, tr.Retention.Time.Field)
		}
		var want []string
		for _, stream := range streams {
			want = append(want, "logs-microsoft_defender_endpoint."+stream+"-*")
			declared := declaredFields(t, "data_stream/"+stream)
			for _, field := range fields {
				if declared[field].Name == "" {
					t.Errorf("%s uses %q, which %s does not declare", name, field, stream)
				}
			}
		}
		if !slices.Equal(tr.Source.Index, want) {
			t.Errorf("%s reads %v, want %s", name, tr.Source.Index, want)
		}
		if as := tr.Meta.RunAsKibanaSystem; as == nil || *as != kibanaMay[name] || tr.Meta.Version == "" {
			t.Errorf("%s: run_as_kibana_system must be %v and fleet_transform_version set: %+v", name, kibanaMay[name], tr.Meta)
		}
		if len(tr.Dest.Aliases) != 1 || !strings.HasPrefix(tr.Dest.Index, "logs-") && tr.Dest.Index == tr.Dest.Aliases[0].Alias {
			t.Errorf("%s: want one alias that is not the index: %+v", name, tr.Dest)
		}
	}
}

// TestLatestHasTheStreamsFields: a transform's destination has the mapping of
// its source, but for the constant that distinguishes them, and the namespace:
// the first document would make it a constant of the whole index, which then
// refuses those of any other namespace.
func TestLatestHasTheStreamsFields(t *testing.T) {
	const constant, namespace = "labels.is_transform_source", "data_stream.namespace"
	for name, streams := range transforms {
		latest := declaredFields(t, "elasticsearch/transform/"+name)
		for _, stream := range streams {
			for field, d := range declaredFields(t, "data_stream/"+stream) {
				want := d.Type
				if field == namespace || len(streams) > 1 && (field == "data_stream.dataset" || field == "event.dataset") {
					want = "keyword"
				}
				if latest[field].Type != want {
					t.Errorf("%s: %s is %q in the destination, want %q", name, field, latest[field].Type, want)
				}
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

// TestKibanaFindsFindings: Kibana's pages of findings read these aliases
// (cloud_security_posture, common constants), by these fields, which have to be
// keywords to be sorted by.
func TestKibanaFindsFindings(t *testing.T) {
	for name, page := range map[string]struct {
		alias    string
		keywords []string
	}{
		"latest_cdr_vuln": {"security_solution-*.vulnerability_latest", []string{
			"vulnerability.id", "vulnerability.severity", "resource.id", "resource.name", "package.name", "package.version", "observer.vendor", "cloud.account.id",
		}},
		"latest_cdr_misconfigurations": {"security_solution-*.misconfiguration_latest", []string{
			"result.evaluation", "resource.id", "resource.name", "resource.sub_type", "rule.benchmark.rule_number", "rule.benchmark.id", "rule.name", "rule.section", "cloud.account.id",
		}},
	} {
		tr, declared := loadTransform(t, name), declaredFields(t, "elasticsearch/transform/"+name)
		if matched, err := path.Match(page.alias, tr.Dest.Aliases[0].Alias); err != nil || !matched {
			t.Errorf("%s: Kibana does not read %s (%v)", name, tr.Dest.Aliases[0].Alias, err)
		}
		if matched, _ := path.Match(page.alias, tr.Dest.Index); matched || !strings.HasPrefix(tr.Dest.Index, tr.Dest.Aliases[0].Alias) {
			t.Errorf("%s: Kibana reads or may not write %s", name, tr.Dest.Index)
		}
		for _, field := range page.keywords {
			if got := declared[field].Type; got != "keyword" {
				t.Errorf("%s: %s is %q", name, field, got)
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
