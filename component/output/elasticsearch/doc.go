// Package elasticsearch is the output that writes to Elasticsearch: bulk
// requests of op create, through elastic-transport, under output.Loop.
//
// A unit's settings become a config (config.go), and New (elasticsearch.go) makes
// client and sender of it. A request goes from sender.Send (sender.go), which writes
// the documents into an exchange, through exchange.send (exchange.go), which sends
// them and reads the answer whole, to answer.go, which decodes it, and judge
// (verdict.go), which gives each document its verdict. Start reading with
// sender.Send. kind.go has the rows of the health table, check.go what the check
// command asks.
//
// # Invariants
//
//   - A document is counted only by what the answer says of it. An answer
//     that is cut, too long, not JSON or of another number of items
//     acknowledges nothing of its request.
//   - Only create is ever sent: the agent's API keys allow no more.
//   - No error, log line or Refusal holds a credential, a URL's query or
//     user information, or text of a document. Of an error that
//     Elasticsearch gives only status, type and the name of the field are kept:
//     reasons quote documents.
//   - One attempt is one HTTP request. Redirects are not followed. Loop tries again.
//   - Memory: Workers buffers of one request each (zipped, if compressed)
//     and of one answer.
//
// The package must not know streams, cursors or the agent's protocol.
//
// # Why a 403 of one item is not the end of the document
//
// It means that the key lacks the privilege for that data stream, which a
// person repairs in the policy. The document stays in its batch, is sent again
// with the longest wait, and the output unit says what is missing. Dropping
// it would lose data to a typing error. 401 of an item is the same.
//
// # Why a type decides whether a document is the cause
//
// A shard limit, a closed or missing index, a missing pipeline, a write block and
// a full disk answer per document too, with 400, 403, 404 or 429, and end without
// one being changed: they are waited out. Parsing and strict mappings are about
// the document. illegal_argument_exception is both (a mapping that cannot be
// changed, an immense term; a pipeline that does not exist), and new types will
// come. There the answer's _index decides: a document that a backing index has seen
// met its mapping, while one that still bears the data stream's name never got so
// far. The latter is Doubtful, which the loop resolves with one document. The
// words of a reason decide nothing.
//
// # Why a document in the failure store counts as refused
//
// Rules, dashboards and alerts do not look there. The original stays in the failure
// store, and the minimal form is in the data stream.
//
// # Why a status alone does not show who answered
//
// Elasticsearch's own errors are JSON with a type. Any other answer comes from something
// in front of it, such as a firewall, which may refuse one document: the request is
// split, except after 502, 503 and 504, which say that nothing behind it answers. After
// a 400 it is split, whoever sent it. Firewalls also refuse with a page and the status
// 200, with a redirect, or by closing the connection: the request is split then, too.
//
// # Why there is no go-docappender
//
// Its BulkIndexer (v2.12.1) takes the end of input for the end of the value, so that
// an item cut at its status would count as indexed; an item without a status counts
// as indexed too; and it reports how many documents went to the failure store, not
// which (TestCutAnswerAcknowledgesNothing). What was left of it, the action lines
// and the reuse of the gzip writer, is some 50 lines here. It also brings
// json-iterator, by which the linker keeps every method of every library: 6 MB of
// 29. Without it a document costs 7.1 allocations in place of 8.1 (BenchmarkPublish).
//
// # Why an exchange may be thrown away
//
// A request's body is the exchange's own buffer, and net/http may continue
// reading it after a server answered early. Such an exchange is left to the
// garbage collector instead of being filled again.
//
// # Why max_retries, queue.mem, escape_html and allow_older_versions do nothing
//
// They are accepted since policies hold them. There is no limit on retries
// (see package output); the one batch per stream in flight is the queue;
// documents are encoded before an output sees them, and escaped or not they
// are equal JSON; no version is asked for, since that takes a privilege a key
// may lack.
//
// # Why dead_letter_index does nothing
//
// A refused document is stored in a lesser form in its own data stream. Writing
// it elsewhere needs privileges on foreign indices, which the agent's keys do not
// have.
package elasticsearch
