// Package outputtest is what tests of outputs share: a Reporter that keeps what it is
// told, batches of small documents to publish, and proxies on the way.
//
// Start reading at Reporter. An output's own tests add how it is started, and what of
// it can be seen at the other side.
//
// # Invariants
//
//   - Every document has Canary in it: it must not show in an error, a state or a log.
//   - It knows no output.
package outputtest
