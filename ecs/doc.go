// Package ecs holds the document model: what the collector publishes, in the
// shape of the Elastic Common Schema, before any output has seen it.
//
// A mapper sets Values (value.go) at paths of a Document (document.go), keeps what
// the next documents have in common (layer.go), and AppendJSON encodes the whole into
// a batch. Values come from records, with Scalar, Text and JSON, which scan.go reads.
// Start reading with document.go. There are no field sets here: which fields there
// are is said by the mappers and checked by spec/fleetpackage/fields.csv.
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
// Rewind keeps all memory, so mapping allocates nothing once a Document has
// seen its largest record. Values may alias the record they were read from: a
// Document is valid until the record's buffer is reused. Encode it first.
//
// # Why there are layers (Keep, Rewind)
//
// The documents of an alert differ in one evidence item, and all documents of a
// stream begin alike. What is kept is mapped and encoded once. The alternative,
// to put encoded parts together, would leave no document for a policy's
// processors to change; here they change what they like, since nothing that was
// kept is ever changed in place. It took 40% off the CPU time of a job with
// three evidence items an alert. layer.go is the one file here that asks to be
// read twice.
//
// # Why there is a scanner beside jsontext
//
// A record is proven well-formed when it is read from the API. Proving it again
// at each further look, with a state machine and the names of each object, was
// a fifth of a job's time. The scanner believes what was proven. It is fuzzed
// against jsontext, and given anything else it ends early.
package ecs
