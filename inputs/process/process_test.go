package process

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

const processorRecord = `{"event":{"kind":"alert","severity":3},"host":{"name":"pc-1","ip":["10.0.0.1","10.0.0.2"]},` +
	`"tags":["forwarded"],"labels":{"big":9007199254740993,"on":true,"quoted":"3"},"message":"a \"long\" text"}`

// processorDocument is a document of a JSON object's members.
func processorDocument(t testing.TB, object string) *ecs.Document {
	t.Helper()
	d := &ecs.Document{Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	dec := json.NewDecoder(strings.NewReader(object))
	_, _ = dec.Token()
	for dec.More() {
		name, _ := dec.Token()
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		d.Root().Set(name.(string), d.JSON([]byte(value)))
	}
	return d
}

func processorList(t testing.TB, list string) []any {
	t.Helper()
	var parsed []any
	if err := json.Unmarshal([]byte(list), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

// encoded is the document without its @timestamp.
func encoded(d *ecs.Document) string { return string(d.Root().AppendJSON(nil)) }

// processorTests are processor lists, and what they make of a document.
var processorTests = []struct{ name, list, document, want string }{
	{"none", `[]`, `{"a":1}`, `{"a":1}`},
	{"add_fields under fields", `[{"add_fields":{"fields":{"b":"x","a":1.50}}}]`, `{}`, `{"fields":{"a":1.5,"b":"x"}}`},
	{"add_fields under root", `[{"add_fields":{"target":"","fields":{"a":{"b":true}}}}]`, `{"a":{"c":1}}`, `{"a":{"c":1,"b":true}}`},
	{"add_fields under a dotted target", `[{"add_fields":{"target":"x.y","fields":{"a.b":1,"a":{"c":2}}}}]`, `{}`, `{"x":{"y":{"a":{"b":1,"c":2}}}}`},
	{"add_fields of lists", `[{"add_fields":{"fields":{"l":["a",1,null,{"k":"v","e":""}],"none":[],"null":null}}}]`, `{}`, `{"fields":{"l":["a",1,{"k":"v"}]}}`},
	{"add_fields replaces", `[{"add_fields":{"target":"","fields":{"a":2,"b":{"c":3}}}}]`, `{"a":1,"b":"x"}`, `{"a":2,"b":{"c":3}}`},
	{"settings with dots", `[{"add_fields.target":"","add_fields.fields.a.b":1}]`, `{}`, `{"a":{"b":1}}`},
	{"drop_fields", `[{"drop_fields":{"fields":["a.b","c","none","c.d"]}}]`, `{"a":{"b":1,"x":2},"c":{"d":1},"e":3}`, `{"a":{"x":2},"e":3}`},
	{"drop_fields of one", `[{"drop_fields":{"fields":"a","ignore_missing":true}}]`, `{"a":1,"b":2}`, `{"b":2}`},
	{"add_tags", `[{"add_tags":{"tags":["x","forwarded","x"]}}]`, `{"tags":["forwarded"]}`, `{"tags":["forwarded","x"]}`},
	{"add_tags to a target", `[{"add_tags":{"tags":["x"],"target":"a.b"}}]`, `{"a":{"b":"one"}}`, `{"a":{"b":["one","x"]}}`},
	{"add_tags to none yet", `[{"add_tags":{"tags":["x"]}}]`, `{}`, `{"tags":["x"]}`},
	{"add_tags keeps what is no list", `[{"add_tags":{"tags":["x"],"target":"a"}},{"add_tags":{"tags":["x"],"target":"b.c"}}]`, `{"a":{"k":1},"b":2}`, `{"a":{"k":1},"b":2}`},
	{"rename", `[{"rename":{"fields":[{"from":"a.b","to":"c.d"},{"from":"c.d","to":"e"}]}}]`, `{"a":{"b":{"x":1},"y":2}}`, `{"a":{"y":2},"e":{"x":1}}`},
	{"rename into itself", `[{"rename":{"fields":[{"from":"a","to":"a.b"}]}}]`, `{"a":1}`, `{"a":{"b":1}}`},
	{"rename out of itself", `[{"rename":{"fields":[{"from":"a.b","to":"a"}]}}]`, `{"a":{"b":1}}`, `{"a":1}`},
	{"rename of a missing field", `[{"rename":{"fields":[{"from":"a","to":"x"},{"from":"none","to":"y"}]}}]`, `{"a":1}`, `{"a":1,"error":{"message":["rename: none is missing"]}}`},
	{"rename ignores a missing field", `[{"rename":{"ignore_missing":true,"fields":[{"from":"none","to":"y"},{"from":"a","to":"x"}]}}]`, `{"a":1}`, `{"x":1}`},
	{"rename onto a field", `[{"rename":{"fields":[{"from":"c","to":"d"},{"from":"a","to":"b"}]}}]`, `{"a":1,"b":2,"c":3,"error":{"message":"first"}}`, `{"b":2,"error":{"message":["first","rename: a: b exists already"]},"a":1,"c":3}`},
	{"rename below a value", `[{"rename":{"fail_on_error":false,"fields":[{"from":"a","to":"b.c"},{"from":"d","to":"e"}]}}]`, `{"a":1,"b":2,"d":3}`, `{"b":2,"a":1,"e":3}`},
	{"rename reverts into itself", `[{"rename":{"fields":[{"from":"a","to":"a.b"},{"from":"none","to":"x"}]}}]`, `{"a":1}`, `{"a":1,"error":{"message":["rename: none is missing"]}}`},
	{"order", `[{"add_fields":{"target":"","fields":{"a":1}}},{"rename":{"fields":[{"from":"a","to":"b"}]}},{"drop_fields":{"fields":["b"]}},{"add_fields":{"target":"","fields":{"a":2}}}]`, `{}`, `{"a":2}`},
	{"when holds", `[{"add_tags":{"tags":["x"],"when":{"equals":{"a.b":1}}}}]`, `{"a":{"b":1}}`, `{"a":{"b":1},"tags":["x"]}`},
	{"when with dots", `[{"add_tags":{"tags":["x"],"when.equals.a.b":1}}]`, `{"a":{"b":1}}`, `{"a":{"b":1},"tags":["x"]}`},
	{"when does not hold", `[{"add_tags":{"tags":["x"],"when":{"equals":{"a":2}}}}]`, `{"a":1}`, `{"a":1}`},
	{"when sees earlier steps", `[{"add_fields":{"target":"","fields":{"a":2}}},{"add_tags":{"tags":["x"],"when":{"equals":{"a":2}}}}]`, `{"a":1}`, `{"a":2,"tags":["x"]}`},
	{"drop_event", `[{"drop_event":null},{"add_tags":{"tags":["x"]}}]`, `{"a":1}`, "dropped"},
	{"drop_event when", `[{"drop_event":{"when":{"has_fields":["a"]}}}]`, `{"a":1}`, "dropped"},
	{"drop_event unless", `[{"drop_event":{"when":{"not":{"has_fields":["a"]}}}}]`, `{"a":1}`, `{"a":1}`},
}

func TestProcessors(t *testing.T) {
	for _, tt := range processorTests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := New(processorList(t, tt.list))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // what one document does must not show in the next
				d := processorDocument(t, tt.document)
				got := "dropped"
				if list.Run(d) {
					got = encoded(d)
				}
				if got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
		})
	}
}

// conditionTests are conditions, and whether processorRecord meets them.
var conditionTests = []struct {
	condition string
	want      bool
}{
	{`{"equals":{"event.kind":"alert"}}`, true},
	{`{"equals":{"event":{"kind":"alert","severity":3}}}`, true},
	{`{"equals":{"event.kind":"alert","event.severity":4}}`, false},
	{`{"equals":{"event.kind":"aler"}}`, false},
	{`{"equals":{"event.severity":3.0}}`, true},
	{`{"equals":{"event.severity":30e-1}}`, true},
	{`{"equals":{"event.severity":"3"}}`, false},
	{`{"equals":{"labels.quoted":3}}`, false},
	{`{"equals":{"labels.on":true}}`, true},
	{`{"equals":{"labels.on":false}}`, false},
	{`{"equals":{"labels.on":"true"}}`, false},
	{`{"equals":{"host.ip":"10.0.0.2"}}`, true},
	{`{"equals":{"host.ip":"10.0.0.3"}}`, false},
	{`{"equals":{"message":"a \"long\" text"}}`, true},
	{`{"equals":{"@timestamp":"2026-01-02T03:04:05.000Z"}}`, true},
	{`{"equals":{"none":"x"}}`, false},
	{`{"equals":{"host":"x"}}`, false},
	{`{"contains":{"message":"\"long\""}}`, true},
	{`{"contains":{"message":"short"}}`, false},
	{`{"contains":{"tags":"forwarded"}}`, true},
	{`{"contains":{"tags":"forward"}}`, false},
	{`{"contains":{"event.severity":3}}`, true},
	{`{"contains":{"none":"x"}}`, false},
	{`{"regexp":{"host.name":"^pc-[0-9]$"}}`, true},
	{`{"regexp":{"host.name":"^c"}}`, false},
	{`{"regexp":{"host.ip":"2$","message":"long"}}`, true},
	{`{"regexp":{"event.severity":"3"}}`, false},
	{`{"regexp":{"none":".*"}}`, false},
	{`{"range":{"event.severity":{"gte":3,"lt":4}}}`, true},
	{`{"range":{"event.severity.gt":3}}`, false},
	{`{"range":{"event.severity.lte":3.0}}`, true},
	{`{"range":{"labels.quoted.gte":1}}`, false},
	{`{"range":{"none":{"lt":1}}}`, false},
	{`{"network":{"host.ip":"private"}}`, true},
	{`{"network":{"host.ip":["public","10.0.0.2/32"]}}`, true},
	{`{"network":{"host.ip":"10.0.1.0/24"}}`, false},
	{`{"network":{"host.ip":["public","loopback","multicast","fd00::/8"]}}`, false},
	{`{"network":{"host.name":"private"}}`, false},
	{`{"has_fields":["event.kind","host","@timestamp"]}`, true},
	{`{"has_fields":["event.kind","none"]}`, false},
	{`{"has_fields":"event.kind.x"}`, false},
	{`{"not":{"equals":{"event.kind":"alert"}}}`, false},
	{`{"and":[{"has_fields":["tags"]},{"equals":{"event.kind":"alert"}}]}`, true},
	{`{"and":[{"has_fields":["tags"]},{"has_fields":["none"]}]}`, false},
	{`{"or":[{"has_fields":["none"]},{"has_fields":["tags"]}]}`, true},
	{`{"or":[{"has_fields":["none"]},{"has_fields":["nil"]}]}`, false},
	{`{"or":[{"and":[{"not":{"has_fields":["none"]}},{"contains":{"host.name":"pc"}}]},{"has_fields":["none"]}]}`, true},
}

func TestProcessorConditions(t *testing.T) {
	for _, tt := range conditionTests {
		t.Run(tt.condition, func(t *testing.T) {
			list, err := New(processorList(t, `[{"add_tags":{"tags":["met"],"when":`+tt.condition+`}}]`))
			if err != nil {
				t.Fatal(err)
			}
			d := processorDocument(t, processorRecord)
			list.Run(d)
			if got := strings.Contains(encoded(d), `"met"`); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestProcessorLargeNumbersStayExact(t *testing.T) {
	list, err := New([]any{map[string]any{"drop_event": map[string]any{"when": map[string]any{"equals": map[string]any{"labels.big": int64(9007199254740992)}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if !list.Run(processorDocument(t, processorRecord)) {
		t.Error("numbers that differ in the last digit were taken for equal")
	}
}

func TestProcessorFaults(t *testing.T) {
	tests := []struct{ name, list, want string }{
		{"unsupported", `[{"drop_event":{}},{"drop_event":{}},{"script":{"lang":"js"}}]`, `processors[2]: "script" is not supported; supported are add_fields, add_tags, drop_event, drop_fields, rename`},
		{"all of them", `[{"script":{}},{"add_tags":{"x":1,"target":2}}]`, `processors[0]: "script" is not supported; supported are add_fields, add_tags, drop_event, drop_fields, rename
processors[1]: add_tags: target: want a string
processors[1]: add_tags: tags: want a list of strings, at least one and none empty
processors[1]: add_tags: x: unknown setting, there are when, target, tags`},
		{"no object", `["drop_event"]`, `processors[0]: want an object that names one processor, got 0 names []`},
		{"two names", `[{"if":{},"then":[]}]`, `processors[0]: want an object that names one processor, got 2 names ["if" "then"]`},
		{"settings", `[{"drop_event":1}]`, `processors[0]: drop_event: want an object of settings`},
		{"set twice", `[{"add_fields":{"fields":{"a":1,"a.b":2}}}]`, `processors[0]: add_fields: fields: a: set twice`},
		{"no fields", `[{"add_fields":{}}]`, `processors[0]: add_fields: fields: required: an object of the fields to add`},
		{"no name", `[{"add_fields":{"fields":{"a.":1}}}]`, `processors[0]: add_fields: fields: "fields.a." is not the name of a field`},
		{"add to the time", `[{"add_fields":{"target":"","fields":{"@timestamp":"x","data_stream":{"dataset":"y"}}}}]`, `processors[0]: add_fields: fields: @timestamp must not be changed
processors[0]: add_fields: fields: data_stream.dataset must not be changed`},
		{"metadata", `[{"add_fields":{"target":"@metadata","fields":{"pipeline":"x"}}}]`, `processors[0]: add_fields: fields: @metadata.pipeline must not be changed`},
		{"tag target", `[{"add_tags":{"target":"data_stream.type","tags":["x"]}}]`, `processors[0]: add_tags: target: data_stream.type must not be changed`},
		{"drop the time", `[{"drop_fields":{"fields":["a","@timestamp","data_stream"]}}]`, `processors[0]: drop_fields: fields: @timestamp must not be changed
processors[0]: drop_fields: fields: data_stream must not be changed`},
		{"drop by pattern", `[{"drop_fields":{"fields":["/a.*/"]}}]`, `processors[0]: drop_fields: fields: /a.*/: regular expressions are not supported`},
		{"drop nothing", `[{"drop_fields":{"fields":[1],"ignore_missing":"no"}}]`, `processors[0]: drop_fields: ignore_missing: want true or false
processors[0]: drop_fields: fields: want a list of strings, at least one and none empty`},
		{"rename nothing", `[{"rename":{}}]`, `processors[0]: rename: fields: required: a list of objects with from and to`},
		{"rename", `[{"rename":{"fields":[{"from":"a"},{"from":"a","to":"a"},{"from":"a","to":"@timestamp"},{"from":"data_stream.type","to":"b","x":1},7]}}]`, `processors[0]: rename: fields[0]: from and to: both are required
processors[0]: rename: fields[1]: from and to are the same
processors[0]: rename: fields[2]: @timestamp must not be changed
processors[0]: rename: fields[3]: x: unknown setting, there are from, to
processors[0]: rename: fields[3]: data_stream.type must not be changed
processors[0]: rename: fields[4]: from and to: both are required`},
		{"condition", `[{"drop_event":{"when":{"not":{"or":[{"has_fields":["a"]},{"script":{"a":"b"}}]}}}}]`, `processors[0]: drop_event: when: not: or: [1]: "script" is not supported; supported are and, contains, equals, has_fields, network, not, or, range, regexp`},
		{"two conditions", `[{"drop_event":{"when":{"equals":{"a":1},"has_fields":["a"]}}}]`, `processors[0]: drop_event: when: want an object that names one condition, got 2 names ["equals" "has_fields"]`},
		{"empty conditions", `[{"drop_event":{"when":{"and":[{"equals":{}},{"equals":{"a":{}}},{"contains":{"a":[1],"":"x"}},{"has_fields":["a..b"]},{"or":[]}]}}}]`, `processors[0]: drop_event: when: and: [0]: equals: want an object of fields and values
processors[0]: drop_event: when: and: [1]: equals: want an object of fields and values
processors[0]: drop_event: when: and: [2]: contains: "" is not the name of a field
processors[0]: drop_event: when: and: [2]: contains: a: want a string that is not empty, a number or a boolean
processors[0]: drop_event: when: and: [3]: has_fields: "a..b" is not the name of a field
processors[0]: drop_event: when: and: [4]: or: want a list of conditions`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := New(processorList(t, tt.list))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if list != nil {
				t.Error("processors beside an error")
			}
		})
	}
}

func TestConditionFaults(t *testing.T) {
	_, err := New(processorList(t, `[{"drop_event":{"when":{"or":[{"regexp":{"a":"("}},{"regexp":{"a":1}},{"range":{"a":5}},{"range":{"a.gt":"5"}},{"range":{"gt":5}},{"network":{"a":"home"}},{"network":{"a":[]}}]}}}]`))
	const want = `processors[0]: drop_event: when: or: [0]: regexp: a: want a regular expression as Go and Beats have them (RE2)
processors[0]: drop_event: when: or: [1]: regexp: a: want a regular expression as Go and Beats have them (RE2)
processors[0]: drop_event: when: or: [2]: range: a: want lt, lte, gt or gte behind a field, and a number
processors[0]: drop_event: when: or: [3]: range: a.gt: want lt, lte, gt or gte behind a field, and a number
processors[0]: drop_event: when: or: [4]: range: gt: want lt, lte, gt or gte behind a field, and a number
processors[0]: drop_event: when: or: [5]: network: a: "home" is no network: want a range such as 10.0.0.0/8, or a name such as private
processors[0]: drop_event: when: or: [6]: network: a: want a list of strings, at least one and none empty`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestProcessorOfFields(t *testing.T) {
	fields := map[string]any{"site.name": "HQ", "site": map[string]any{"floor": 3}, "codes": []string{"a", "b"}}
	for underRoot, want := range map[bool]string{
		false: `{"fields":{"codes":["a","b"],"site":{"floor":3,"name":"HQ"}}}`,
		true:  `{"codes":["a","b"],"site":{"floor":3,"name":"HQ"}}`,
	} {
		p, err := AddFields(fields, underRoot)
		if err != nil {
			t.Fatal(err)
		}
		d := processorDocument(t, `{}`)
		if !p(d) || encoded(d) != want {
			t.Errorf("under root %t: got %s, want %s", underRoot, encoded(d), want)
		}
	}
	_, err := AddFields(map[string]any{"@timestamp": "x", "f": func() {}}, true)
	if err == nil || !strings.Contains(err.Error(), "fields: @timestamp must not be changed") || !strings.Contains(err.Error(), "fields: f: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzProcessors(f *testing.F) {
	for _, seed := range []string{
		`[{"add_fields":{"target":"","fields":{"a.b":[{"c":1}],"event":2}}},{"drop_event":{"when":{"or":[{"equals":{"a":1}}]}}}]`,
		`[{"rename":{"fields":[{"from":"event","to":"event.kind.x"},{"from":"tags","to":"a"}],"when.not.has_fields":["b"]}}]`,
		`[{"add_tags":{"tags":["x"],"target":"host.ip"}},{"drop_fields":{"fields":["host"]}}]`,
		`[{"drop_event":{"when":{"and":[{"regexp":{"host.name":"^p"}},{"range":{"event.severity.gte":1}},{"network":{"host.ip":["private","10.0.0.0/8"]}}]}}}]`,
		`[null,1,{"":{}},{"add_fields":{"fields":{".":null}}}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []any
		if json.Unmarshal(data, &list) != nil {
			return
		}
		made, err := New(list)
		if err != nil {
			if len(made) > 0 || err.Error() == "" {
				t.Error("an error beside processors, or without text")
			}
			return
		}
		d := processorDocument(t, processorRecord)
		made.Run(d)
		if out := d.AppendJSON(nil); !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}
