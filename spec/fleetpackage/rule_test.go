package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rule is what is read of a rule asset.
type rule struct {
	ID         string
	Attributes struct {
		RuleID              string `json:"rule_id"`
		Version             int
		Index               []string
		NewTermsFields      []string                                  `json:"new_terms_fields"`
		TimestampOverride   string                                    `json:"timestamp_override"`
		RuleNameOverride    string                                    `json:"rule_name_override"`
		RequiredFields      []struct{ Name, Type string }             `json:"required_fields"`
		RiskScoreMapping    []struct{ Field string }                  `json:"risk_score_mapping"`
		SeverityMapping     []struct{ Field, Value, Severity string } `json:"severity_mapping"`
		Setup, Note, Query  string
		InvestigationFields struct {
			FieldNames []string `json:"field_names"`
		} `json:"investigation_fields"`
		RelatedIntegrations []struct{ Package, Version string } `json:"related_integrations"`
	}
}

func loadRule(t *testing.T, path string) rule {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r rule
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// ruleSchema is the schema of a rule, with formats asserted.
func ruleSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("testdata/security_rule.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ruleValue(t *testing.T, path string) any {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rulePaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(packageDir + "/kibana/security_rule/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no rules (%v)", err)
	}
	return paths
}

// TestRuleFitsItsSchema: the package's specification checks the name of a rule's
// file only.
func TestRuleFitsItsSchema(t *testing.T) {
	schema := ruleSchema(t)
	for _, path := range rulePaths(t) {
		if err := schema.Validate(ruleValue(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		r := loadRule(t, path)
		if name := strings.TrimSuffix(filepath.Base(path), ".json"); name != r.ID || !strings.HasPrefix(name, r.Attributes.RuleID+"_") {
			t.Errorf("%s: id %s, rule_id %s", path, r.ID, r.Attributes.RuleID)
		}
	}
}

// TestRuleSchemaRefuses: each of these is a rule that Kibana would refuse, ignore
// or enable by itself.
func TestRuleSchemaRefuses(t *testing.T) {
	schema, path := ruleSchema(t), rulePaths(t)[0]
	for name, spoil := range map[string]func(o, attributes object){
		"no version in the id":    func(o, _ object) { o["id"] = strings.Split(o["id"].(string), "_")[0] },
		"references":              func(o, _ object) { o["references"] = []any{} },
		"no rule_id":              func(_, a object) { delete(a, "rule_id") },
		"rule_id is no uuid":      func(_, a object) { a["rule_id"] = "alert" },
		"unknown attribute":       func(_, a object) { a["immutable"] = true },
		"unknown type":            func(_, a object) { a["type"] = "threshold" },
		"a query's fields":        func(_, a object) { a["type"] = "query" },
		"no history":              func(_, a object) { delete(a, "history_window_start") },
		"four new terms":          func(_, a object) { a["new_terms_fields"] = []any{"a", "b", "c", "d"} },
		"a number to compare":     func(_, a object) { a["severity_mapping"].([]any)[0].(object)["value"] = json.Number("21") },
		"severity as Defender's":  func(_, a object) { a["severity"] = "informational" },
		"risk score out of range": func(_, a object) { a["risk_score"] = json.Number("101") },
		"enabled by Kibana":       func(_, a object) { a["tags"] = []any{"Promotion: External Alerts"} },
		"suppression of a query": func(_, a object) {
			a["alert_suppression"] = object{"duration": object{"value": json.Number("1"), "unit": "d"}}
		},
	} {
		o := ruleValue(t, path).(object)
		spoil(o, o["attributes"].(object))
		if schema.Validate(o) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

// TestRuleNamesDeclaredFields: every field that the rule names is one of its
// data stream, of the type it says and that the rule needs.
func TestRuleNamesDeclaredFields(t *testing.T) {
	declared := declaredFields(t, "data_stream/log")
	for _, path := range rulePaths(t) {
		a := loadRule(t, path).Attributes
		names := slices.Concat(a.NewTermsFields, a.InvestigationFields.FieldNames, []string{a.TimestampOverride, a.RuleNameOverride})
		for _, m := range a.SeverityMapping {
			names = append(names, m.Field)
		}
		for _, m := range a.RiskScoreMapping {
			names = append(names, m.Field)
		}
		for _, name := range names {
			if declared[name].Name == "" {
				t.Errorf("%s: %q is not declared", path, name)
			}
		}
		for _, f := range a.RequiredFields {
			if declared[f.Name].Type != f.Type {
				t.Errorf("%s: %s is %q, the rule says %s", path, f.Name, declared[f.Name].Type, f.Type)
			}
		}
		for _, name := range a.NewTermsFields {
			if declared[name].Type != "keyword" {
				t.Errorf("%s: new terms of %s, a %q", path, name, declared[name].Type)
			}
		}
		if p := load(t); len(a.RelatedIntegrations) != 1 || a.RelatedIntegrations[0].Package != p.Name || a.RelatedIntegrations[0].Version != ">="+p.Version {
			t.Errorf("%s: related integrations %+v, the package is %s %s", path, a.RelatedIntegrations, p.Name, p.Version)
		}
	}
}

// TestRuleSaysWhatToExclude: with two rules on, each document is an alert once
// more.
func TestRuleSaysWhatToExclude(t *testing.T) {
	for _, path := range rulePaths(t) {
		a := loadRule(t, path).Attributes
		for _, has := range []string{"External Alerts", "`data_stream.dataset` is `microsoft_defender_endpoint.log`", "`whole`"} {
			if !strings.Contains(a.Setup, has) {
				t.Errorf("%s: the setup does not say %s", path, has)
			}
		}
		for _, has := range []string{"`event.url`", latestAlert, "`event.id`"} {
			if !strings.Contains(a.Note, has) {
				t.Errorf("%s: the guide does not name %s", path, has)
			}
		}
	}
}
