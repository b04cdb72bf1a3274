// Package output holds what every output shares: the words for verdicts and
// trouble, Loop, which turns "send once" into a Publisher, and Kind, by which an
// output describes itself to package component.
//
// A batch comes to Loop.Publish (loop.go), which splits it into chunks. A chunk
// (chunk.go) sends documents through the output's Sender, sorts them by their
// verdicts, and sends again what was not taken; form.go decides what becomes of
// refused documents and refused requests, trouble.go how long to wait and what is
// reported. Publish returns nil when every document has its verdict. Start reading
// with chunk.deliver; the words are in output.go. An output is a Kind (kind.go), a
// Sender, and a table of health rows: see the packages below.
//
// # Invariants
//
//   - Publish returns nil only when every document of the batch has a
//     verdict other than Retry; otherwise it returns the context's error.
//   - No verdict drops a document. One that is refused follows in its minimal
//     form, then in its bare form (inputs.Fallback). Stored, Existing, Minimal
//     and Bare of a Result add up to the documents.
//   - At most Options.Workers calls of Send run at any time, however many
//     goroutines publish. Waiting for the next try takes no worker.
//   - Every goroutine that Publish starts has ended when Publish returns.
//   - Beside the batch, a chunk holds the lesser forms of one Send: 4 MiB, or
//     one document where that is larger.
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
// That is back pressure, not trouble: the wait starts afresh and nothing is
// reported. Attempts that move nothing are counted, and the second in a row is
// reported, so that one lost connection does not make a unit's state flap. A
// slow attempt is reported after 45 s without progress, regardless of its time-out.
//
// # Why lesser forms go one at a time until one gets through
//
// Where all documents of a request are refused, either the documents or the index may
// be the cause. One minimal form shows which it is. If it is refused, and its bare
// form too, the index accepts nothing: that is trouble like a missing privilege. Then
// all documents begin in full again, and one of them (the probe) is tried for each
// wait, in full, so that an index that was repaired gets full documents. Every eighth
// time its lesser forms follow at once, so that a document that only this index
// refuses cannot stop the batch. The probe is a real document: where the other side
// keeps refused documents aside, each try leaves one copy of it there, and of no other
// document. Where the refusal's reason may also be the index's (Doubtful), all
// documents, the probe included, are sent in full once more after the probe got
// through: the index may have healed between two forms, in the time of one request.
// The cost is a pipeline_error beside the full document.
//
// A server's error about one document (Failing) is waited for. It becomes a doubt after
// eight times, some minutes, if others got through meanwhile: a pipeline that fails with
// an error of its own answers so for ever, and one document must not stop its stream.
//
// # Why a request that is refused as a whole is split
//
// A firewall in front of Elasticsearch refuses a request because of an attack's words
// in one document. Halves are tried until one document is alone. That document is the
// cause when it was refused three times. The three tries follow at once where other
// documents got through meanwhile and an answer came: in turn with all others of its
// kind they would take hours. A connection that breaks may be a peer that restarts, so
// that the document is asked for in turn, and is the cause when that happened eight
// times and others got through in between. A document that is left alone, with no other one to compare it with, is
// tried in its lesser forms, at once and one after the other, and when one of them got
// through, in full once more: an outage that ends in between costs a pipeline_error
// beside the full document. After a server's error there are three waits before that,
// and also after a connection that breaks while the other side has the request:
// Elasticsearch closes the connection at once when a request is larger than it allows,
// and its 413 may be lost; some proxies never send one.
//
// # Why requests that meet pressure shrink
//
// A request that is larger than the engine's room for writes gets 429 however
// often it is sent. From the second time on it is halved, and doubled with each
// success.
//
// # Why one success ends the trouble of all
//
// Streams share an output. When documents of one get through, the connection, the
// credentials and the cluster are well: all chunks that wait for them try at once, and
// the unit is well. Trouble with an index ends when that index stores documents. A
// chunk that still fails after others got through has trouble of its own, which shows
// until that chunk moves: else the state would flip with every poll.
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
// person can repair wait longer, since hurrying does not help.
package output
