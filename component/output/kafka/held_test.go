package kafka

import (
	"errors"
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/event"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestResultBehindTheVerdict: a record that is written after its Send looked, and
// before the flight is put away, is written all the same.
func TestResultBehindTheVerdict(t *testing.T) {
	c, err := readConfig(m{"hosts": "h", "topic": "t"})
	if err != nil {
		t.Fatal(err)
	}
	docs, verdicts := []inputs.Document{batch(0, 1).At(0), batch(1, 1).At(0)}, make([]output.Verdict, 2)
	var h held
	f := &flight{Encoder: event.NewEncoder(target, "beat", docs[0])}
	f.begin(c, &h, &target, docs, verdicts)
	f.finish()
	if err := f.judge(c.dialer, &target, verdicts); err == nil {
		t.Fatal("nothing is settled yet")
	}
	f.promises[0](nil, nil)
	f.promises[1](nil, errors.New("refused")) // must be produced again
	if !h.update(f, docs, verdicts) {
		t.Fatal("the flight is not held")
	}
	again := &flight{Encoder: f.Encoder}
	again.begin(c, &h, &target, docs, verdicts)
	compare(t, "produced again", []string{"", "t"}, []string{again.records[0].Topic, again.records[1].Topic})
	again.promises[1](nil, nil)
	again.finish()
	if err := again.judge(c.dialer, &target, verdicts); err != nil || verdicts[0].Outcome != output.Stored || verdicts[1].Outcome != output.Stored {
		t.Errorf("%v, %+v", err, verdicts)
	}
	if h.update(again, docs, verdicts) || len(h.flights) != 0 {
		t.Errorf("%d flights are held at the end", len(h.flights))
	}
}
