// Package eventtest reads the events that package event writes: it is what the fakes of
// Logstash and Kafka have in common, as the outputs share the writing.
//
// Start reading at Read, which takes an event apart: what @metadata says of where a
// document goes, and the document as it was before @metadata came in front of it.
//
// # Invariants
//
//   - It is written by the names that Beats have (libbeat/outputs/codec/json), and not
//     with the writer's code: a name that is wrong there is missing here.
//   - What a Beat would not send is an error: an event without an id, a type or a time.
//   - It knows no protocol, and does not import testing: the demo uses it.
package eventtest
