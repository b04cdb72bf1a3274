package logstash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
)

// dialer makes connections, and knows whether any had an answer.
type dialer struct {
	*dial.Dialer
	heard atomic.Bool
}

// failure is what the end of a connection means for a window that it carried.
func (d *dialer) failure(err error) *output.Error {
	e := &output.Error{Op: opPublish, Reason: output.Server, Err: errClosedEarly}
	if alert := dial.Alert(err); alert != nil {
		return alert
	}
	switch {
	case errors.Is(err, errClosed):
		e.Reason, e.Err = output.Other, errClosed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.Err = output.Other, errGivenUp
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason, e.Err = output.Silent, output.ErrSilent
	case errors.Is(err, errProtocol):
		e.Err = errProtocol
	case !d.Secure() && !d.heard.Load():
		e.Foreign, e.Err = true, fmt.Errorf("%w; if it wants TLS, set ssl", errClosedEarly)
	default:
		e.Foreign = true
	}
	return e
}

var (
	errClosed      = errors.New("the output is closed")
	errGivenUp     = errors.New("the connection was given up with another window")
	errClosedEarly = errors.New("it closes connections without an acknowledgement")
	errLost        = errors.New("the connection was lost before anything was sent")
	errProtocol    = errors.New("what answers does not speak the Beats protocol")
)
