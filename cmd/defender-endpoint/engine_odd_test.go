package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// oddValues are JSON values, one of each kind that a member may turn out to
// have, and some that no field should hold.
var oddValues = map[string]string{
	"null": `null`, "empty text": `""`, "text": `"text"`, "negative": `-17`, "fraction": `1.5`, "beyond long": `123456789012345678901234567890`,
	"beyond double": `1e400`, "boolean": `true`, "object": `{"a":{"b":1}}`, "empty object": `{}`, "empty list": `[]`,
	"list of texts": `["a","b"]`, "list of numbers": `[1.5,2]`, "mixed list": `[1,1.5,"x",null,{},[2],true]`, "list of objects": `[{"id":"x","host":"h"},{"id":7}]`,
	"list of lists": `[[["a"]]]`, "year 1": `"0001-01-01T00:00:00Z"`, "year 9999": `"9999-12-31T23:59:59.9999999Z"`, "year 10000": `"10000-01-01T00:00:00Z"`,
	"no such day": `"2026-02-30T00:00:00Z"`, "half surrogate": `"a\ud800b"`, "other half": `"\udc00"`, "NUL": `"a\u0000b"`, "quotes": `"\"\\\n\t"`,
	"address with zone": `"fe80::1%eth0"`, "no address": `"999.1.1.1"`, "number as text": `"12"`, "JSON as text": `"{\"a\":1}"`,
}

// longTexts are for fewer members: they are what takes the time.
var longTexts = map[string]string{
	"40,000 bytes": `"` + strings.Repeat("x", 40_000) + `"`, "40,000 bytes of three each": `"` + strings.Repeat("€", 13_334) + `"`,
	"8,192 characters of four bytes": `"` + strings.Repeat("😀", 8192) + `"`,
}

// paths calls each for every member of a record, and of the objects and first
// elements in it, with a function that gives the record another value there.
func paths(record any, prefix string, each func(path string, set func(v any))) {
	switch r := record.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(r)) {
			each(prefix+name, func(v any) { r[name] = v })
			paths(r[name], prefix+name+".", each)
		}
	case []any:
		for i := range r {
			each(strings.TrimSuffix(prefix, ".")+"[]", func(v any) { r[i] = v })
			paths(r[i], prefix, each)
		}
	}
}

// members are all known members of a resource, by their path: each with a record
// that has it, no larger than needed.
func members(t testing.TB, resource string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	captures(t, func(r, name string, record []byte) {
		if r != resource || strings.Contains(name, "wrong-types") || strings.Contains(name, "not-an-object") {
			return
		}
		for _, one := range slim(t, record) {
			paths(decode(t, one), "", func(path string, _ func(any)) {
				if found[path] == nil || len(one) < len(found[path]) {
					found[path] = one
				}
			})
		}
	})
	return found
}

// slim makes of a record with many evidence items one for each.
func slim(t testing.TB, record []byte) [][]byte {
	t.Helper()
	root, _ := decode(t, record).(map[string]any)
	items, _ := root["evidence"].([]any)
	if len(items) < 2 {
		return [][]byte{record}
	}
	var all [][]byte
	for _, item := range items {
		root["evidence"] = []any{item}
		all = append(all, encode(t, root))
	}
	return all
}

// with is a record with another value at a path, in the first place that has it.
func with(t testing.TB, record []byte, path, value string) []byte {
	t.Helper()
	root, done := decode(t, record), false
	paths(root, "", func(p string, set func(any)) {
		if p == path && !done {
			set(json.RawMessage(value))
			done = true
		}
	})
	return encode(t, root)
}

func decode(t testing.TB, record []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// encode leaves escapes in raw values as they are.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

var (
	split = way{"evidence=split", map[string]any{"evidence": "split", "preserve_duplicate_custom_fields": true, "software_without_cve": true}}
	whole = way{"evidence=whole", map[string]any{"evidence": "whole", "preserve_duplicate_custom_fields": true}}
)

// types adds each known member as each kind of JSON value.
func (f *feed) types(w way) {
	for resource := range datasetOf {
		if w.name == whole.name && resource != "alert" { // the others have no evidence
			continue
		}
		known := members(f, resource)
		for _, path := range slices.Sorted(maps.Keys(known)) {
			for _, kind := range slices.Sorted(maps.Keys(oddValues)) {
				f.add(resource, w, resource+" "+path+" as "+kind, with(f, known[path], path, oddValues[kind]))
			}
		}
	}
}

// long adds 40,000 bytes in every known member, of characters of one to four
// bytes, and 1 MB in some. Fields for free text are searched up to 8,191
// characters. An id or a word of an enumeration that is longer than Fleet's 1,024
// is stored and not searched, as it is for every integration.
func (f *feed) long() {
	million := `"` + strings.Repeat("long ", 200_000) + `"`
	for resource := range datasetOf {
		known := members(f, resource)
		known["notKnownYet"] = []byte(`{"id":"x","notKnownYet":1}`)
		for _, path := range slices.Sorted(maps.Keys(known)) {
			for kind, value := range longTexts {
				f.add(resource, usual, resource+" "+path+" of "+kind, with(f, known[path], path, value))
			}
		}
		for _, path := range []string{
			"id", "title", "description", "category", "evidence.processCommandLine", "comments", "computerDnsName", "requestorComment", "notKnownYet",
		} {
			if record := known[path]; record != nil {
				f.add(resource, split, resource+" "+path+" of 1 MB", with(f, record, path, million))
			}
		}
	}
}

// oddNames are names of members that Elasticsearch has trouble with.
var oddNames = []string{
	``, `.`, ` `, `..`, `a.`, `.a`, `a..b`, `a`, `a.b`, `a.b.c`, `@timestamp`, `_id`, `_source`, `data_stream.dataset`, `*`, `a\u0000b`, `\ud800`, `\u0000`, `"`,
	`\\`, `\n`, `event.kind`, `microsoft.defender_endpoint.unknown`, `unknown`, strings.Repeat("n", 40_000), strings.Repeat("€", 200), strings.Repeat("a.", 60),
}

// unknown adds what Microsoft may add, and in shapes that
// change from one record to the next.
func (f *feed) unknown() {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `[1.5]` + strings.Repeat("}", n) }
	var many strings.Builder
	for i := range 10_000 {
		many.WriteString(`,"newMember` + strconv.Itoa(i) + `":` + strconv.Itoa(i))
	}
	shapes := maps.Clone(oddValues)
	shapes["25 levels"], shapes["lists 25 deep"] = deep(25), strings.Repeat("[", 25)+"1"+strings.Repeat("]", 25)
	shapes["200 levels"] = deep(200)
	shapes["10,000 members"] = `{"a":0` + many.String() + `}`
	maps.Copy(shapes, longTexts)
	for resource := range datasetOf {
		places := map[string]string{"record": `{"id":"x"%}`}
		switch resource {
		case "alert":
			places["evidence"] = `{"id":"x","evidence":[{"entityType":"File"%}]}`
			places["relatedUser"] = `{"id":"x","relatedUser":{"userName":"u"%}}`
		case "machine":
			places["ipAddresses"] = `{"id":"x","ipAddresses":[{"ipAddress":"10.0.0.1"%}]}`
		case "machine_action":
			places["relatedFileInfo"] = `{"id":"x","relatedFileInfo":{"fileIdentifier":"f"%}}`
		case "information_gathering":
			places["deviceGatheredInfo"] = `{"DeviceId":"x","DeviceGatheredInfo":{"AvMode":"0"%}}`
		}
		for place, record := range places {
			put := func(w way, source, members string) {
				f.add(resource, w, fmt.Sprintf("%s in %s %s", source, resource, place), []byte(strings.Replace(record, "%", members, 1)))
			}
			for kind, value := range shapes {
				put(split, kind, `,"newMember":`+value)
				put(whole, kind, `,"newMember":`+value)
			}
			put(split, "10,000 new members", many.String())
			for _, name := range oddNames {
				put(split, fmt.Sprintf("name %.40q", name), `,"`+name+`":1`)
				put(whole, fmt.Sprintf("name %.40q with an object", name), `,"`+name+`":{"`+name+`":{"a":1,"a.b":2}}`)
			}
			put(split, "all names", `,"`+strings.Join(oddNames, `":1,"`)+`":1`)
		}
	}
}
