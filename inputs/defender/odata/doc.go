// Package odata pages through the lists of an OData service: what to ask for
// next, how far that is, and what the server turned out not to take.
//
// A resource names a strategy: Timeline for records that have a time of their
// last update, Snapshot for lists that are read as a whole. For every sweep of
// package collect it gives the best pager that the server is known to take:
//
//	Timeline   byTime, else byWindow (by the update time, else by creation)
//	Snapshot   byID, else bySkip (sorted, else as it comes)
//
// Begin with byTime (bytime.go): Request asks, Next is told what came. Then read
// Timeline.Begin for the choice, capabilities for what is remembered of a server
// and for how long, and sweep (odata.go) for what all pagers share.
//
// # Invariants
//
//   - A cursor moves by the times of records alone: not back, not beyond the time
//     that the server showed when it was asked, and never past a record that was
//     not acknowledged. One that is in the future all the same is set back.
//   - The lower bound is inclusive, always.
//   - Only an empty page ends a list, or one that goes beyond the sweep's begin.
//   - No pager does I/O or reads a clock but Options.Now.
//   - Whatever a server answers, a sweep ends: after maxPages, or maxSame pages
//     that are the same.
//
// The package must not know what a record means, or how a request is sent.
//
// # How a timeline is read
//
// Everything at or after a lower bound is asked for in the order of its update
// time. The next page starts at the largest time of the former one (keyset),
// inclusive, because many records share one time; the seen set makes the
// repetition free. $skip is used only while a full page carries a single time. A
// query spans a week at most, the last one has no upper bound: a record that is
// updated while being paged moves to the end and is met there.
//
// What a server refuses of this is remembered for an hour and asked for another
// way: without $orderby each window is read to its end by $skip, and the cursor
// moves only then; windows are halved until the server skips far enough; without
// a filter by update time records are read by creation time, four days back at
// every poll. An option that is ignored is noticed from the records, and counts
// as refused.
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
// # Why no clock moves the cursor
//
// The cursor is the largest time that the API showed, up to the Date of the
// answer that showed it. A clock that is ahead, ours or the server's, or a record
// that is dated 2099, would otherwise make us pass what is still to come. Bounds
// of empty windows do not move it either: after a complete sweep they are not
// read again for as long as the process lives.
//
// A cursor in the future by both clocks is set to the overlap before the Date at
// once, by the Date alone at the second poll in a row: a Date that is wrong once
// must not make us read a year again. The first look-back is reckoned by our clock
// and corrected by the first Date.
//
// # Why the overlap counts from the reading
//
// The API can show a record minutes after its update time, and its times tick
// in 1/300 s, so siblings can appear at or before the largest time seen. A stretch
// of time is therefore read until the overlap (15 minutes) has passed over it. A
// poll that takes longer, because Elasticsearch is away, moves the cursor far
// beyond what it asked for when it began: the next one begins the overlap before
// that (see stretch). What was older than the overlap when it was asked for, as a
// backlog is, is not read again. The seen set, kept in the checkpoint, keeps
// records from being published again even when the data stream has rolled over
// and no longer knows the ids.
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
// # Why a snapshot is read by id
//
// A page begins behind the last id of the one before, not at $skip: a record
// that leaves the list meanwhile would hide its neighbour, which the next
// snapshot would then take for new. A 404 of the API is an empty list, and an
// empty list does not make the records of the snapshot before new again.
//
// # Why what a server refuses is not part of the place
//
// It may have been an odd answer, or the server of another region. A restart
// asks in the best way again, at the price of one or two refused calls.
package odata
