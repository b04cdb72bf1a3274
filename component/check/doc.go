// Package check finds out whether the units of a policy can collect and deliver, and
// reports it to a person or a program.
//
// Run (check.go) tries every stream and then the output, each with a time limit of its
// own, and makes a Report (report.go), which encodes as JSON. Print (print.go) writes it
// for a person, within a terminal's width. The command check is the only user. Start
// reading with Run.
//
// # Invariants
//
//   - Nothing is written anywhere: a few small calls of the source, and questions to
//     the output.
//   - A part that takes too long says nothing of the others.
//   - A fault has its cause and what to do in one line; the same fault of several
//     streams is one line.
//
// The package must not know a vendor, nor how anything is tried (component).
package check
