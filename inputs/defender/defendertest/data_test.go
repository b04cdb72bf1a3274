package defendertest_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/defender/defendertest"
)

func TestDeterministic(t *testing.T) {
	read := func(seed uint64) string {
		tenant := defendertest.New(defendertest.Options{Seed: seed, Alerts: 50, Machines: 50, Actions: 50, Now: midnight})
		c := connect(t, tenant)
		return c.list(alertsByTime).Body + c.list("/api/machines").Body + c.list("/api/machineactions").Body
	}
	if first, again := read(1), read(1); first != again {
		t.Error("equal seeds, different bytes")
	}
	if read(1) == read(2) {
		t.Error("different seeds, equal bytes")
	}
}

// The pages' sizes, which decide what a benchmark means.
func TestSizes(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 1000, Machines: 1000, Actions: 1000, EvidencePerAlert: 3, Now: midnight})
	c := connect(t, tenant)
	for _, test := range []struct {
		path      string
		low, high int // bytes per record
	}{
		{"/api/alerts", 1200, 1700},
		{alertsByTime, 3300, 3800},
		{"/api/machines", 900, 1300},
		{"/api/machineactions", 600, 1000},
	} {
		if n := len(c.list(test.path).Body) / 1000; n < test.low || n > test.high {
			t.Errorf("%s: %d bytes per record", test.path, n)
		}
	}
}

type alertShape struct {
	ID, LastUpdateTime, AlertCreationTime, Category, Title string
	Description, ResolvedTime, DetectorID                  *string
	RelatedUser                                            *struct{ UserName string }
	MitreTechniques                                        []string
	MachineID                                              string
	Evidence                                               []map[string]any
}

func alerts(t *testing.T, o defendertest.Options) []alertShape {
	t.Helper()
	o.Now = midnight
	var list []alertShape
	for _, raw := range connect(t, defendertest.New(o)).list(alertsByTime).Value {
		var a alertShape
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		list = append(list, a)
	}
	return list
}

// sightings count how often something is so and, as "not ...", how often it is not.
type sightings map[string]int

func (s sightings) note(name string, yes bool) {
	if yes {
		s[name]++
	} else {
		s["not "+name]++
	}
}

// What real tenants show must occur in the generated alerts.
func TestAlertVariety(t *testing.T) {
	seen := sightings{}
	forms := regexp.MustCompile(`^(da\d{18}_-?\d+|da[0-9a-f-]{36}_1|ar\d{18}_\d+)$`)
	ids := map[string]bool{}
	for _, a := range alerts(t, defendertest.Options{Alerts: 1000}) {
		if !forms.MatchString(a.ID) || ids[a.ID] {
			t.Errorf("id %q", a.ID)
		}
		ids[a.ID] = true
		seen.note("new id form", strings.HasSuffix(a.ID, "_1"))
		seen.note("investigation id form", strings.HasPrefix(a.ID, "ar"))
		seen.note("null description", a.Description == nil)
		seen.note("resolved", a.ResolvedTime != nil)
		seen.note("no detector", a.DetectorID == nil)
		seen.note("category null as text", a.Category == "null")
		seen.note("related user", a.RelatedUser != nil)
		seen.note("techniques", len(a.MitreTechniques) > 0)
		seen.note("evidence", len(a.Evidence) > 0)
		for _, e := range a.Evidence {
			kind := e["entityType"].(string)
			seen["type "+kind]++
			_, dated := e["evidenceCreationTime"]
			seen.note("evidence of 2020", !dated)
			seen.note("null ip", kind == "Ip" && e["ipAddress"] == nil)
			seen.note("null hash", kind == "File" && e["sha1"] == nil)
			if dated && kind != "SomethingNew" && len(e) != 26 {
				t.Errorf("%s evidence with %d members", kind, len(e))
			}
		}
	}
	for _, name := range []string{
		"new id form", "investigation id form", "null description", "resolved", "no detector", "category null as text",
		"related user", "techniques", "evidence", "evidence of 2020", "null ip", "null hash",
	} {
		if seen[name] == 0 || seen["not "+name] == 0 {
			t.Errorf("%s: %d times, %d times not", name, seen[name], seen["not "+name])
		}
	}
	for _, kind := range []string{"User", "Process", "File", "Ip", "Url", "Registry", "SomethingNew"} {
		if seen["type "+kind] == 0 {
			t.Errorf("no evidence of type %s", kind)
		}
	}
}

// lastUpdateTime and evidenceCreationTime are multiples of 1/300 s, other
// times have up to seven digits; none has trailing zeros.
func TestTimes(t *testing.T) {
	trimmed := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?Z$`)
	onGrid := func(text string) bool {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !trimmed.MatchString(text) {
			t.Errorf("time %q: %v", text, err)
		}
		hundreds := int64(at.Nanosecond() / 100)
		tick := (hundreds*300 + 5_000_000) / 10_000_000
		return hundreds == (tick*10_000_000+150)/300
	}
	ties, off, previous := 0, 0, ""
	list := alerts(t, defendertest.Options{Alerts: 600})
	for _, a := range list {
		if !onGrid(a.LastUpdateTime) {
			t.Errorf("lastUpdateTime %s", a.LastUpdateTime)
		}
		if !onGrid(a.AlertCreationTime) {
			off++
		}
		for _, e := range a.Evidence {
			if at, dated := e["evidenceCreationTime"].(string); dated && !onGrid(at) {
				t.Errorf("evidenceCreationTime %s", at)
			}
		}
		if a.LastUpdateTime == previous {
			ties++
		}
		previous = a.LastUpdateTime
	}
	if ties < 15 || ties > 100 {
		t.Errorf("%d ties", ties)
	}
	if off < 300 {
		t.Errorf("only %d creation times are off the grid", off)
	}
	if first, last := list[0].LastUpdateTime, list[len(list)-1].LastUpdateTime; first < "2026-03-01T12:00:00" || last >= "2026-03-02T00:00:00" {
		t.Errorf("times from %s to %s", first, last)
	}
}

func TestTieRun(t *testing.T) {
	times := map[string]int{}
	for _, a := range alerts(t, defendertest.Options{Alerts: 100, TieRun: 10}) {
		times[a.LastUpdateTime]++
	}
	if len(times) != 10 {
		t.Errorf("times %v", times)
	}
}

func TestEvidencePerAlert(t *testing.T) {
	counts := map[int]bool{}
	for _, a := range alerts(t, defendertest.Options{Alerts: 200}) {
		counts[len(a.Evidence)] = true
	}
	if len(counts) != 7 {
		t.Errorf("varied: %v", counts)
	}
	for _, a := range alerts(t, defendertest.Options{Alerts: 20, EvidencePerAlert: 4}) {
		if len(a.Evidence) != 4 {
			t.Errorf("fixed: %d", len(a.Evidence))
		}
	}
}

// Alerts and actions speak of machines that the tenant lists, by the names it
// lists them with.
func TestMachinesAreKnown(t *testing.T) {
	tenant := defendertest.New(defendertest.Options{Alerts: 100, Machines: 20, Actions: 100, Now: midnight})
	c := connect(t, tenant)
	type named struct {
		ID, MachineID   string
		ComputerDNSName *string
	}
	names := map[string]*string{}
	for _, m := range c.list("/api/machines").Value {
		var machine named
		if err := json.Unmarshal(m, &machine); err != nil {
			t.Fatal(err)
		}
		names[machine.ID] = machine.ComputerDNSName
	}
	for _, raw := range slices.Concat(c.list("/api/alerts").Value, c.list("/api/machineactions").Value) {
		var r named
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		name, known := names[r.MachineID]
		if !known || (name == nil) != (r.ComputerDNSName == nil) || name != nil && *name != *r.ComputerDNSName {
			t.Errorf("record %s of machine %s", r.ID, r.MachineID)
		}
	}
}
