package main

import (
	"slices"
	"strings"
	"testing"
)

// TestAlertsPageSaysWhatTheAssetsDo: names and figures of the page are those of
// the rule and of the transforms.
func TestAlertsPageSaysWhatTheAssetsDo(t *testing.T) {
	text := page(t, packageDir+"/docs/alerts.md")
	want := []string{"`split`", "`whole`", "External Alerts", "manage_transform", "view_index_metadata"}
	var attributes map[string]any
	if err := readYAML(ruleSource, &attributes); err != nil {
		t.Fatal(err)
	}
	want = append(want, attributes["name"].(string))
	for _, path := range rulePaths(t) {
		a := loadRule(t, path).Attributes
		want = append(want, a.Index...)
		for _, name := range slices.Concat(a.NewTermsFields, []string{a.TimestampOverride, a.RuleNameOverride}) {
			want = append(want, "`"+name+"`")
		}
		for _, m := range a.SeverityMapping {
			want = append(want, m.Value+" "+m.Severity)
		}
	}
	for name := range transforms {
		tr := loadTransform(t, name)
		want = append(want, "`"+name+"`", "`"+tr.Dest.Index+"`", "`"+tr.Dest.Aliases[0].Alias+"`", "`"+tr.Latest.Sort+"`")
	}
	for _, has := range want {
		if !strings.Contains(text, has) {
			t.Errorf("the page does not say %s", has)
		}
	}
}

// TestResponsePageNamesTheContract: what Kibana's response actions look for is
// on the page, and is declared for alerts.
func TestResponsePageNamesTheContract(t *testing.T) {
	text := page(t, packageDir+"/docs/response.md")
	declared := declaredFields(t, "data_stream/log")
	for name, typ := range map[string]string{"cloud.instance.id": "keyword", "event.created": "date", "agent.id": "keyword"} {
		if declared[name].Type != typ || !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is %q, or not on the page", name, declared[name].Type)
		}
	}
	for _, has := range []string{"`m365_defender`", "`microsoft_defender_endpoint`", "`run -c`", "`logs-microsoft_defender_endpoint.log-<namespace>`"} {
		if !strings.Contains(text, has) {
			t.Errorf("the page does not say %s", has)
		}
	}
}
