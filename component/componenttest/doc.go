// Package componenttest holds fakes of everything the component speaks to:
// agent (the client's stub server), Elasticsearch, shipper, publisher,
// cursors; and the contract suites that every implementation of an interface
// passes, the fakes included.
//
// # Invariants
//
//   - A fake behaves as the real thing documents itself, faults included.
//     Where it is stricter, it is so to find faults of the sender.
//   - What a fake says it stored is the truth of a test: exactly what was
//     acknowledged or could have been, in order, with nothing repaired.
//   - Fakes are safe for concurrent use, and cheap enough to be the sink of
//     a demo or a benchmark.
//
// Only tests and the demo command import this package.
//
// # Why fakes of our own
//
// The known stand-ins for Elasticsearch know no authentication, no failure
// store, no rollover and no long lines, and answer by odds. A test needs the
// one fault it is about, and nothing by chance.
//
// # Why a contract suite takes function fields
//
// Every sink breaks in its own way. A Subject says how, and leaves out what
// its sink cannot do; the suite says what must hold, once.
package componenttest
