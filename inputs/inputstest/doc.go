// Package inputstest holds fakes of what a stream is given, a Publisher and
// Cursors that remember, and the contract suites that every implementation of
// the two passes, the fakes included.
//
// A test gives an inputs.Env the Publisher (publisher.go) and the Cursors
// (cursors.go), runs a stream, and asks both what they hold. An implementation calls
// RunPublisherContract or RunCursorsContract with itself as the subject. forms.go
// makes lesser forms of documents that are no records. Start reading with
// publisher_contract.go: it says what a Publisher owes.
//
// # Invariants
//
//   - What a fake says it stored is the truth of a test: exactly what was
//     acknowledged, in order, with nothing repaired.
//   - Fakes are safe for concurrent use.
//   - Only tests import this package: it imports testing.
//
// # Why a contract suite takes function fields
//
// Every sink breaks in its own way. A Subject says how, and leaves out what
// its sink cannot do; the suite says what must hold, once.
package inputstest
