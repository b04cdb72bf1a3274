// Package kafkatest is a Kafka in memory, for tests: franz-go's kfake,
// with what a test needs of it. Its package broker starts a real broker.
//
// A Cluster (cluster.go) is one broker, plain or with TLS, a login and rights, and can
// refuse: any error for any request, silence, connections that break, before or behind
// what they asked for (conns.go). A Reader
// (reader.go) reads what stands in topics, of this broker or a real one.
//
// # Invariants
//
//   - What a Reader tells was written to the log of a partition, in that order.
//   - It does not import testing. The demo has a smaller broker, package sink.
package kafkatest
