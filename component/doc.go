// Package component speaks to Elastic Agent: units come in, states go out. It
// builds, swaps and restarts what runs.
//
// # Invariants
//
//   - Unit changes and errors of the client are drained for its whole life by a
//     goroutine that does nothing else; unread changes would stop check-ins and
//     get the process killed (agent-contract.md trap 1).
//   - Only one goroutine changes what runs: it compares what is wanted with what
//     is running, half a second after the last change, so that units that
//     belong together are taken together.
//   - A bad configuration makes its unit FAILED and nothing else.
//   - Only the streams that a change touches are restarted. An output is swapped
//     under the streams: a batch in flight is sent again to the new one.
//   - States are true and stable: what stops data makes its unit non-green, and
//     a message does not change while its cause stays.
//
// # Why units are an interface of two sides here
//
// A policy file (the run command) and Elastic Agent are two sources of the same
// wanted units. Everything behind Apply is the same code for both.
//
// What a resource, a record or a request is, this package must not know.
package component
