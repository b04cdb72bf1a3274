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
//   - Bounded state: the seen set holds what the overlap can return again, 12
//     bytes a record, and has a hard limit of a million.
//
// # How a resource is read
//
// Incremental resources are asked for everything at or after a lower bound, in
// the order of their update time. The next page starts at the largest time of
// the former one (keyset), inclusive, because many records share one time; the
// seen set makes the repetition free. $skip is used only while a full page
// carries a single time. A query spans a week at most, the last one has no
// upper bound: a record that is updated while being paged moves to the end and
// is met there.
//
// What a server refuses of this is learned for an hour and asked for another
// way: without $orderby each window is read to its end by $skip, and the cursor
// moves only then; windows are halved until the server skips far enough; without
// a filter by update time machine actions are read by creation time, four days
// back at every poll; machines, where a page cannot begin behind an id, by $skip.
//
// # Why bounds are passed again after $skip
//
// An update moves a record out of its window, or out of the time it shared with
// others. All records behind it move up by one, and $skip passes over one that
// nobody has seen. Bounds that took more than one page by $skip are therefore
// passed again until nothing new is met in them; the seen set makes that free.
//
// # Why a backlog is read in windows
//
// Half a year in one query may be more than the service sorts before it gives
// up, and what is read by $skip can only be saved at the end. Weeks are small
// enough for both and still only 26 requests for the longest look-back. While
// records of more than an hour ago are read, calls give way to those for new
// records of the same kind, and how far there is to go stands in the counters.
//
// # Why our clock never moves the cursor near the present
//
// The cursor is the largest time that the API showed. Only windows that end
// more than a day ago move it by their bound. A clock that is hours ahead would
// otherwise make us pass what is still to come.
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
// # Why only an empty page is the last one
//
// A server that clamps $top, or cuts pages by their size, returns short pages
// that are not the last, and taking them for it would leave what follows unread
// at every poll. It costs a quiet tenant one small request a poll. A nextLink is
// not followed and tells nothing: with $top the service gives none, and there
// are reports of links without end.
//
// Where alerts never stop there is no empty page, and a poll that waits for one
// uses up the calls of the whole tenant. A sorted page that goes beyond the
// poll's begin has all there was then; what is newer is for the next poll.
//
// # Why collecting goes on where the cursor cannot be saved
//
// A saved cursor that is too old loses nothing: a restart reads again, and the
// data stream knows the ids. Alerts that stop because a disk is full are what
// nobody wants. The poll's error tells of it, and every poll tries again.
//
// # Why fingerprints of 64 bits are enough
//
// Two records are taken for one if their fingerprints meet within the overlap:
// with 50,000 records there, once in 10^10 polls. Nobody can make a record that
// hides another one, because the hash has a seed that is drawn with the state.
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
// A page begins behind the last id of the one before, not at $skip: a machine
// that leaves the list meanwhile would hide its neighbour, which the next sweep
// would then take for new. A 404 of the API is an empty list, and an empty list
// does not make the machines of the sweep before new again.
//
// # Why a refused document has two more forms
//
// A template of somebody's own, a pipeline or a limit can refuse a document that
// is right. The minimal form has what finds the record again (constants, ids,
// time, title, severity) and the record as it came, 256 KiB of it; the member
// that was blamed is left out. Where the record's text itself is what is refused,
// the bare form tells that there was one, its length and hash, and its ids where
// they look like ids. Both are pipeline_error, with an id made from the
// document's: the full document can be stored beside them once the template is
// repaired, and a repetition is a 409. They are made from the encoded document,
// so that no record is mapped twice and every processor's word counts.
//
// What is here must not know Elastic Agent, an output, or how a cursor is kept.
package defender
