// Package process is what a policy does to documents between mapping and
// publishing: its processors, and the conditions in their when.
//
// A policy's list becomes a List once, in New, which reports every fault at once.
// From then on List.Run takes each document of a stream: it changes it in place
// or says that it is not published. Begin with process.go; each processor is one
// function of steps.go or rename.go. condition.go has the conditions and compare.go
// what they compare; outputs use them too, on documents that are written already. A
// new processor is such a function, a line in builderOf and one in the list of names
// above it; tree.go and settings.go read what a policy can write.
//
// # Invariants
//
//   - What a processor can do is decided when it is made. It never fails on a
//     document, and several documents may go through it at once.
//   - The data stream and @timestamp stay what they are: a document is routed by
//     them.
//   - Dotted and nested names are the same, in settings and in conditions.
//   - It knows ecs.Document, and not where documents come from or go to. A condition
//     knows the names of fields and their values as JSON.
//
// # Why these are not the processors of Beats
//
// libbeat is not used here: it would bring its own event type, map[string]any,
// between mapping and encoding. What Fleet's policies write is a small part of
// what Beats has. A processor that is not known here is a fault of the stream and
// is named, for silence would publish what somebody wanted changed.
package process
