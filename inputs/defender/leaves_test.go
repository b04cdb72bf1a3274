package defender

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/mapping"
)

// leftOut are the members of records whose values a document may not have as they
// came, with the reason: the list of MAPPING.md 12.2, where each is too.
var leftOut = map[string]string{
	"osProcessor":                              "host.architecture has it in other words",
	"ipAddresses.ipAddress":                    "the zone of an address is cut",
	"osArchitecture":                           "host.architecture has it in other words",
	"deviceGatheredInfo.avIsSignatureUpToDate": "Unknown is no boolean",
}

// TestEveryLeafIsFound: each value of each capture is in one of its documents,
// in the texts of its vendor fields, or is in the list of what is left out. Values
// that could not be mapped are named in error.message, and the original is kept.
func TestEveryLeafIsFound(t *testing.T) {
	page, err := os.ReadFile("MAPPING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(page), "### 12.2 ")
	list, _, _ = strings.Cut(list, "\n## ")
	if !found {
		t.Error("MAPPING.md has no list of what is left out")
	}
	needed := map[string]bool{}
	for _, r := range resources {
		files, err := filepath.Glob(filepath.Join(captures, r.name, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d captures of %s: %v", len(files), r.name, err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, ".golden.json") {
				continue
			}
			for _, lost := range lostLeaves(t, r, f) {
				name := nameOf(lost.name)
				if needed[name] = true; leftOut[name] == "" {
					t.Errorf("%s/%s: %s %q is in no document", r.name, filepath.Base(f), lost.name, lost.value)
				}
			}
		}
	}
	for name := range leftOut {
		if !needed[name] {
			t.Errorf("%s: no capture needs this exception", name)
		}
		if !strings.Contains(list, "| "+name+" |") {
			t.Errorf("%s is not in MAPPING.md 12.2", name)
		}
	}
}

// nameOf is a member's name as the list has it: files write it in another way.
func nameOf(written string) string {
	for name := range leftOut {
		if strings.EqualFold(name, written) {
			return name
		}
	}
	return written
}

type leaf struct{ name, value string }

// lostLeaves are the leaves of a capture that no document of it has.
func lostLeaves(t *testing.T, r *resource, file string) (lost []leaf) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(content)))
	dec.UseNumber()
	var record any
	if err := dec.Decode(&record); err != nil {
		t.Fatal(err)
	}
	if _, ok := record.(map[string]any); !ok {
		return nil // kept as the original alone
	}
	c := configOfCapture(r, file)
	has, faults := map[string]bool{}, ""
	for _, document := range mapRecord(t, r, c, content) {
		walkFields("", sourceOfDocument(t, document), func(name string, v any) {
			switch name {
			case "event.original":
			case "error.message":
				faults += "\n" + strings.Join(texts(v), "\n")
			default:
				note(has, v)
			}
		})
	}
	for _, l := range leavesOf("", record) {
		raw, _ := json.Marshal(l.value)
		if !mapping.Blank(raw) && !slices.Contains(r.sentinels, l.value) && !has[normal(l.value)] && !isFault(faults, l.name) {
			lost = append(lost, l)
		}
	}
	return lost
}

// leavesOf are the leaves of a value, lists in lists too.
func leavesOf(name string, v any) (leaves []leaf) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for member, value := range v {
			leaves = append(leaves, leavesOf(strings.TrimPrefix(name+"."+member, "."), value)...)
		}
	case []any:
		for _, element := range v {
			leaves = append(leaves, leavesOf(name, element)...)
		}
	default:
		if inside := objectIn(v); inside != nil {
			return leavesOf(name, inside)
		}
		leaves = append(leaves, leaf{name, fmt.Sprint(v)})
	}
	return leaves
}

// objectIn is the object or list whose JSON a text is, nil where it is none.
func objectIn(v any) (inside any) {
	text, _ := v.(string)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || dec.Decode(&inside) != nil {
		return nil
	}
	return inside
}

// note notes the texts of a field; of one that is JSON, the leaves of that.
func note(has map[string]bool, v any) {
	for _, text := range texts(v) {
		has[normal(text)] = true
		for _, l := range leavesOf("", objectIn(text)) {
			has[normal(l.value)] = true
		}
	}
}

// isFault tells whether a member, or one that it is in, could not be mapped.
func isFault(faults, name string) bool {
	for {
		if strings.Contains(strings.ToLower(faults), "\n"+strings.ToLower(name)+":") {
			return true
		}
		end := strings.LastIndexByte(name, '.')
		if end < 0 {
			return false
		}
		name = name[:end]
	}
}

// normal is a text in one letter case, a time in one writing, cut to milliseconds,
// a number without a fraction of zero, and a MAC address as ECS writes it.
func normal(text string) string {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
	}
	if at, err := time.Parse("2006-01-02 15:04:05", text); err == nil {
		return normal(at.Format(time.RFC3339Nano))
	}
	if mac, ok := mapping.FormatMAC(text); ok && len(text) == 12 {
		return strings.ToLower(mac)
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return strings.TrimSuffix(text, ".0")
	}
	return strings.ToLower(text)
}
