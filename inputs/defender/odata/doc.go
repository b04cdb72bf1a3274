// Package odata pages through the lists of an OData service. It decides what to ask for
// next, and keeps how far a list was read and which options the server refuses.
//
// A resource names a strategy: Timeline for records that have a time of their
// last update, Snapshot for lists that are read as a whole, Assessment for those
// that the service computes every few hours and exports as files, too. For every
// sweep of package collect it gives the best pager that the server is known to take:
//
//	Timeline    byTime, else byWindow (by the update time, by creation, or the
//	            whole list by $skip)
//	Snapshot    byID, else bySkip (sorted, else as it comes)
//	Assessment  byNextLink or byFiles, as byDevices finds out; byNextLink for changes
//
// byCount, byIDCount, byTie and closeIn replace these for a while: the first two prove
// the order of a page, byTie reads more records of one time than may be skipped, and
// closeIn finds the one record that the server cannot serve.
//
// Begin with byTime (bytime.go): Request asks, Next receives what came. Then read
// Timeline.Begin for the choice, capabilities for what is remembered of a server
// and for how long, and sweep (odata.go) for what all pagers share.
//
// # Invariants
//
//   - Only the times of records move a cursor. It moves back only by Rewind, not beyond
//     the time that the server showed when it was asked, and never past a record that
//     was not acknowledged. A cursor that is in the future all the same is set back.
//   - The lower bound is inclusive, always.
//   - A list ends with an empty page, with one that proves the end, or with one
//     that goes beyond the sweep's begin. A snapshot that is asked for by id alone
//     never ends with a 404 or an empty page behind its first page; by $skip it
//     ends with two empty ones.
//   - No pager does I/O or reads a clock but Options.Now.
//   - A link is used within one run over a list. None is saved.
//   - No file of a list is passed over: the run ends complete with all of them.
//   - A sweep ends, regardless of what a server answers: after maxPages, or maxSame
//     pages that are the same.
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
// A refusal is known by its status: any 400. It must come twice in a row, since a
// refusal is remembered for an hour. Then the same query is sent with the smallest page.
// If that page comes, the size was the cause, and pages grow again up to where they are
// refused. Else the query is sent without one part after the other, in the variants of
// the strategy (see Timeline, Snapshot). Without $orderby each window is read to its end
// by $skip, and the cursor moves only then; windows are halved until the server skips
// far enough. Without a filter by update time records are read by creation time, four
// days back at every poll. Without any filter the whole list is read by $skip, and the
// loop publishes what is not from before the place. All of it is remembered for an hour.
// An option that is ignored is noticed from the records, and counts as refused. When
// nothing is left to leave out, the error's remedy names the query.
//
// # Why pages grow and shrink
//
// A tenant has few calls, so a page is as large as allowed. After a page that did not
// come the next one is a quarter as large; what came of a page that broke off counts.
// A size counts as too large only when a smaller full page came right after: for an
// hour where the size was refused, else for ten minutes. Where a page failed in two
// polls and its records came in small pages, the largest of those sizes is asked for.
//
// # Why the order of a page is asked about
//
// A server that sorts after $top gives pages that look sorted, and a record may show a
// later time than it is sorted by: either would move the cursor past records that were
// not read. So before the cursor moves past a page that another may follow, the pager
// asks for a record beyond those of the page: from the lower bound to before the newest
// record of the page, $skip as many as the page has less one, $top=1, without $orderby.
// Where the page was right there is none. A record that was not seen before, twice in a
// row, counts as $orderby ignored. Where the server refuses the question, or fails at it
// twice in a row although the page itself comes, the order is believed for an hour. The
// ids of a snapshot are asked about in the same way, at its first page that another
// follows, in the first snapshot and in every tenth: a machine that was missed is met by
// the next one, an alert never.
//
// # Why one record is left behind, and when
//
// A record that the server cannot serve would keep all later records from being read.
// Where a page fails in two polls it is read record by record, in steps that
// double and then halve. A single record that fails is left behind only when one of
// the next sixteen comes, or the list ends before that: else the server itself
// fails. The failing records between the two are left behind with it when they fail
// twice more. A record is first tried without $expand. The stretch between its neighbours
// becomes a gap of the place, up to the present behind the newest record: polls
// read around it, and it is asked for once an hour for seven days, and as often as
// the overlap lasts while records can still appear in it. A timeline that is not
// sorted has no neighbours in time: its gaps are whole windows, which polls read
// all the same, and look back to once an hour. Snapshots need no gap, they ask for
// all at every sweep. The loop hears between which ids the record is: one that comes
// as it was is then not published again.
//
// # Why evidence that was refused is part of the place
//
// While $expand is refused alerts come without evidence. The time from which on they
// did is saved: when the server accepts $expand again, after an hour or a restart, all
// of these alerts are read once more, although none of them changed.
//
// # Why a window is read again after $skip
//
// An update moves a record out of its window, or out of the time it shared with
// others. All records behind it move up by one, and $skip passes over one that
// nobody has seen. A window that took more than one page by $skip is therefore
// read again until it shows nothing new; the seen set makes that free. A
// server may give a record twice in a page: $skip counts those that differ.
//
// # Why a backlog is read in windows
//
// Half a year in one query may be more than the service sorts before it gives
// up, and what is read by $skip can only be saved at the end. Weeks are small
// enough for both and still only 26 requests for the longest look-back. While
// records of more than an hour ago are read, calls give way to those for new
// records of the same kind, and how far there is to go is in the counters.
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
// poll that takes longer, because the output is away, moves the cursor far
// beyond what it asked for when it began: the next one begins the overlap before
// that (see stretch). What was older than the overlap when it was asked for, as a
// backlog is, is not read again. The seen set, kept in the checkpoint, keeps
// records from being published again even when the data stream has rolled over
// and no longer knows the ids.
//
// # Why a short page is the last one only sometimes
//
// A server that clamps $top, or cuts pages by their size, returns short pages
// that are not the last, and taking them for it would leave what follows unread
// at every poll. A page proves the end when it is shorter than asked and than half
// of the smallest page that the server ever cut, 1,000 where none is known, and
// holds the newest record that was known before. The first sweep and every tenth
// believe it of no more than a hundredth of a page. A nextLink is not followed
// and means nothing: with $top the service gives none, and there are reports of
// links without end.
//
// Where records never stop there is no empty page, and a poll that waits for one
// uses up the calls of the whole tenant. A sorted page that goes beyond the
// poll's begin has all there was then; what is newer is for the next poll.
//
// # Why a snapshot is read by id
//
// A page begins with the last id of the one before, not at $skip: a record that
// leaves the list meanwhile would hide its neighbour, which the next snapshot
// would then take for new. Since the record with that id comes again, a page
// without any is a failed one, and so is a 404, by which the API says that there
// are none: it counts for the first page of a snapshot only. An empty list does
// not make the records of the snapshot before new again.
//
// # Why what a server refuses is not part of the place
//
// It may have been an odd answer, or the server of another region. A restart
// asks in the best way again, at the price of one or two refused calls.
//
// # Why the rows of an assessment are not kept as seen
//
// 20,000 devices have 4 million findings: a seen set of them would take 48 MB, and
// as much at every save. Instead, their ids show that a row is stored already. The
// resource chooses how long an unchanged row is the same document (Epoch).
// What is read twice, because a read broke off and began again, costs a document
// sent and refused as known for each row; state is some 2 KB. The time at which a
// read began makes its ids: it is saved before the first document is published, and
// holds for what a killed process left, for as long as the server's list is likely
// to be the same. Changes are few, come several times, and are kept as seen, at
// most so many as the resource's retention says.
//
// # Why a poll may read nothing
//
// A process that is started again, or asked to poll now, would read millions of rows
// that the server has not computed again. A whole read is due an interval after the
// last one began; Rewind makes it due at once.
//
// # Why a list is begun again where its link is dead
//
// A link names a snapshot of the server and a place in it, and both go away. A
// saved link that is dead would be asked for at every poll. One is therefore used
// in the run that it came in: where it is refused as unknown the list is begun
// again, three times in a poll. After an outage the next poll continues at its
// link for up to an hour, since a run may be hundreds of calls.
//
// # Why files are read in any order
//
// A file that is empty, damaged or not accessible would stop all that follow it. It
// is moved behind the others, and when three in a row did not come the poll ends with
// an error; the next poll continues with another file. Which files were read is saved
// after each, as a bit, under a name of the list that holds when it was made and
// the files' paths: anyone who comes back, with new links because the old ones have
// expired, reads what is left. A list that was read to its end is not read again
// until the server made another one. Links that worked, or are older than some
// minutes, are asked for again where they give no access: the service takes 20 calls
// an hour for them, so that an outage must not use one in each poll.
//
// # Why changes are asked for from before the last read
//
// The server rounds the time down to slots of six hours and computes changes after
// a list is finished. The next read therefore begins one slot before the last
// complete one did, by the server's clock, or before the whole list did. Where the
// server refuses, or that was too long ago, everything is read. A server that always
// refuses changes does not make us read everything at every poll: the second time in a
// row the poll reports the refusal instead.
package odata
