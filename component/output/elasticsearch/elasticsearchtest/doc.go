// Package elasticsearchtest is an Elasticsearch in memory, for tests and the
// demo: bulk requests into data streams, the look-up of privileges, and plain
// indices for state. Its package engine starts a real search engine.
//
// Start reading at Server in server.go; bulk.go is what happens to a bulk
// request.
//
// # Invariants
//
//   - It behaves as Elasticsearch documents itself, faults included. Where it is
//     stricter, it is so to find faults of the sender. TestEngineContract of
//     package engine sends the same requests to both.
//   - What it says it stored is the truth of a test: exactly what was
//     acknowledged or could have been, in order, with nothing repaired.
//   - It is safe for concurrent use, and cheap enough to be the sink of a demo or
//     a benchmark.
//   - It does not import testing: the demo uses it.
//
// # Why a fake of our own
//
// The known stand-ins for Elasticsearch know no authentication, no failure
// store, no rollover and no long lines, and answer by odds. A test needs the
// one fault it is about, and nothing by chance.
package elasticsearchtest
