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
// served: the mapper panics where a document stands for such.
func TestOutageOfAnyLengthLeavesNoRecordBehind(t *testing.T) {
	for name, pager := range map[string]func(odata.Options) collect.Strategy{"timeline": odata.Timeline, "snapshot": odata.Snapshot} {
		for calls := range 40 {
			t.Run(fmt.Sprintf("%s, %d calls", name, calls), func(t *testing.T) {
				r := newRig(pager, 25)
				if name == "snapshot" {
					r.retention = aDay
				}
				r.down = calls
				failed := 0
				for left := 4; left > 0; {
					err := r.poll(t)
					if err != nil {
						failed++
					}
					if r.down == 0 {
						left--
					}
					r.now = r.now.Add(time.Minute)
				}
				if calls > 3 && failed == 0 {
					t.Error("no poll failed")
				}
				r.expectOnce(t)
			})
		}
	}
}
