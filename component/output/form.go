package output

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// form is what is sent of a document.
type form uint8

const (
	full form = iota
	minimal
	bare
)

const (
	// maxSingleRefusals is how often a request with a single document must be
	// refused before the document is the cause.
	maxSingleRefusals = 3
	// maxSingleBreaks is the same for a connection that broke, which says less: a peer
	// that restarts breaks those of several documents, and of some of them often.
	maxSingleBreaks = 8
	// lesserEvery is which try of a full form its lesser forms follow while nothing
	// gets through. They follow at once: what heals during a wait then meets a full
	// form, and stores no lesser one beside it.
	lesserEvery = 8
	// serverPatience is how many requests in a row may fail with a server's error
	// before they are split.
	serverPatience = 3
)

// requestRefused is the type of a refusal by something in front of the other side.
const requestRefused = "request_refused"

func (c *chunk) document(it *item) inputs.Document {
	d := c.batch.At(it.position)
	switch it.form {
	case minimal:
		return c.batch.Fallback.Minimal(d, c.batch.Original(it.position), *it.refusal)
	case bare:
		return c.batch.Fallback.Bare(d, c.batch.Original(it.position), *it.refusal)
	default:
		return d
	}
}

// refuse notes a refusal. What was said of the full document counts.
func (it *item) refuse(v Verdict) {
	it.singleRefusals, it.doubted = 0, false
	if it.form == full || it.refusal == nil {
		kept := it.refusal != nil && it.refusal.KeptAside
		r := *v.Refusal
		r.KeptAside = r.KeptAside || kept
		it.refusal = &r
	}
}

// queueLesser gives refused documents their next form and queues them. Where nothing
// of the request got through they go one at a time, until one shows that something
// does.
func (c *chunk) queueLesser(refused []item, verdicts []Verdict, taken int) error {
	if len(refused) == 0 {
		return nil
	}
	doubtful := false
	for _, v := range verdicts {
		doubtful = doubtful || v.Outcome == Doubtful
	}
	c.probing = taken == 0
	var trouble error
	for i, it := range refused {
		switch {
		case it.storedForm != full: // its full form is tried once more
		case it.form == bare || c.batch.Fallback == nil:
			trouble = c.breakOff(&it, refused[:i])
		case c.broken && it.form == full && c.failures%lesserEvery != 0:
			trouble = c.formsRefused(&it)
		case c.broken || doubtful && !c.proven && i == 0:
			it.form++
			it.unproven = true // the index may take documents again before it takes this form
		case c.proven || !doubtful:
			it.form++
		}
		refused[i] = it
	}
	if c.probing {
		c.lesser = append(refused, c.lesser...) // the one that was tried stays the probe
	} else {
		c.lesser = append(c.lesser, refused...)
	}
	return trouble
}

// breakOff notes that the index takes a document in no form. What was refused
// before, in the same request too, may have been right, so that all begin in full
// again.
func (c *chunk) breakOff(it *item, before []item) error {
	c.broken, c.proven = true, false
	c.failures = max(c.failures, 1)
	it.form = full
	for _, others := range [][]item{before, c.lesser} {
		for i := range others {
			others[i].form = full
		}
	}
	return c.formsRefused(it)
}

func (c *chunk) formsRefused(it *item) error {
	return &Error{Op: "publish", Reason: FormsRefused, Status: it.refusal.Status, Type: it.refusal.Type, Target: c.batch.Target.Name()}
}

// undecided is what follows a request of n documents without a verdict on any.
func (c *chunk) undecided(from *[]item, n int, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Op: "publish", Reason: Busy, Err: err}
	}
	switch {
	case e.Reason == TooLarge && n > 1:
		c.most = n / 2
		c.bound = c.most
		return nil
	case e.Reason == TooLarge:
		return c.tooLarge(from)
	case e.Foreign && e.mayPass() && c.failures < serverPatience && !c.split:
	case e.Foreign && n > 1:
		c.suspect()
		c.bound = n / 2
		return nil
	case e.Foreign:
		return c.singleRefused(from, e)
	case (e.Reason == Busy || e.Reason == Silent) && c.failures > 0:
		c.bound = max(n/2, 1)
	}
	return cmp.Or(err, error(e))
}

// mayPass reports whether the same request may be taken when it is sent again: a
// server's error, and a connection that broke.
func (e *Error) mayPass() bool { return e.Status == 0 || e.Status >= http.StatusInternalServerError }

// tooLarge is what follows where a single document is too large. It may have been
// the cause alone, so that the next request is of full size again.
func (c *chunk) tooLarge(from *[]item) error {
	it := (*from)[0]
	*from = (*from)[1:]
	c.most = cap(c.documents)
	c.bound = c.most
	if it.storedForm != full {
		c.count(it, it.storedForm, Stored)
		return nil
	}
	v := Verdict{Refused, &inputs.Refusal{Status: http.StatusRequestEntityTooLarge, Type: "request_too_large"}}
	it.refuse(v)
	err := c.queueLesser([]item{it}, []Verdict{v}, 0)
	c.probing = c.broken // a size is no doubt about the index
	return err
}

// suspect notes that something in front of the other side refuses requests.
func (c *chunk) suspect() {
	if !c.split {
		c.split, c.passedBefore = true, c.loop.passed.Load()
	}
}

// singleRefused notes that a request with a single document was refused by
// something in front of the other side. The document is the cause when that
// happened often while others got through. Where none can, its lesser forms are
// tried, and should one get through the full form once more.
func (c *chunk) singleRefused(from *[]item, e *Error) error {
	it := (*from)[0]
	*from = (*from)[1:]
	if it.storedForm != full {
		c.count(it, it.storedForm, Stored)
		return nil
	}
	c.suspect()
	others := c.left() && c.stalled.IsZero()
	if c.stalled.IsZero() {
		c.stalled = time.Now()
	}
	if it.form == full && (it.singleRefusals == 0 || it.refusal.Status != e.Status) {
		it.singleRefusals, it.doubted = 0, false
		it.refusal = &inputs.Refusal{Status: e.Status, Type: requestRefused}
	}
	it.mustGoAlone = true
	isCause, proven := c.countSingleRefusal(&it, e.Status)
	// A document that is alone the cause is asked about until it is known: in turn with
	// all others each of them would cost the longest wait. Not where the connection
	// broke, since that may be the peer that starts again.
	c.probing = isCause && it.form != full || !isCause && proven && !others && e.Status != 0
	if c.probing {
		c.lesser = append([]item{it}, c.lesser...)
	} else {
		c.lesser = append(c.lesser, it)
	}
	if others || isCause && it.form != full {
		return nil
	}
	return e
}

// countSingleRefusal counts a refusal of a single document, and gives it its next form once
// it is the cause. That others got through (proven) shows it of one document only: for
// the next one they must do so again.
func (c *chunk) countSingleRefusal(it *item, status int) (isCause, proven bool) {
	passed, before := c.loop.passed.Load(), c.passedBefore
	if status == 0 { // the peer may restart: what passed before shows nothing
		before, it.brokeAt = max(before, it.brokeAt), passed
	}
	proven = passed > before
	if it.form != full {
		proven = !it.unproven
	}
	if proven {
		c.failures = 0 // trouble of one document, which ends soon
	}
	most := int8(maxSingleRefusals)
	switch {
	case !proven && it.unproven:
		most = lesserEvery // its lesser forms were refused before
	case status == 0:
		most = maxSingleBreaks
	}
	it.doubted = it.doubted || !proven
	// A lesser form is known to be refused where the full one was refused likewise.
	likewise := it.form != full && it.refusal.Type == requestRefused && it.refusal.Status == status
	if it.singleRefusals++; it.singleRefusals < most && !likewise {
		return false, proven
	}
	it.singleRefusals, it.unproven, it.doubted, c.passedBefore = 0, it.doubted, false, passed
	if it.form++; it.form > bare || c.batch.Fallback == nil {
		it.form = full
	}
	return true, proven
}
