package ecs_test

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/ecs"
)

// TestListLeavesItsCallersSlice: what is absent is left out of the list, and the
// slice that came with it is as it was.
func TestListLeavesItsCallersSlice(t *testing.T) {
	values := []ecs.Value{{}, ecs.Text("a"), ecs.Text(""), ecs.Int(2)}
	list := ecs.List(values...)
	if got := string(list.AppendJSON(nil)); got != `["a",2]` {
		t.Errorf("got %s", got)
	}
	if values[0].Present() || values[1].String() != "a" || values[2].Present() || values[3].String() != "2" {
		t.Errorf("the caller's slice became %v", values)
	}
	var d ecs.Document
	d.List(values...)
	if values[0].Present() || values[1].String() != "a" {
		t.Errorf("the caller's slice became %v", values)
	}
}
