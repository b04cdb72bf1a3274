// Package ecs holds the document model: what the collector publishes, in the
// shape of the Elastic Common Schema, before any output has seen it.
//
// # Invariants
//
//   - A Document never holds a null, an empty string, an empty list or an empty
//     object: setting one is a no-op, so that no mapping needs an "if present".
//   - Encoding never fails. Everything that can be set is valid JSON; text with
//     invalid UTF-8 is repaired with U+FFFD.
//   - Members keep the order in which they were first set, so equal records
//     give equal bytes.
//   - Nothing here does I/O or imports a client library, and nothing here knows
//     a vendor: the vendor's names are just names to this package.
//
// # Why a tree and not structs with one Go field per ECS field
//
// A resource is one file (see package defender). If every ECS field had a Go
// field here, a new resource would touch this package, and processors that a
// policy may carry (rename, drop_fields) would need a second, untyped form of
// the same document. Names are checked by a test against the ECS schema
// instead of by the compiler.
//
// # Why a Document is reused
//
// One stream maps tens of thousands of records to documents of some 80 fields.
// Reset keeps all memory, so mapping allocates nothing once a Document has
// seen its largest record. Values may alias the record they were read from: a
// Document is valid until the record's buffer is reused. Encode it first.
package ecs
