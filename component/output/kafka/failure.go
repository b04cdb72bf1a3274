package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/defender-endpoint/defender-endpoint/component/output"
	"github.com/defender-endpoint/defender-endpoint/component/output/dial"
	"github.com/defender-endpoint/defender-endpoint/inputs"
)

const (
	opPublish = "produce"
	opAsk     = "ask the brokers"
)

var (
	errClock     = errors.New("its clock and the one here differ, or the topic's message.timestamp limits are too narrow")
	errClosed    = errors.New("the output is closed")
	errNoLogin   = errors.New("it wants a login: set username and password, and the sasl.mechanism that it takes")
	errLoginEnds = errors.New("it closes the connection in place of an answer to the login")
	errNoPlain   = errors.New("it closes plain connections without an answer; if it wants TLS, set ssl")
	errUnreached = errors.New("no broker that could take the documents is reached")
	errNoTLS     = errors.New("it closes TLS connections without an answer; if it speaks plain, set ssl.enabled: false")
)

// reasons are what the errors of brokers mean; any other one is a broker's failure.
var reasons = map[*kerr.Error]output.Reason{
	kerr.SaslAuthenticationFailed:           output.Unauthorized,
	kerr.UnsupportedSaslMechanism:           output.Unauthorized,
	kerr.IllegalSaslState:                   output.Unauthorized,
	kerr.TopicAuthorizationFailed:           output.Forbidden,
	kerr.ClusterAuthorizationFailed:         output.Forbidden,
	kerr.TransactionalIDAuthorizationFailed: output.Forbidden,
	kerr.UnknownTopicOrPartition:            output.IndexMissing,
	kerr.UnknownTopicID:                     output.IndexMissing,
	kerr.InvalidTopicException:              output.IndexMissing,
	kerr.RequestTimedOut:                    output.Silent,
	kerr.PolicyViolation:                    output.RequestRefused,
	kerr.InvalidTimestamp:                   output.RequestRefused, // of a message, which is now: no record's fault
	kerr.UnsupportedVersion:                 output.RequestRefused,
	kerr.UnsupportedCompressionType:         output.RequestRefused,
	kerr.InvalidRequiredAcks:                output.RequestRefused,
}

func reasonOf(e *kerr.Error) output.Reason {
	if reason, ok := reasons[e]; ok {
		return reason
	}
	return output.Server
}

// refused are the errors that a record causes. A broker says them of a whole
// batch of its partition, so that only one that was sent alone is known to be.
var refused = []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord}

// isRefusal reports whether a record may be the cause of an error.
func isRefusal(err error) bool {
	return slices.ContainsFunc(refused, func(cause error) bool { return errors.Is(err, cause) })
}

// verdictOf is what a record's error means: the record is the cause, or the error
// for which it must be sent again. alone says that nothing was sent beside it, by
// another Send either.
func (d *dialer) verdictOf(err error, target *inputs.Target, topic string, alone bool) (*inputs.Refusal, *output.Error) {
	var known *kerr.Error
	switch {
	case !isRefusal(err) || !errors.As(err, &known):
	case alone:
		return &inputs.Refusal{Type: known.Message}, nil
	default:
		return nil, &output.Error{Op: opPublish, Reason: output.TooLarge, Type: known.Message, Target: target.Name()}
	}
	e := d.failure(opPublish, err)
	if e.Reason == output.Forbidden || e.Reason == output.IndexMissing || e.Reason == output.Server && e.Type != "" {
		e.Target, e.Err = target.Name(), fmt.Errorf("topic %s", topic)
	}
	return nil, e
}

// failure is an error of the client.
func (d *dialer) failure(op string, err error) *output.Error {
	var ours *output.Error
	var known *kerr.Error
	if errors.As(err, &ours) {
		return ours
	}
	if alert := dial.Alert(err); alert != nil {
		return alert
	}
	if errors.As(err, &known) {
		e := &output.Error{Op: op, Reason: reasonOf(known), Type: known.Message}
		if known == kerr.InvalidTimestamp {
			e.Err = errClock
		}
		return e
	}
	var first *kgo.ErrFirstReadEOF
	switch {
	case !d.Secure() && d.alert.Load():
		return &output.Error{Op: op, Reason: output.NoTLS, Err: errNoPlain}
	case errors.Is(err, kgo.ErrClientClosed):
		return &output.Error{Op: op, Reason: output.Other, Err: errClosed}
	case errors.As(err, &first), op == opAsk && errors.Is(err, io.EOF):
		return d.closedAtOnce(op)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &output.Error{Op: op, Reason: output.Silent, Err: output.ErrSilent}
	}
	return &output.Error{Op: op, Reason: output.Unreachable, Err: errUnreached}
}

// closedAtOnce is the error for a connection that a broker closes in place of an answer:
// how far the connection got shows the cause.
func (d *dialer) closedAtOnce(op string) *output.Error {
	e := &output.Error{Op: op, Reason: output.NoTLS}
	switch answered := d.answered.Load(); {
	case answered && d.login:
		e.Reason, e.Err = output.Unauthorized, errLoginEnds
	case answered:
		e.Reason, e.Err = output.Unauthorized, errNoLogin
	case d.Secure():
		e.Err = errNoTLS
	default:
		e.Err = errNoPlain
	}
	return e
}
