// Package engine starts a real search engine for tests: an OpenSearch or an
// Elasticsearch node made of the jars on Maven Central, with what Fleet would install
// from the built package, and a check that finds every document which one of them would
// not store whole.
//
// engine.go starts a node of the jars that jars.go fetches, fleet.go installs the
// package in it, client.go makes requests, and strict.go with judge.go sends
// documents and says of each what was not taken whole. Start reading with engine.go.
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
// # Why both
//
// Elasticsearch is what we write to, and its jars on Central lack the modules with
// half of the field types, ingest processors and the data stream API.
// OpenSearch's are complete. Both have one ancestor, and what differs in OpenSearch
// is known:
//
//   - ignore_above: a value beyond it is left out without a word; Elasticsearch
//     lists the field in _ignored.
//   - An object in a keyword or text field under ignore_malformed is stored and
//     not indexed, without a word; Elasticsearch refuses it.
//   - constant_keyword: the value must be in the mapping, and a document with
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
// Elasticsearch has these, and lacks others. What replaces them is in
// node/elasticsearch/StandIns.java: keyword for constant_keyword and wildcard, text
// for match_only_text, float for scaled_float; pass-through filters for what the
// security index analyses with; an answer to GET /. There is no processor of
// ingest-common and no painless, so that pipelines are left with what the node has.
// The feature that switches the failure store on is declared by Features.java, and
// security goes without SAML. ES|QL and KQL are Elastic's own; CATEGORIZE,
// CHANGE_POINT and grids of maps need modules that are not on Central.
//
// For the first four differences judge.go compares each document with the declared
// fields.
//
// # Licences
//
// OpenSearch is under the Apache License 2.0. Elasticsearch 8.19 is under the Elastic
// License 2.0, SSPL 1 or AGPL 3, at one's choice: each allows to run it for tests.
// Nothing of either is in this repository or in what it builds; Maven gets the jars
// when a test first needs them, into the user's cache.
//
// # Seen
//
// OpenSearch 2.19.6 on Java 17 (Debian 12), two cores: 54 MB of jars resolved in 16 s,
// first answer after 6 s (20 s with both cores busy), 365 MB resident with a heap of 512
// MB (768 MB since seven data streams are fed). A node that was killed answers 404 for
// its indices until it has read its data: Restart waits for that.
//
// Elasticsearch 8.19.21 there: 90 MB of jars resolved in 18 s, first answer after 6 s,
// as with security, whose users are known a second later.
//
// What the contract holds the fake against, which represents Elasticsearch:
//
//   - A document that is no JSON, or repeats a member, is refused by the ingest
//     pipeline that reads it first, and the answer names the data stream:
//     x_content_parse_exception, or x_content_e_o_f_exception where it is cut. One
//     that is no object is refused by the mapping. OpenSearch says parse_exception,
//     and 500 not_x_content_exception.
//   - What a mapping refuses names the backing index, be it a
//     document_parsing_exception or an illegal_argument_exception. A shard limit, a
//     missing pipeline, a closed index and one that may not be made name what was
//     asked for. So do a write block (403) and the flood stage's block (429), both
//     cluster_block_exception, where OpenSearch names the backing index.
//   - action.auto_create_index does not keep Elasticsearch from making a data stream
//     that has a template.
//   - The write index of a data stream cannot be closed: a closed index is met
//     only where documents go to a plain index.
//   - A malformed request is a 400 illegal_argument_exception, an empty one a
//     parse_exception, one that is too large a 413 without a body. The node then
//     closes at once, which may break the connection before the answer is read.
package engine
