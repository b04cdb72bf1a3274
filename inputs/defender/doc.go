// Package defender collects Microsoft Defender for Endpoint data: one stream
// per resource (alerts, machines, machine actions), all read by one loop.
//
// # Promises
//
//   - Conservation: every version of a record that the API returns is
//     published, or is a duplicate of what was published, or is published as a
//     pipeline_error document with the original. Nothing is dropped silently.
//   - Order: the saved cursor never passes a record that was not acknowledged.
//     It moves only after Publish returned nil for everything a complete,
//     verified page held.
//   - Liveness: when a fault heals, the next poll goes on where the last
//     acknowledged page ended. A page that keeps breaking is asked for in
//     smaller pieces.
//   - Bounded memory: one record and at most one batch are held; never a page.
//   - Bounded state: the seen set holds what the overlap can return again, and
//     has a hard limit.
//
// # How a resource is read
//
// Incremental resources are asked for everything at or after a lower bound, in
// the order of their update time. The next page starts at the largest time of
// the former one (keyset), inclusive, because many records share one time; the
// seen set makes the repetition free. $skip is used only while a full page
// carries a single time. There is no upper bound: a record that is updated
// while being paged moves to the end and is met there.
//
// Where the server refuses $orderby, or answers out of order, the same filter
// is read to its end by $skip, and the cursor moves only then.
//
// # Why the lower bound lies an overlap before the cursor
//
// The API can show a record minutes after its update time, and its times tick
// in 1/300 s, so siblings can appear at or before the largest time seen. The
// overlap (15 minutes) re-reads that window at every poll; the seen set, kept
// in the checkpoint, keeps it from being published again even when the data
// stream has rolled over and no longer knows the ids.
//
// # Why the cursor is saved at the end of a page, not of a batch
//
// Only a whole page proves that the server sorted it. Saving inside a page
// would trust the order before it was seen.
//
// # Why a document's id holds its evidence's content and not its position
//
// An id is a hash of dataset, tenant, record id, version and the evidence item
// itself. With the position in place of the content, an item that the service
// inserts or completes without a new update time would either be taken for its
// neighbour or be lost behind an id that already exists.
//
// # Why ids are SHA-256
//
// What an attacker does on a machine ends up in evidence. Were two contents
// with one id easy to make, as with any fast hash without a secret, the second
// alert would be taken for one that is already stored. A key would have to be
// kept and to be the same after every loss of state, or everything would be
// stored once more. SHA-256 cut to 120 bits needs no key, takes 2^60 tries for
// a collision, and costs 4% of a job's CPU time.
//
// # Why a short page is not taken for the last one
//
// A server that clamps $top returns short pages that are not the last. A page
// ends the sweep when it is empty, or shorter than another one of the same
// sweep: what could be longer was not cut. That costs a quiet tenant one or two
// small requests a poll.
//
// # Why machines are swept, and their ids hold the time of a sweep
//
// A machine's tags, risk and exposure change without its lastSeen, so there is
// no time to read by. Every interval all are read, and those published whose
// content is not what the sweep before met, or was published a full_interval
// ago. The id holds the content and the time of the last complete sweep, which
// is saved: a sweep repeated after a crash gives the same ids, and a machine
// that changes back gives a new document. Where the cursor is lost, every
// machine is published once more.
//
// What is here must not know Elastic Agent, an output, or how a cursor is kept.
package defender
