// Package output holds what every output shares: the words for verdicts and
// trouble, and Loop, which turns "send once" into a Publisher.
//
// # Invariants
//
//   - Publish returns nil only when every document of the batch has a
//     verdict other than Retry; otherwise it returns the context's error.
//   - Nothing but a verdict of the other side drops a document, with one
//     exception: a single document that is too large on its own is Rejected
//     with status 413 and reported.
//   - At most Options.Workers calls of Send run at any time, however many
//     goroutines publish. Waiting for the next try takes no worker.
//   - Every goroutine that Publish starts has ended when Publish returns.
//
// The package knows no protocol, no agent and no settings.
//
// # Why Sender and Loop are two things
//
// Trying again is where acknowledgements go wrong, so it exists once. An
// output only says what one attempt did, and can be tested without a clock.
//
// # Why an attempt fails only when it moved nothing
//
// An overloaded cluster or a full queue takes some documents of each attempt.
// That is back pressure, not trouble: the wait starts afresh and no one is
// told. Attempts that move nothing are counted, and the second in a row is
// reported, so that one lost connection does not make a unit's state flap.
//
// # Why health waits for the last chunk in trouble
//
// Streams share an output. If one data stream is forbidden and another gets
// through, reporting each success would flip the state with every poll.
// Report(nil) is therefore held back while any chunk is in trouble.
//
// # Why a worker is given back while waiting
//
// With one worker, a chunk that the other side refuses for an hour would
// otherwise hold up all other streams for that hour.
//
// # Why there is no limit on tries
//
// Losing data to an outage that ends later is the worst outcome; memory is
// bounded by the one batch per stream that is in flight. Kinds that only a
// person can mend wait longer, since hurrying does not help.
package output
