// Package explain finds, for each field of a record's documents, the members of
// the record from which it comes.
//
// Explain (explain.go) maps a record as often as it has members, each time without one
// of them or with another value in it, and compares the documents: a field comes from
// those members with which it changes. tree.go takes records apart and puts them
// together again; rule.go says in a word what was made of a value. The command map
// prints it. Start reading with Explain.
//
// # Invariants
//
//   - The mapping is the production's, as a function: what is explained is what it does.
//   - A variant that cannot be mapped cleanly, where the record can, says nothing.
//
// The package must not know what a record or a document says, nor a vendor.
//
// # Why by trying and not by looking into the mapping
//
// Only a part of a mapping is tables; lists, users and links are code. Notes beside it
// would cost every record time and could be wrong. What was tried is true of any
// mapping, those too that are written later.
package explain
