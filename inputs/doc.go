// Package inputs is the seam between what collects (packages below it) and
// what talks to Elastic Agent (package component): the interfaces and the few
// plain types both sides share.
//
// An Input makes Streams of a unit's settings. A Stream runs with an Env: it
// takes a Batch from the Batches of the process, gives it to the Publisher, whose
// nil is the acknowledgement, saves its checkpoint through Cursors, and reports
// its condition to the Reporter. Start reading with inputs.go; batch.go is what is
// handed over, fallback.go what becomes of a refused document, condition.go a row of
// the health table.
//
// Whether and when something is collected, mapped or sent again is not decided
// here. What both sides need as code is here too: the pool of batches
// (batches.go), and what keeps secrets out of texts (secret.go, hidden.go). The
// package must not know the agent's protocol, an output or a vendor.
//
// # Why Publish blocks and nil is the acknowledgement
//
// Sources here are limited to some calls a minute, so there is nothing to win
// from acknowledging out of order. One call, one answer: a checkpoint may be
// saved as soon as Publish returned nil, and never otherwise.
//
// # Why a batch holds encoded documents
//
// A mapped document lives in memory that the next record reuses, so it is
// encoded when it joins the batch. Memory is then bounded in bytes, and a
// batch can be sent again, in parts, or to another output than the one it was
// made for.
//
// # Why rows of health are plain values here
//
// An input knows what its source's errors mean, and package component/health how
// long they show. A Condition and a Diagnosis are the words between them: an input
// cannot import what is above it, and health must not import a vendor.
//
// # Why a target has options
//
// A setting of a stream can be for the output alone, such as an ingest pipeline.
// The seam passes it on by name and does not know what it means.
//
// # Why a stream brings functions and not an interface of its own
//
// Trying, inspecting and running a stream share its decoded configuration. As
// functions of one value they need no second type, a test leaves out what it
// has no use for, and the side that calls them stays free of resources.
package inputs
