// Package collect is the poll loop of every source.
//
// A record comes as raw JSON from a Source, page by page. The loop asks the seen
// set whether it was published before; if not, the Mapper makes documents of it,
// which join a batch; the Publisher delivers the batch, and its nil is the
// acknowledgement. Then the Pager receives what the page showed, and names the
// next page; its Strategy keeps the place, which is saved when it moved.
//
// Begin with Loop.sweep (loop.go): it has that path on one screen, except what happens
// to the records of a page: Loop.read (page.go) maps, batches and publishes them. Then
// read the interfaces in collect.go, which a source implements, and seenSet (seen.go).
// Only a strategy and its pagers know what a place is, which query comes next and what
// the source refuses.
//
// # Invariants
//
//   - A place is saved only after every document of the pages before it was
//     acknowledged: Pager.Next is not called for a page that was not.
//   - A record counts as seen only when its documents are acknowledged, too.
//   - One record and at most one batch are held, never a page.
//   - The seen set is bounded: Retention.Limit records, and the bytes stated there.
//   - Config.Now is the clock of every decision, here and in a strategy; ageClock
//     measures how long ago a record of a snapshot was published. Only waiting runs on
//     timers (pause.go, lend.go).
//
// The package must not know a vendor, a protocol, a resource, an output, or where
// a checkpoint is kept.
//
// # Why a fallback is another pager
//
// A source that refuses a way of paging is asked in another one, with bounds,
// order and a notion of progress of its own. As flags of one pager they meet in
// every line; as types each can be read, and tested, alone. The loop sees only
// that Next returned another pager, and why.
//
// # Why a pager hears of a page and not of each record
//
// A few numbers (PageStats) distinguish a page from an answer to another question. A
// pager is then a function from numbers to a query, needs no network to be tested, and
// costs nothing for each record. A page that turns out to be wrong at its end was
// published already, which is harmless: its records are records of the source, and the
// seen set contains them.
//
// # Why the place is saved at the end of a page, not of a batch
//
// Only a whole page proves that it was sorted. Saving inside a page would trust
// the order before it was seen.
//
// # Why a place belongs to the strategy
//
// One strategy needs a time, another one an id, a link or a list of gaps. The
// loop saves what it is given, as JSON with a version of its own, and never
// decides by it. Version 1 of a checkpoint, in which the place was a cursor, is read.
//
// # Why a whole sweep keeps nothing as seen
//
// A list that is read as a whole every few hours may have millions of records. A
// seen set for them would cost what it saves: memory that grows with the list, and a
// save of all of it after each page. Where each sweep has ids of its own
// (Sweep.Whole) the output knows what it has. A sweep that is repeated costs sending
// each document once more.
//
// # Why collecting continues where the checkpoint cannot be saved
//
// A saved place that is too old loses nothing: a restart reads again, and the data
// stream knows the ids. A full disk must not stop alerts. The poll's error reports it,
// and every poll tries again.
//
// # Why the checkpoint is saved where the place moved
//
// And at the end of a sweep in which something was published. In between only
// the seen set changes; a crash then costs a re-read with equal ids, and saving
// a set of a million records after every page of a snapshot costs more.
//
// # Why collecting again moves the place back
//
// Records can be wanted once more: after an index template was repaired, the
// documents that it refused. Env.CollectFrom moves the place to that time and
// forgets what was seen since, and the normal way of a record does the rest. A
// second sweep beside the first would have a place of its own to be saved, and
// two loops would share one seen set. As it is, a crash or a stop in the middle
// is continued like every other, and the stream ends up at the present as always.
// The price: what is new meanwhile waits until it is its turn. Documents have
// the ids they had, so that the output knows those that it holds; those of a
// snapshot have new ones, with the epoch of its last sweep.
//
// # Why a snapshot ages by two clocks
//
// What was published a day ago is published again. A clock that jumps ten days on
// would do that to all machines at once, and not again for ten days when it is set
// right. Time has passed only when our clock and the source's both say so.
//
// # Why fingerprints of 64 bits are enough
//
// Two records are taken for one if their fingerprints meet within the overlap:
// with 50,000 records there, once in 10^10 polls. Nobody can make a record that
// hides another one, because the hash has a seed that is drawn with the first checkpoint.
package collect
