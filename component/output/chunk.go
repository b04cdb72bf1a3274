package output

import (
	"context"
	"time"

	"github.com/defender-endpoint/defender-endpoint/inputs"
)

// chunk is the part of a batch that one goroutine delivers.
type chunk struct {
	loop      *Loop
	batch     *inputs.Batch
	fresh     []item            // documents without a verdict yet
	lesser    []item            // refused ones, on their way to a lesser form
	documents []inputs.Document // scratch for one Send
	verdicts  []Verdict         // scratch, as long
	result    inputs.Result

	most  int // documents in one Send; smaller after TooLarge
	bound int // at present: smaller than most while requests do not get through

	failures int           // attempts in a row that moved nothing
	wait     time.Duration // upper bound of the next wait
	since    time.Time     // of the first attempt that moved nothing; zero where the last one did
	stalled  time.Time     // when a single document was refused in front and nothing moved since; zero where not
	wake     chan struct{} // signalled when waiting is over
	woken    bool          // others got through meanwhile
	sending  bool          // a Send is under way; guarded by loop.mu
	own      bool          // its trouble is not that of the output; guarded by loop.mu

	// What the flags say, and what follows from them. Documents that get through
	// (moved) set proven and clear probing, broken and the time stalled.
	//
	//	flag     set by                             cleared by              while it is set
	//	proven   moved                              breakOff, each wait     a Doubtful document gets its next form at once
	//	probing  refusals, and nothing got through, moved, and where its    each Send has one document of lesser
	//	         or its next try or form follows    full form is next
	//	broken   a document refused in every form   moved                   each refusal is trouble, and waits
	//	split    a whole request refused in front   the end of the chunk    such a request is halved at once
	proven, probing, broken, split bool
	passedBefore                   uint64 // loop.passed when split was set, or a document last found to be the cause
}

// item is one document of a batch. It begins in full; queueLesser and countSingleRefusal
// give it the next form, breakOff the full one again.
type item struct {
	position int
	refusal  *inputs.Refusal // of the full document
	form     form            // what is sent next
	// storedForm is a lesser form that is stored already while the full one is
	// tried once more; full is none. The document is done, however that try ends.
	storedForm form
	// singleRefusals are requests with this document alone that were refused in
	// this form, in a row. After the first one it mustGoAlone.
	singleRefusals int8
	mustGoAlone    bool
	// unproven: the form was chosen while nothing else got through. Where it is
	// stored, the full one is tried once more.
	unproven bool
	// doubted: one of the singleRefusals came while nothing else got through.
	doubted bool
	// brokeAt is Loop.passed when the connection broke for this document alone.
	brokeAt uint64
}

// deliver sends until no document is left or ctx ends.
func (c *chunk) deliver(ctx context.Context) error {
	defer c.loop.forget(c)
	for c.left() {
		if err := c.loop.acquire(ctx); err != nil {
			return err
		}
		err := c.attempt(ctx)
		<-c.loop.slots
		if !c.left() {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		if err := c.pause(ctx, err); err != nil {
			return err
		}
	}
	c.loop.healed(c)
	return nil
}

func (c *chunk) left() bool { return len(c.fresh)+len(c.lesser) > 0 }

// attempt sends some documents once. It returns an error where the next attempt
// has to wait.
func (c *chunk) attempt(ctx context.Context) error {
	from := &c.fresh
	if len(c.fresh) == 0 || c.probing && len(c.lesser) > 0 {
		from = &c.lesser
	}
	sent, documents := c.prepare(*from)
	verdicts := c.verdicts[:len(sent)]
	clear(verdicts)
	if c.since.IsZero() {
		c.since = time.Now()
	}
	patience := silence
	if reported := c.loop.sending(c, true); !reported {
		// An attempt that answers at once is not silent, however long none moved.
		patience = max(silence-time.Since(c.since), time.Second)
	}
	watch := time.AfterFunc(patience, func() { c.loop.silent(c) })
	err := c.loop.sender.Send(ctx, c.batch.Target, documents, verdicts)
	watch.Stop()
	c.loop.sending(c, false)
	return c.applyVerdicts(from, len(sent), verdicts, err)
}

// prepare is what the next Send takes of a queue, and its documents.
func (c *chunk) prepare(queue []item) ([]item, []inputs.Document) {
	n := min(c.bound, len(queue))
	if c.probing {
		n = 1
	}
	documents, size := c.documents[:0], 0
	for i := range queue[:n] {
		it := &queue[i]
		if i > 0 && (it.mustGoAlone || queue[0].mustGoAlone) {
			break // was refused alone, so it is sent alone
		}
		d := c.document(it)
		if size += len(d.JSON); i > 0 && it.form != full && size > inputs.BatchBytes {
			break // lesser forms repeat the record's text
		}
		documents = append(documents, d)
	}
	return queue[:len(documents)], documents
}

// applyVerdicts sorts the first n documents of a queue by their verdicts.
func (c *chunk) applyVerdicts(from *[]item, n int, verdicts []Verdict, err error) error {
	taken, unsent := 0, (*from)[:0]
	var refused []item
	for i, v := range verdicts {
		it := (*from)[i]
		switch v.Outcome {
		case Stored, Existing:
			taken++
			if again, ok := c.store(it, v.Outcome); ok {
				refused = append(refused, again)
			}
		case Refused, Doubtful:
			if it.storedForm != full {
				c.count(it, it.storedForm, Stored)
				continue
			}
			it.refuse(v)
			refused = append(refused, it)
		default:
			unsent = append(unsent, it)
		}
	}
	left := len(unsent)
	if left == n {
		return c.undecided(from, n, err)
	}
	*from = append(unsent, (*from)[n:]...)
	if taken > 0 {
		c.moved(taken)
	}
	if trouble := c.queueLesser(refused, verdicts, taken); trouble != nil {
		return trouble
	}
	switch {
	case left == 0:
		return nil
	case err == nil:
		return &Error{Op: "publish", Reason: Busy}
	default:
		return err
	}
}

// moved notes that documents got through: what failed before is over.
func (c *chunk) moved(n int) {
	c.loop.passed.Add(uint64(n)) //nolint:gosec // not negative
	c.failures, c.wait, c.since, c.stalled = 0, 0, time.Time{}, time.Time{}
	c.proven, c.probing, c.broken = true, false, false
	c.bound = min(2*c.bound, c.most)
	c.loop.moved(c)
}

// store counts a document that got through. One whose lesser form was a try, with
// nothing else getting through, is tried in full once more.
func (c *chunk) store(it item, o Outcome) (again item, ok bool) {
	if it.unproven && it.form != full && it.storedForm == full {
		return item{position: it.position, refusal: it.refusal, storedForm: it.form}, true
	}
	c.count(it, it.form, o)
	return item{}, false
}

// count notes what became of a document.
func (c *chunk) count(it item, as form, o Outcome) {
	r := &c.result
	switch {
	case o == Existing:
		r.Existing++
	case as == full:
		r.Stored++
	case as == minimal:
		r.Minimal++
	default:
		r.Bare++
	}
	if as == full {
		return
	}
	if it.refusal.KeptAside {
		r.KeptAside++
	}
	d := c.batch.At(it.position)
	c.loop.reporter.Refused(Refusal{
		Refusal: *it.refusal, Target: c.batch.Target.Name(), ID: d.ID, Record: c.batch.Fallback.Record(d),
	})
}
