package shipper

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/defender-endpoint/defender-endpoint/component/output/outputtest"
	"github.com/defender-endpoint/defender-endpoint/component/output/shipper/shippertest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
	"github.com/defender-endpoint/defender-endpoint/inputs/inputstest"
)

// failures are those of a call that leave the session as it is.
var failures = map[string]shippertest.Fault{
	"unavailable":        {Code: codes.Unavailable},
	"resource exhausted": {Code: codes.ResourceExhausted},
	"internal":           {Code: codes.Internal},
	"refused":            {Code: codes.InvalidArgument},
	"queue full":         {Full: true},
}

// TestCallAfterAnAcceptedOneFails: the documents of the first call are not sent again,
// since the shipper still has them.
func TestCallAfterAnAcceptedOneFails(t *testing.T) {
	const n, size = 20, 200 << 10 // two calls
	for name, fault := range failures {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := startShipper(t, shippertest.Options{WithoutIDs: true})
			fault.After, fault.Times = 1, 1
			s.FailPublish(&fault)
			b := inputs.NewBatch(target, n, 1<<30)
			b.Fallback = inputstest.Forms{}
			for i := range n {
				b.Add(outputtest.Document(fmt.Sprintf("id-%05d", i), strings.Repeat("x", size)), nil)
			}
			mustPublish(t, connect(t, s, newReporter(), nil), b)
			compare(t, "result", inputs.Result{Stored: n}, b.Result)
			stats, _ := s.Stats()
			compare(t, "received and duplicates", [2]int{n, 0}, [2]int{stats.Received, stats.Duplicates})
		})
	}
}

// TestLastEventOnceMoreFails: where the last event must be sent once more and that
// fails, that event alone follows.
func TestLastEventOnceMoreFails(t *testing.T) {
	const n = 10
	for name, fault := range failures {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			s := startShipper(t, shippertest.Options{Inclusive: true})
			fault.After, fault.Times = 1, 2
			s.FailPublish(&fault)
			o := connect(t, s, newReporter(), nil)
			o.sender.equalFor = 10 * time.Millisecond
			b := batch(0, n)
			mustPublish(t, o, b)
			compare(t, "result", inputs.Result{Stored: n}, b.Result)
			stats, _ := s.Stats()
			compare(t, "received", n+1, stats.Received)
		})
	}
}
