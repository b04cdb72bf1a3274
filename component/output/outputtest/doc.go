// Package outputtest is what tests of outputs share: a Reporter that keeps what it is
// told, an output that waits only milliseconds, batches of small documents to publish, and
// proxies on the way.
//
// Start reading at Reporter and Connect. An output's own tests add how its other side is
// started, and what can be seen there.
//
// # Invariants
//
//   - Every document has Canary in it: it must not show in an error, a state or a log.
//   - It knows no output.
package outputtest
