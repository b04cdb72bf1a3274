package mapping

import "testing"

// TestJSONTextIsCompact where the record is not.
func TestJSONTextIsCompact(t *testing.T) {
	var e Envelope
	if got := e.JSONText(Raw("{ \"a\" :\n1.0 }")).String(); got != `{"a":1.0}` {
		t.Errorf("got %s", got)
	}
}
