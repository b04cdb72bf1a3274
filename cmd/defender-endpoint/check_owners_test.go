package main_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/defender-endpoint/defender-endpoint/component/output/elasticsearch/elasticsearchtest"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

// TestCheckWarnsOfOtherPackages: they are no fault, for the output takes the
// documents, so the exit code is 0.
func TestCheckWarnsOfOtherPackages(t *testing.T) {
	t.Parallel()
	const set, theirs = "logs-microsoft_defender_endpoint.log", "microsoft_defender_endpoint"
	for name, c := range map[string]struct {
		owned map[string]elasticsearchtest.Owned
		blind bool
		says  string // after the data stream's name; empty: no warning
	}{
		"nothing there":                      {},
		"ours":                               {owned: owned("defender_endpoint", set+"-1.0.0")},
		"ours under the name of Elastic's":   {owned: owned(theirs, set+"-100.0.0")},
		"Elastic's":                          {owned: owned(theirs, set+"-4.13.0"), says: "belongs to Elastic's package (" + set + "-4.13.0)"},
		"made by nobody":                     {owned: owned("", ""), says: "was made without a Fleet package"},
		"another's":                          {owned: owned("custom", "x"), says: "belongs to the package custom"},
		"a template of either":               {owned: map[string]elasticsearchtest.Owned{dataStream: {Planned: true, Package: theirs}}, says: "belongs to the package " + theirs + ": if its version is below 100"},
		"a pipeline that is not a package's": {owned: owned(theirs, "mine"), says: "belongs to the package " + theirs + ": if its version is below 100"},
		"a template of Elastic's, seen with a key of Fleet": {owned: owned(theirs, set+"-4.13.0"), blind: true, says: "belongs to Elastic's package (" + set + "-4.13.0)"},
		"the key may not look":                              {blind: true},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := defendertest.New(defendertest.Options{Seed: 52, Alerts: 1})
			es := elasticsearchtest.New(elasticsearchtest.Options{APIKey: "id:key", Owned: c.owned, NoOwners: c.blind})
			code, stdout, stderr := runCheck(t, policy(listen(t, tenant), listen(t, es)))
			if code != 0 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			warned := strings.Contains(stderr, "warning: logs-")
			if warned != (c.says != "") || warned && !strings.Contains(stderr, "warning: "+dataStream+" "+c.says) {
				t.Errorf("no %q in:\n%s", c.says, stderr)
			}
			if strings.Contains(stderr, "not known of all data streams") != c.blind {
				t.Errorf("does not tell whether the key could look:\n%s%s", stdout, stderr)
			}
		})
	}
}

func owned(name, pipeline string) map[string]elasticsearchtest.Owned {
	return map[string]elasticsearchtest.Owned{dataStream: {Package: name, Pipeline: pipeline}}
}

// TestCheckKnowsThePackage: the names and versions it looks for are those of the
// package.
func TestCheckKnowsThePackage(t *testing.T) {
	var manifest struct{ Name string }
	b, err := os.ReadFile("../../spec/package/manifest.yml")
	if err != nil || yaml.Unmarshal(b, &manifest) != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("check_owners.go")
	if err != nil || !strings.Contains(string(source), `"`+manifest.Name+`"`) {
		t.Errorf("check does not know the package %s (%v)", manifest.Name, err)
	}
}
