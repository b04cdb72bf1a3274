// Package engine starts a real search engine for tests: an OpenSearch node made
// of the jars on Maven Central, with what Fleet would install from the built
// package, and a net in which every document that it or Elasticsearch would not
// take whole is caught.
//
// # Invariants
//
//   - A node listens on 127.0.0.1 at a port of its own choice, ends when its
//     standard input does, and then removes its data: no test binary leaves one
//     behind, however it ends.
//   - Without Java or Maven a test is skipped with one line; where Variable is
//     "required" it fails, so that .ci/run cannot pass without an engine.
//   - What Fleet installs is read from spec/package and never stated twice.
//   - The package knows nothing of documents, inputs and outputs.
//
// # Why OpenSearch
//
// Elasticsearch's jars on Central lack the modules with half of the field types,
// ingest processors and the data stream API; OpenSearch's are complete, and its
// licence is our own. Both have one ancestor, and what differs is known:
//
//   - ignore_above: a value beyond it is left out without a word; Elasticsearch
//     lists the field in _ignored.
//   - An object in a keyword or text field under ignore_malformed is stored and
//     not indexed, without a word; Elasticsearch refuses it.
//   - constant_keyword: the value must stand in the mapping, and a document with
//     another one is stored; Elasticsearch takes the first value that comes, and
//     refuses others.
//   - flattened is flat_object, which has no ignore_above and refuses a value
//     beyond 32,766 bytes.
//   - A path_match is one pattern; Elasticsearch's may be a list.
//   - Error types: what Elasticsearch calls document_parsing_exception is
//     mapper_parsing_exception, as it was there before 8.8.
//   - There is no geoip, no security, no failure store, and no
//     total_fields.ignore_dynamic_beyond_limit.
//
// For the first four the net has an eye of its own, which holds each document
// against the declared fields (judge.go).
//
// # Seen
//
// OpenSearch 2.19.6 on Java 17 (Debian 12), two cores: 54 MB of jars resolved in
// 16 s, first answer after 6 s (20 s with both cores busy), 365 MB resident with
// a heap of 512 MB. A node that was killed answers 404 for its indices until it
// has read its data: Restart waits for that.
//
// What TestEngineContract holds the fake against:
//
//   - A document that is no JSON, or repeats a member, is refused by the ingest
//     pipeline that reads it first: parse_exception, and the answer names the data
//     stream. One that is no object is answered 500, not_x_content_exception.
//   - What a mapping refuses names the backing index. So do a write block (403)
//     and the flood stage's block (429), both cluster_block_exception; a shard
//     limit, a missing pipeline, a closed index and a data stream that may not be
//     made name what was asked for.
//   - The write index of a data stream cannot be closed: a closed index is met
//     only where documents go to a plain index.
//   - A malformed request is a 400 illegal_argument_exception, an empty one a
//     parse_exception, one that is too large a 413 without a body.
package engine
