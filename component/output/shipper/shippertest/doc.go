// Package shippertest is an elastic-agent-shipper in memory, for tests and the
// demo: its Producer service over gRPC, a bounded queue, and what an
// Elasticsearch behind it would hold.
//
// Start reading at Server in server.go; producer.go is the service, queue.go the
// queue, life.go start, stop and restart.
//
// # Invariants
//
//   - It behaves as the shipper's code does, faults included; comments name the
//     file of the repository elastic-agent-shipper. It serves plain or TLS.
//   - What it says it persisted is the truth of a test: in order, with nothing
//     repaired.
//   - It does not import testing: the demo uses it.
package shippertest
