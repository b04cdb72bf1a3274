package api

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

var (
	errSilent   = errors.New("nothing was heard for too long")
	errSlow     = errors.New("the answer came too slowly")
	errTooLarge = errors.New("more than allowed")
)

// silenceReportEvery is how often a silence is reported that does not end its request yet.
const silenceReportEvery = 30 * time.Second

// watchdog ends a request when the other side stays silent for too long, and
// reports silence before that where too long is longer than silenceReportEvery. It
// counts only while armed, so the time a caller takes between two reads does
// not count.
type watchdog struct {
	limit  time.Duration
	cancel context.CancelCauseFunc
	report func() // may be nil

	mu    sync.Mutex
	timer *time.Timer
	heard time.Time // since when it is silent; zero while disarmed
}

// newWatchdog is armed from the start. The context it returns ends with
// errSilent when the watchdog ends the request.
func newWatchdog(ctx context.Context, limit time.Duration, report func()) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{limit: limit, cancel: cancel, report: report, heard: time.Now()}
	w.mu.Lock() // until the timer is set
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.step(limit), w.expire)
	return ctx, w
}

// step is how long the timer runs where so much of the limit is left.
func (w *watchdog) step(left time.Duration) time.Duration {
	if w.report == nil {
		return left
	}
	return min(left, silenceReportEvery)
}

// expire ends the request or reports the silence. A timer that ran out while the
// watchdog was disarmed does neither.
func (w *watchdog) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.heard.IsZero() {
		return
	}
	left := w.limit - time.Since(w.heard)
	if left <= 0 {
		w.cancel(errSilent)
		return
	}
	if w.limit-left >= silenceReportEvery && w.report != nil {
		w.report()
	}
	w.timer.Reset(w.step(left))
}

func (w *watchdog) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = time.Now()
	w.timer.Reset(w.step(w.limit))
}

func (w *watchdog) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = time.Time{}
	w.timer.Stop()
}

// release ends the request and frees what it held.
func (w *watchdog) release() {
	w.disarm()
	w.cancel(nil)
}

// source is a response body under a watchdog.
type source struct {
	io.ReadCloser
	dog   *watchdog
	bytes int64
	err   error // what ended it other than io.EOF

	waited time.Duration // for what came since waited was last 0
	came   int64
}

// A body that brings less than slowBytes in slowTime of waiting for it would
// hold its stream for hours without being silent.
const (
	slowTime  = time.Minute
	slowBytes = 60 << 10
)

// tooSlow notes what came after so long a wait.
func (s *source) tooSlow(wait time.Duration, n int) bool {
	s.waited += wait
	s.came += int64(n)
	if s.waited < slowTime {
		return false
	}
	slow := s.came < slowBytes
	s.waited, s.came = 0, 0
	return slow
}

func (s *source) Read(b []byte) (int, error) {
	if s.err != nil { // readers pass over an error that came with bytes
		return 0, s.err
	}
	began := time.Now()
	s.dog.arm()
	n, err := s.ReadCloser.Read(b)
	s.dog.disarm()
	s.bytes += int64(n)
	if s.tooSlow(time.Since(began), n) && err == nil {
		err = errSlow
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// allowance passes on so many bytes and then fails with errTooLarge, until it
// is granted more.
type allowance struct {
	r    io.Reader
	left int64
	err  error // what r ended with other than io.EOF
}

func (a *allowance) Read(b []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLarge
	}
	n, err := a.r.Read(b[:min(int64(len(b)), a.left)])
	a.left -= int64(n)
	if err != nil && err != io.EOF {
		a.err = err
	}
	return n, err
}

// inflater decodes Content-Encoding: deflate. The standard means zlib by that
// word, many servers send bare deflate: the first two bytes show which it is.
type inflater struct {
	raw io.Reader
	r   io.Reader
}

func (i *inflater) Read(b []byte) (int, error) {
	if i.r == nil {
		in := bufio.NewReader(i.raw)
		head, err := in.Peek(2)
		if len(head) < 2 {
			return 0, err
		}
		if head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
			z, err := zlib.NewReader(in)
			if err != nil {
				return 0, err
			}
			i.r = z
		} else {
			i.r = flate.NewReader(in)
		}
	}
	return i.r.Read(b)
}

// unmarked is a body without the byte order mark that some servers put in front.
type unmarked struct {
	r    io.Reader
	read bool // the beginning was
}

func (u *unmarked) Read(b []byte) (int, error) {
	if u.read || len(b) < len(byteOrderMark) {
		return u.r.Read(b)
	}
	u.read = true
	n, err := io.ReadAtLeast(u.r, b, len(byteOrderMark))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if bytes.HasPrefix(b[:n], []byte(byteOrderMark)) {
		n = copy(b, b[len(byteOrderMark):n])
	}
	if n == 0 && err == nil {
		return u.r.Read(b)
	}
	return n, err
}

// byteOrderMark is that of UTF-8. RFC 8259 lets a parser ignore it.
const byteOrderMark = "\xef\xbb\xbf"
