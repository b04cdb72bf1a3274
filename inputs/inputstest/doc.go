// Package inputstest holds fakes of what a stream is given, a Publisher and
// Cursors that remember, and the contract suites that every implementation of
// the two passes, the fakes included.
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
