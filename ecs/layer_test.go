package ecs_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// TestRewind: documents made on a kept base are what they would be if each was
// made from nothing, regardless of what is done to what they share.
func TestRewind(t *testing.T) {
	shared := func(d *ecs.Document) {
		d.Set("event.kind", ecs.Text("alert"))
		d.Set("host.os.name", ecs.Text("Windows"))
		d.Set("host.name", ecs.Text("h"))
		d.Set("list", d.List(ecs.Int(1), ecs.Value{}, ecs.Text("x")))
		d.Object("empty.inside")
	}
	own := []func(d *ecs.Document){
		func(*ecs.Document) {},
		func(d *ecs.Document) { d.Set("event.type", ecs.Text("start")); d.Set("file.name", ecs.Text("f")) },
		func(d *ecs.Document) { d.Set("event.kind", ecs.Text("other")) },
		func(d *ecs.Document) { d.Delete("host.os.name") },
		func(d *ecs.Document) { d.Delete("host"); d.Set("host.name", ecs.Text("again")) },
		func(d *ecs.Document) { d.Set("host", ecs.Text("no object")) },
		func(d *ecs.Document) {
			d.Set("empty.inside.now", ecs.Bool(true))
			d.Set("host.os.version", ecs.Int(11))
		},
		func(d *ecs.Document) { // as a rename does, and then changes what it moved
			v := d.Get("host")
			d.Delete("host")
			d.Set("moved.host", v)
			d.Set("moved.host.os.name", ecs.Text("changed"))
		},
	}
	var layered ecs.Document
	shared(&layered)
	mark := layered.Keep()
	for range 2 {
		for i, change := range own {
			var plain ecs.Document
			shared(&plain)
			change(&plain)
			layered.Rewind(mark)
			change(&layered)
			if got, want := string(layered.AppendJSON(nil)), string(plain.AppendJSON(nil)); got != want {
				t.Errorf("change %d:\ngot  %s\nwant %s", i, got, want)
			}
		}
	}
}

// TestRewindAtRandom does the same with changes drawn at random, on two grounds
// that lie on each other.
func TestRewindAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 0))
		first, second, third := steps(dice), steps(dice), steps(dice)
		var layered, plain ecs.Document
		first.apply(&layered)
		lower := layered.Keep()
		second.apply(&layered)
		layered.Keep()
		third.apply(&layered)
		first.apply(&plain)
		second.apply(&plain)
		third.apply(&plain)
		expectEqual(t, &layered, &plain)
		layered.Rewind(lower)
		third.apply(&layered)
		plain.Reset()
		first.apply(&plain)
		third.apply(&plain)
		expectEqual(t, &layered, &plain)
	}
}

func expectEqual(t *testing.T, layered, plain *ecs.Document) {
	t.Helper()
	if got, want := string(layered.AppendJSON(nil)), string(plain.AppendJSON(nil)); got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

type step struct {
	path   string
	value  ecs.Value
	remove bool
}

type plan []step

func steps(dice *rand.Rand) (p plan) {
	paths := []string{"a", "a.b", "a.b.c", "a.d", "e", "e.f", "g.h", "g.h.i"}
	for range dice.IntN(12) {
		p = append(p, step{paths[dice.IntN(len(paths))], ecs.Int(dice.Int64N(9)), dice.IntN(4) == 0})
	}
	return p
}

func (p plan) apply(d *ecs.Document) {
	for _, s := range p {
		if s.remove {
			d.Delete(s.path)
		} else {
			d.Set(s.path, s.value)
		}
	}
}

func TestChangeOfKeptObjectIsFound(t *testing.T) {
	var d ecs.Document
	event := d.Object("event")
	d.Keep()
	defer func() {
		if recover() == nil {
			t.Error("an object that was kept was changed")
		}
	}()
	event.Set("kind", ecs.Text("alert"))
}

// FuzzScanner: what is well-formed is taken apart as jsontext does; what is not
// ends, and nothing panics.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,"x\\",{"b\"":null}],"c":{},"d":-1.5e3}`, `[[],{},"",true,false,null]`, `"\\\""`, `{"a":"\\\\"}`,
		` { "a" : [ ] } `, `{`, `["`, `{"a`, `{1:2}`, `]`, `"\`, `[1,]`, `{"a":"b\`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
		s := ecs.NewScanner(text)
		got := takeApart(&s, nil)
		if !jsontext.Value(text).IsValid(options...) {
			return
		}
		compact := jsontext.Value(text).Clone()
		if err := compact.Compact(append(options, jsontext.PreserveRawStrings(true))...); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(compact) {
			t.Errorf("got  %s\nwant %s", got, compact)
		}
		whole := ecs.NewScanner(compact)
		if v := whole.Value(); string(v) != string(compact) {
			t.Errorf("value %s, want %s", v, compact)
		}
		if compact.Kind() == '[' {
			list := ecs.NewScanner(compact)
			var elements []jsontext.Value
			v, none := list.List(&elements, math.MaxInt)
			if string(v) != string(compact) || none != 0 {
				t.Errorf("list %s, want %s", v, compact)
			}
			all := len(elements)
			list = ecs.NewScanner(compact)
			if v, beyond := list.List(&elements, 1); string(v) != string(compact) || len(elements)+beyond != all || len(elements) > 1 {
				t.Errorf("list %s of %d elements with %d beyond, want %s of %d", v, len(elements), beyond, compact, all)
			}
		}
	})
}

// takeApart writes what a scanner finds as compact JSON.
func takeApart(s *ecs.Scanner, dst []byte) []byte {
	opening := s.Peek()
	if opening != '{' && opening != '[' {
		return append(dst, s.Value()...)
	}
	dst = append(dst, opening)
	s.Enter()
	for i := 0; s.More(); i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		if opening == '{' {
			dst = fmt.Appendf(dst, "%s:", s.Value())
		}
		dst = takeApart(s, dst)
	}
	return append(dst, opening+2) // the closing bracket
}
