// Package logstashtest is Logstash's beats input in memory, for tests and the demo:
// go-lumber's server, which knows the protocol, taught what the real input does.
//
// It gives a sign of life every 5 s while it works, acknowledges whole windows only,
// resets a connection that was silent for 60 s, and resets one without a reason on an
// event that it cannot read, such as one beyond its limit of 20 MiB; it answers a
// window of no events with a sign of life. Behind it is what Logstash's documentation
// has as output to Elasticsearch: op create with the event's _id as document_id, so
// that what comes twice is stored once. Source: beats input 7.0.9 (BeatsParser,
// BeatsHandler, ConnectionHandler).
//
// Start reading at Server in server.go; conn.go is what happens to a connection.
//
// # Invariants
//
//   - What it says it stored is what was acknowledged or could have been, in order.
//   - It can be worse than the real one: silent, blocked, resetting, acknowledging in
//     parts, losing acknowledgements; plain, TLS, and TLS with client certificates.
//   - It is safe for concurrent use and does not import testing: the demo uses it.
package logstashtest
