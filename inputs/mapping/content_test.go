package mapping

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestContent: what is written otherwise is the same, what says something else
// is not.
func TestContent(t *testing.T) {
	const record = `{"id":"m1","a":17,"b":{"x":1,"y":[1,2]},"t":"a\"b/é","ipAddresses":[{"ip":"1","mac":"2"},{"ip":"3"}],"big":170000000000000000000000}`
	same := []string{
		`{ "b":{"y":[1, 2.0],"x":1}, "a":1.7e1, "id":"m1", "t":"a\u0022b\/\u00e9", "ipAddresses":[{"ip":"3"},{"mac":"2","ip":"1"}], "big":170000000000000000000000.0 }`,
		`{"id":"m1","new":null,"other":"","a":170E-1,"b":{"x":1.0,"y":[1,2],"z":null},"t":"a\"b/é","ipAddresses":[{"ip":"3","mac":null},{"ip":"1","mac":"2"}],"big":1.7e23}`,
	}
	different := []string{
		strings.Replace(record, "17,", "18,", 1), strings.Replace(record, "17,", "-17,", 1),
		strings.Replace(record, "17,", `"17",`, 1), strings.Replace(record, "[1,2]", "[2,1]", 1),
		strings.Replace(record, `"ip":"3"`, `"ip":"4"`, 1), strings.Replace(record, "17000", "17001", 1),
		strings.Replace(record, `"id":"m1",`, "", 1), strings.Replace(record, "17,", "0.17,", 1),
	}
	m := newContentMapper(t, Settings{Sets: []string{"ipAddresses"}})
	write := m.write
	want := write(record)
	for _, text := range same {
		if !Raw(text).IsValid() {
			t.Fatalf("no JSON: %s", text)
		}
		if got := write(text); got != want {
			t.Errorf("%s is\n%s, want\n%s", text, got, want)
		}
	}
	for _, text := range different {
		if text == record || write(text) == want {
			t.Errorf("%s is the same", text)
		}
	}
	for text, want := range map[string]string{
		"-0": "0", "0.0": "0", "0e9": "0", "1e400": "1e400", "-1.50": "-15e-1", "100": "100", "1e2": "100", "0.001": "1e-3",
		"100000000000000000000": "100000000000000000000", "1e20": "100000000000000000000", "1000000000000000000000": "1e21",
		"12345678901234567890.5": "123456789012345678905e-1", "1e99999999999": "1e99999999999",
	} {
		if got := write(`{"a":` + text + `}`); got != `{,"a":`+want+`}` {
			t.Errorf("%s is written as %s, want %s", text, got, want)
		}
	}
}

// contentMapper writes contents of records.
type contentMapper struct {
	testing.TB
	*Envelope
	known struct {
		Addresses List  `json:"ipAddresses"`
		A         Field `json:"a"`
		B         Field `json:"b"`
	}
	records *Decoder
}

func newContentMapper(tb testing.TB, s Settings) *contentMapper {
	m := &contentMapper{TB: tb, Envelope: NewEnvelope(s)}
	m.records = m.Decoder("", &m.known)
	return m
}

func (m *contentMapper) write(record string) string {
	m.Start(Raw(record))
	if err := m.records.Decode(Raw(record)); err != nil {
		m.Fatal(err)
	}
	return string(m.contentOf().bytes)
}

// TestContentOfUnknownMembers: a member that an edition does not know is written
// as one that it knows, or every record would be a new version after an upgrade.
func TestContentOfUnknownMembers(t *testing.T) {
	for _, record := range []string{
		`{"a":17,"b":{"z":[{"d":1,"c":null},{"c":2.0}],"a":"\u0041"},"c":"","ipAddresses":[]}`,
		`{"x":true,"b":[[{"b":1,"a":2}],{"a":1,"b":"-"}],"a":1e3,"\u0062c":"\/"}`,
	} {
		known := newContentMapper(t, Settings{}).write(record)
		e := NewEnvelope(Settings{})
		d := e.Decoder("", &struct{}{})
		e.Start(Raw(record))
		if err := d.Decode(Raw(record)); err != nil {
			t.Fatal(err)
		}
		if got := string(e.contentOf().bytes); got != known {
			t.Errorf("%s is\n%s where its members are known, and\n%s where not", record, known, got)
		}
	}
}

// TestContentOfOtherShapes: what is remembered of one record changes nothing for
// the next ones.
func TestContentOfOtherShapes(t *testing.T) {
	long := strings.Repeat("n", 20<<10)
	records := []string{
		`{"b":[{"b":{"y":1,"x":2},"a":1}],"ipAddresses":[{"b":2,"a":1},{"a":1}]}`,
		`{"b":[{"a":1,"b":{"x":2,"y":1}},{"c":1,"b":2,"a":{"f":1,"e":[{"z":1,"a":0}]}}],"ipAddresses":{"b":2,"a":1}}`,
		`{"b":{"` + long + `":1,"b":{"` + long + `":{"a":1}},"a":2}}`,
		`{"b":[{},{"b":1},{"bb":1,"b":2},{"b":"\"","bb":"\\"}]}`,
		`{"b":{"b":1,"a":1,"b":2}}`,
	}
	shared := newContentMapper(t, Settings{Sets: []string{"ipAddresses"}})
	for i := range 3 * len(records) {
		record := records[(i*7)%len(records)]
		want := newContentMapper(t, Settings{Sets: []string{"ipAddresses"}}).write(record)
		if got := shared.write(record); got != want {
			t.Errorf("%.80s is %.200s after other records, want %.200s", record, got, want)
		}
	}
}

// TestContentOfManyMembers: an object with members beyond all bounds takes memory in
// proportion to them.
func TestContentOfManyMembers(t *testing.T) {
	object := func(members int) string {
		var b strings.Builder
		for i := range members {
			fmt.Fprintf(&b, `,"a%05d":{"b":%d,"a":[]}`, members-i, i)
		}
		return `{"b":{` + b.String()[1:] + `}}`
	}
	m := newContentMapper(t, Settings{})
	allocated := func(record string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m.write(record)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(object(1000)), allocated(object(32_000))
	if many > 100*few {
		t.Errorf("%d bytes for 32 times the members, where there were %d", many, few)
	}
	if got := m.write(object(300)); got != newContentMapper(t, Settings{}).write(object(300)) || !strings.Contains(got, `,"a00001":{,"a":[],"b":299},"a00002"`) {
		t.Errorf("300 members are %.200s", got)
	}
}

// TestObjectsTakenApart: an object that was taken apart for the content is decoded
// as any other one, regardless of the objects around it.
func TestObjectsTakenApart(t *testing.T) {
	m := newContentMapper(t, Settings{})
	type item struct {
		X    Field `json:"x"`
		List List  `json:"list"`
	}
	var got, want item
	apart, whole := m.Decoder("ipAddresses", &got), newDecoder("ipAddresses", strings.ToLower, &want)
	found := 0
	for _, record := range []string{
		`{"ipAddresses":[{"x":1,"list":[1,2]},{"x":2,"list":[]},{"x":{"y":1},"list":"one"}]}`,
		`{"ipAddresses":[{"x":1,"x":2,"n\u006f":{"b":1,"a":[{}]}},{"list":[3],"x":4},{"x":"5"},{}, {"x":6}]}`,
		`{"ipAddresses":[` + strings.Repeat(`{"x":7},`, 2*maxApart) + `{"x":8}]}`,
	} {
		m.write(record)
		m.mapping = true
		for _, element := range m.known.Addresses.Elements {
			if o := m.apart(element); o != nil && o.version == o.shape.version {
				found++
			}
			if err := errors.Join(m.Decode(apart, element), whole.Decode(element)); err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(apart.unknown, whole.unknown, sameMember) || string(got.X.Value) != string(want.X.Value) ||
				string(got.List.Value) != string(want.List.Value) || len(got.List.Elements) != len(want.List.Elements) {
				t.Errorf("%s is %+v %+v, want %+v %+v", element, got, apart.unknown, want, whole.unknown)
			}
		}
	}
	// Of the second record only those with the shape that was learned last.
	if want := 3 + 1 + maxApart; found != want {
		t.Errorf("%d objects were taken apart already, want %d", found, want)
	}
	m.Start(Raw(`{}`))
	if m.apart(m.known.Addresses.Elements[0]) != nil {
		t.Error("an object is that of the record before")
	}
	m.write(`{"ipAddresses":[{}]}`)
	m.mapping = false
	if m.apart(m.known.Addresses.Elements[0]) != nil {
		t.Error("an object is that of a record whose memory may be another one's")
	}
}

// TestCompactText: the text of a container has no white space, whether the record's
// content showed that or not.
func TestCompactText(t *testing.T) {
	for text, compact := range map[string]bool{
		`{}`: true, `{"a":1}`: true, `{"a":[],"b":[1,"2 3",{"c":{}}],"d":{"e":[[null]]}}`: true, `{"\u0061":"\""}`: true,
		`{ }`: false, `{"a": 1}`: false, `{"a":1 }`: false, `{"a":[1, 2],"b":[[ ]]}`: false, `{"a":{"b":1,	"c":2}}`: false,
		`{"a":[[[[[[[[1]]]]]]]]}`: false, `{"a":[[[[[[[[ 1]]]]]]]]}`: false, // too deep to tell
	} {
		m := newContentMapper(t, Settings{})
		m.mapping = true
		m.write(`{"ipAddresses":[` + text + `,` + text + `]}`)
		want := Raw(strings.Clone(text))
		if err := want.Compact(); err != nil {
			t.Fatal(err)
		}
		for _, element := range m.known.Addresses.Elements {
			if o := m.apart(element); o == nil || o.compact != compact {
				t.Errorf("%s: %+v, want it compact: %v", text, o, compact)
			}
			if got := m.JSONText(element).String(); got != string(want) {
				t.Errorf("the text of %s is %s", text, got)
			}
		}
	}
}

func sameMember(a, b member) bool { return a.name == b.name && string(a.value) == string(b.value) }
