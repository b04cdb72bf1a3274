package component

import (
	"testing"
	"time"
)

func TestLostAgentEndsTheProcess(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	var o outage
	for range 20 { // an agent that comes back in time, again and again
		if o.failed(at) || o.failed(at.Add(30*time.Second)) {
			t.Fatal("a short outage is taken for the end")
		}
		at = at.Add(2 * time.Minute)
	}
	ended := 0
	for range 20 {
		at = at.Add(30 * time.Second)
		if o.failed(at) {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("logged %d times that the agent is gone, want once", ended)
	}
}
