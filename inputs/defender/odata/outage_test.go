package odata_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs/collect"
	"github.com/defender-endpoint/defender-endpoint/inputs/defender/odata"
)

// TestOutageOfAnyLengthLeavesNoRecordBehind: whenever the service comes back while
// a record is being closed in, no healthy one is taken for one that cannot be
// served (the mapper panics where a document represents such), nor published again
// without what $expand brings.
func TestOutageOfAnyLengthLeavesNoRecordBehind(t *testing.T) {
	kinds := map[string]struct {
		pager     func(odata.Options) collect.Strategy
		expand    string
		retention collect.Retention
	}{
		"timeline":              {pager: odata.Timeline},
		"timeline with $expand": {pager: odata.Timeline, expand: "parts"},
		"snapshot":              {pager: odata.Snapshot, retention: aDay},
	}
	for name, kind := range kinds {
		for calls := range 40 {
			t.Run(fmt.Sprintf("%s, %d calls", name, calls), func(t *testing.T) {
				r := newRig(kind.pager, 25)
				r.options.Expand, r.retention = kind.expand, kind.retention
				r.options.InitialInterval = time.Hour // the first page asked for has records
				r.down = calls
				failed := 0
				for left := 4; left > 0; { // the last one asks for gaps again
					err := r.poll(t)
					if err != nil {
						failed++
					}
					if r.down == 0 {
						left--
					}
					r.now = r.now.Add(time.Minute)
					if left == 1 {
						r.now = r.now.Add(time.Hour)
					}
				}
				if calls > 3 && failed == 0 {
					t.Error("no poll failed")
				}
				r.expectOnce(t)
			})
		}
	}
}
