package kafka

import (
	"bytes"
	"testing"

	demo "github.com/defender-endpoint/defender-endpoint/component/output/kafka/kafkatest/sink"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestSinkOfTheDemo takes what is sent, and the check finds its topic.
func TestSinkOfTheDemo(t *testing.T) {
	n := 0
	s, err := demo.New(func(value []byte) {
		if bytes.Contains(value, []byte(canary)) {
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if found, err := Check(deadline(t), s.Settings(), []string{target.Name()}); err != nil || len(found.Denied) > 0 {
		t.Errorf("check found %+v, %v", found, err)
	}
	b := batch(0, 500)
	mustPublish(t, connect(t, s.Settings(), newReporter(), nil), b)
	compare(t, "result", inputs.Result{Stored: 500}, b.Result)
	compare(t, "messages", 500, n)
}
