// Package broker starts a real Kafka for tests: one broker with its controller, of the
// jars on Maven Central, as package engine of elasticsearchtest starts a search engine.
//
// Start (broker.go) starts one with a plain listener, which is the administrator's, and
// one with TLS and a login. A Reader of package kafkatest reads it. Start reading with
// Start.
//
// # Invariants
//
//   - A broker listens on 127.0.0.1, ends when its standard input does, and its data are
//     removed: no test binary leaves one behind, however it ends.
//   - Without Java or Maven a test is skipped with one line; where
//     DEFENDER_ENDPOINT_ENGINE is "required" it fails, and with "off" it is skipped.
//
// # Licence
//
// Kafka is under the Apache License 2.0. Nothing of it is in this repository or in what
// it builds; Maven gets the jars when a test first needs them, into the user's cache.
//
// # Seen
//
// Kafka 4.3.1 on Java 17, two cores: 46 jars, 44 MB; port open after 2 to 3 s; 212 MB
// resident with a heap of 256 MB. After kill -9 the broker waits for the end of its old
// session: 9 s by itself, 1 s as set here. The largest batch is 1,048,588 bytes. What
// it says of a wrong password, a mechanism that is off, a right that is missing and a
// topic that is not there is in the tests of the output.
package broker
