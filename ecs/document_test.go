package ecs_test

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123_456_789, time.UTC)

const head = `{"@timestamp":"2026-03-02T12:00:00.123Z"`

func TestDocument(t *testing.T) {
	cases := []struct {
		name string
		fill func(d *ecs.Document)
		want string
	}{
		{"empty", func(*ecs.Document) {}, ``},
		{"dotted and nested are one", func(d *ecs.Document) {
			d.Set("event.kind", ecs.Text("alert"))
			d.Object("event").Set("id", ecs.Text("a"))
		}, `,"event":{"kind":"alert","id":"a"}`},
		{"set again replaces in place", func(d *ecs.Document) {
			d.Set("a", ecs.Int(1))
			d.Set("b", ecs.Int(2))
			d.Set("a", ecs.Int(3))
		}, `,"a":3,"b":2`},
		{"absent values leave nothing", func(d *ecs.Document) {
			d.Set("a", ecs.Text(""))
			d.Set("b", ecs.List())
			d.Set("c", ecs.Scalar(jsontext.Value(`null`)))
			d.Object("d.e.f")
			d.Set("g", d.JSON(jsontext.Value(`{"x":[null,"",{}],"y":null}`)))
		}, ``},
		{"containers are pruned", func(d *ecs.Document) {
			d.Set("a", d.JSON(jsontext.Value(`{"x":[null,"",{"k":1},{}],"y":{"z":[]}}`)))
		}, `,"a":{"x":[{"k":1}]}`},
		{"text is escaped and repaired", func(d *ecs.Document) {
			d.Set("a", ecs.Text("\"\\\n\x01é\xff"))
		}, `,"a":"\"\\\n\u0001é�"`},
		{"scalars keep their digits", func(d *ecs.Document) {
			d.Set("a", ecs.Scalar(jsontext.Value(`1.50`)))
			d.Set("b", ecs.Scalar(jsontext.Value(`1e400`)))
		}, `,"a":1.50,"b":"1e400"`},
		{"delete", func(d *ecs.Document) {
			d.Set("a.b", ecs.Bool(true))
			d.Set("a.c", ecs.Bool(false))
			if !d.Delete("a.b") || d.Delete("a.b") || d.Delete("x.y") {
				t.Error("delete reports the wrong thing")
			}
		}, `,"a":{"c":false}`},
	}
	var d ecs.Document // reused, as a stream does
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			expectFilled(t, &d, c.fill, head+c.want+`}`)
		})
	}
}

func expectFilled(t *testing.T, d *ecs.Document, fill func(*ecs.Document), want string) {
	t.Helper()
	d.Reset()
	d.Timestamp = noon
	fill(d)
	got := string(d.AppendJSON(nil))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !jsontext.Value(got).IsValid() {
		t.Errorf("not valid JSON: %s", got)
	}
}

func TestMappingAllocatesNothingOnceWarm(t *testing.T) {
	var d ecs.Document
	buf := make([]byte, 0, 1<<12)
	fill := func() {
		d.Reset()
		event := d.Root().Object("event")
		event.Set("kind", ecs.Text("alert"))
		event.Set("severity", ecs.Int(73))
		d.Root().Object("host").Set("name", ecs.Text("h"))
		buf = d.AppendJSON(buf[:0])
	}
	fill()
	if n := testing.AllocsPerRun(100, fill); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}
