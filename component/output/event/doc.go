// Package event makes of documents what Beats would send to Logstash and Kafka:
// the document with @metadata in front.
//
// @metadata has beat, type and version as every Beat sets them, and what says where
// the document goes: raw_index (the data stream), op_type create, _id, the ids of
// input and stream, and the ingest pipeline where the policy names one. Logstash's
// documented output to Elasticsearch (data_stream => true) works with it unchanged,
// and "%{[@metadata][_id]}" as document_id keeps what is sent twice from being
// stored twice. Beats: libbeat/outputs/codec/json, libbeat/beat/event.go.
//
// An Encoder holds what all events of a target share. Start reading with
// Encoder.Append.
//
// # Invariants
//
//   - The document's own bytes are copied as they are: an event is the document and
//     nothing else, but for @metadata.
//   - Every event has an _id: where Logstash's document_id is set and one lacks it,
//     its text would stay unreplaced and all such events would be one.
//   - An event costs no allocation.
//
// The package knows no protocol and no settings but the name in @metadata.beat.
//
// # Why a package of its own
//
// Logstash and Kafka take the same event and must not know each other.
package event
