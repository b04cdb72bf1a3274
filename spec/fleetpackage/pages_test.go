package main

import (
	"path/filepath"
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
	for _, name := range []string{"latest_alert", "latest_action"} {
		want = append(want, saidOf(t, name)...)
	}
	for _, has := range want {
		if !strings.Contains(text, has) {
			t.Errorf("the page does not say %s", has)
		}
	}
}

// saidOf is what a page says of a transform.
func saidOf(t *testing.T, name string) []string {
	tr := loadTransform(t, name)
	return []string{"`" + name + "`", "`" + tr.Dest.Index + "`", "`" + tr.Dest.Aliases[0].Alias + "`", "`" + tr.Latest.Sort + "`"}
}

// TestFindingsPageSaysWhatTheAssetsDo: names and figures of the page are those of the
// transforms, the settings and the policy.
func TestFindingsPageSaysWhatTheAssetsDo(t *testing.T) {
	text := page(t, packageDir+"/docs/findings.md")
	var want []string
	for _, name := range []string{"latest_cdr_vuln", "latest_cdr_misconfigurations", "latest_machine"} {
		want = append(want, saidOf(t, name)...)
	}
	for _, s := range load(t).streams[3:] {
		for _, v := range s.vars() {
			if v.Name == "interval" || v.Name == "full_interval" {
				want = append(want, v.Default.(string))
			}
		}
		want = append(want, "\n| `"+s.name+"` |")
	}
	for _, has := range append(want, "until they are 14 days old", "26 hours", "7 days", "30 a minute and 1,000 an\nhour", "5 a minute and 20 an hour") {
		if !strings.Contains(text, has) {
			t.Errorf("the page does not say %s", has)
		}
	}
	for name, age := range map[string]string{"latest_cdr_vuln": "14d", "latest_cdr_misconfigurations": "26h", "latest_machine": "14d"} {
		if got := loadTransform(t, name).Retention.Time.MaxAge; got != age {
			t.Errorf("%s keeps %s, want %s", name, got, age)
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

// TestPackagesPageSaysWhichAndHow: the page names both zips, Kibana's versions,
// what the first edition of its checks refuses, old settings and the helper; and
// the pages that lead to an installation lead to it.
func TestPackagesPageSaysWhichAndHow(t *testing.T) {
	text := page(t, packageDir+"/docs/packages.md")
	want := []string{
		"8.19.22", "9.4", "9.5", "`m365_defender`", "xpack.fleet.isAirGapped: true", "xpack.fleet.registryUrl", "_reindex", "DELETE _data_stream/", "## The way back",
		"`request_url`", "`scopes`", "`azure_resource`", "`token_url`", "`check` says so", "`view_index_metadata`", "`monitor`",
	}
	for _, e := range editions {
		want = append(want, "`"+e.Name+"-<version>.zip`", e.version("1.0.0")+" and above")
	}
	for name := range transforms {
		tr := loadTransform(t, name)
		want = append(want, "`"+name+"`", tr.Dest.Index)
	}
	for _, has := range want {
		if !strings.Contains(text, has) {
			t.Errorf("the page does not say %s", has)
		}
	}
	for _, file := range []string{"README.md", "deployment.md", "response.md", "troubleshooting.md"} {
		if !strings.Contains(page(t, packageDir+"/docs/"+file), "`docs/packages.md`") {
			t.Errorf("%s does not lead to docs/packages.md", file)
		}
	}
	for _, s := range load(t).streams {
		if !strings.Contains(text, "`"+s.name+"`") {
			t.Errorf("the page does not name the data stream %s", s.name)
		}
	}
}

// TestPagesNameTheirEdition: what to search for is the title that Kibana shows.
func TestPagesNameTheirEdition(t *testing.T) {
	for _, e := range editions {
		readme := string(upload(t, e).files["docs/README.md"])
		for _, has := range []string{"This package is `" + e.Name + "`;", "search for **" + e.Title + "**"} {
			if !strings.Contains(readme, has) {
				t.Errorf("%s: README does not say %s", e.Name, has)
			}
		}
	}
}

// TestPagesAreInBothZips: every page is in both zips, and what leads there.
func TestPagesAreInBothZips(t *testing.T) {
	sources, err := filepath.Glob(packageDir + "/_dev/build/docs/*.md")
	if err != nil || len(sources) < 5 {
		t.Fatalf("%d pages (%v)", len(sources), err)
	}
	for _, e := range editions {
		files := upload(t, e).files
		for _, source := range sources {
			if name := "docs/" + filepath.Base(source); len(files[name]) == 0 {
				t.Errorf("%s has no %s", e.Name, name)
			}
		}
		for _, page := range []string{"reading.md", "alerts.md", "response.md", "deployment.md", "troubleshooting.md", "packages.md"} {
			if !strings.Contains(string(files["docs/README.md"]), "`docs/"+page+"`") {
				t.Errorf("%s: README does not lead to docs/%s", e.Name, page)
			}
		}
	}
}

// TestAgentlessBeginsWithTheImage: without the component in the image the mode
// does nothing, and Elastic's organization and team do not answer for it.
func TestAgentlessBeginsWithTheImage(t *testing.T) {
	for file, heading := range map[string]string{"README.md": "### Agentless-enabled integration\n\n", "deployment.md": "## Agentless\n\n"} {
		_, section, ok := strings.Cut(page(t, packageDir+"/docs/"+file), heading)
		line, _, _ := strings.Cut(section, "\n")
		if !ok || !strings.Contains(line, "image") || !strings.Contains(line, "must hold the component") {
			t.Errorf("%s begins with %q", file, line)
		}
	}
	manifest := page(t, packageDir+"/manifest.yml")
	for _, has := range []string{"organization: defender-endpoint\n", "team: defender-endpoint\n"} {
		if !strings.Contains(manifest, has) {
			t.Errorf("the manifest does not say %s", has)
		}
	}
}
