package logstash

import (
	"testing"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/logstash/logstashtest"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// TestLostConnection: where a connection is lost before a window is written, none is
// on its way, no document is suspected, and the next attempt makes another connection.
func TestLostConnection(t *testing.T) {
	s := start(t, logstashtest.Options{})
	c, err := readConfig(settingsOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.dialer.Dial(deadline(t), c.hosts[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLink(conn, c)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close() // and nobody reads, so that the link does not know it
	_, err = l.send(deadline(t), target, []inputs.Document{batch(0, 1).At(0)})
	want := &output.Error{Op: opPublish, Reason: output.Unreachable, Err: errLost}
	compare(t, "trouble", error(want).Error(), err.Error())
	compare(t, "its row", gone.Name, diagnoseError(err))
	compare(t, "windows under way", 0, l.windows())
	compare(t, "ended", true, l.ended(0))
}

func diagnoseError(err error) string {
	e, ok := err.(*output.Error) //nolint:errorlint // a wrapped one would be a fault
	if !ok || e.Foreign {
		return ""
	}
	return diagnose(e).Condition.Name
}
