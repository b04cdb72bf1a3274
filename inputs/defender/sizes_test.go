package defender

import (
	"fmt"
	"strings"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/ecs"
	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// TestMuchEvidence: what the documents of an alert have together is bounded; one
// more tells how many items have none, and has the original.
func TestMuchEvidence(t *testing.T) {
	title := strings.Repeat("t", 10<<20)
	record := `{"id":"a","incidentId":{},"title":"` + title + `","evidence":[{"sha1":"x"}` + strings.Repeat(`,{"sha1":"x"}`, 999) + `]}`
	m := newMapper(alertResource, configOf(alertResource), someAgent, someTime, nil)
	m.Read([]byte(record), nil)
	var file ecs.Value
	ids, last := map[string]bool{}, ""
	if _, err := m.Documents(func(d *ecs.Document) error {
		ids[d.ID] = true
		last, file = d.Get("error.message").String(), d.Get("file.hash.sha1")
		if got := d.Get("event.original").String(); got != record {
			t.Errorf("the original has %d bytes, want %d", len(got), len(record))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := maxExpansion/(2*len(record)) + 1
	if len(ids) < want-1 || len(ids) > want+1 {
		t.Errorf("%d documents, want about %d", len(ids), want)
	}
	if left := fmt.Sprintf("evidence: %d of 1000 elements are in the original alone", 1001-len(ids)); !strings.Contains(last, left) {
		t.Errorf("the last document says %s, want %q", last, left)
	}
	if file.Present() {
		t.Errorf("the last document has evidence: %s", file)
	}
}

// TestEqualEvidence: each of many equal items has an id of its own.
func TestEqualEvidence(t *testing.T) {
	const many = 50_000
	record := `{"id":"a","evidence":[{"sha1":"x"}` + strings.Repeat(`,{"sha1":"x"}`, many-1) + `]}`
	m := newMapper(alertResource, configOf(alertResource), someAgent, someTime, nil)
	m.Read([]byte(record), nil)
	ids := make(map[string]bool, many)
	if _, err := m.Documents(func(d *ecs.Document) error { ids[d.ID] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(ids) != many {
		t.Errorf("%d ids of %d items", len(ids), many)
	}
}

// TestListsAreBounded: no list of a record takes more than its share, and what
// is left out is told.
func TestListsAreBounded(t *testing.T) {
	whole := configOf(alertResource)
	whole.Evidence = "whole"
	for _, c := range []struct {
		r          *resource
		config     Config
		name, each string
		path       string
	}{
		{alertResource, configOf(alertResource), "mitreTechniques", `"T1"`, "microsoft.defender_endpoint.mitreTechniques"},
		{alertResource, configOf(alertResource), "comments", `{"comment":"c"}`, "microsoft.defender_endpoint.comments"},
		{alertResource, configOf(alertResource), "loggedOnUsers", `"u"`, "microsoft.defender_endpoint.loggedOnUsers"},
		{alertResource, configOf(alertResource), "domains", `"d"`, "microsoft.defender_endpoint.domains"},
		{alertResource, whole, "evidence", `{"sha1":"x"}`, "microsoft.defender_endpoint.evidence"},
		{machineResource, configOf(machineResource), "ipAddresses", `{"type":"x"}`, "microsoft_defender_endpoint.machine.ip_addresses"},
		{machineResource, configOf(machineResource), "machineTags", `"t"`, "microsoft_defender_endpoint.machine.machine_tags"},
		{machineActionResource, configOf(machineActionResource), "commands", `{}`, "microsoft_defender_endpoint.machine_action.commands"},
	} {
		record := `{"id":"a","` + c.name + `":[` + c.each + strings.Repeat(","+c.each, mapping.MaxElements+6) + `]}`
		documents := mapRecord(t, c.r, c.config, []byte(record))
		if list, _ := field(t, documents[0], c.path).([]any); len(list) != mapping.MaxElements || len(documents) != 1 {
			t.Errorf("%s: %d elements in %d documents", c.name, len(list), len(documents))
		}
		want := fmt.Sprintf("%s: 7 of %d elements are in the original alone", c.name, mapping.MaxElements+7)
		if got := field(t, documents[0], "error.message"); !equal(got, []any{want}) {
			t.Errorf("%s: error.message %v, want %q", c.name, got, want)
		}
		if got := field(t, documents[0], "event.original"); got != record {
			t.Errorf("%s: the original is lost", c.name)
		}
	}
}
