// Package health tracks the condition of units and streams, and makes what they show:
// state, message and payload. It implements the health table (component/HEALTH.md).
//
// A stream reports the end of each poll to its Stream, which chooses a row of the
// table (an inputs.Condition), keeps or clears it, and notifies its Input; the
// Input joins its streams into the unit's state and reports that. An Output does
// the same for an output's trouble and refusals. Rows come from three places: those
// that hold for every source are in table.go, an input and each output bring
// their own (inputs.Input.Conditions, output.Kind.Conditions). text.go fills in a
// row's words, payload.go makes the payload. Start reading with Stream.Report.
//
// # Invariants
//
//   - States are true and stable: what stops data makes its unit non-green within
//     a minute or the second failed poll, and a message does not change while its
//     cause stays.
//   - Every text of trouble is a row. Only "collecting", "publishing" and the
//     words for starting and stopping are constants.
//   - No text holds a secret, what a tenant owns, a counter or a time, nor a
//     character that a terminal would take for a command.
//
// The package must not know a vendor, a protocol or the agent's client library.
//
// # Why the kinds of rows are two
//
// FAILED is for what only a person ends, DEGRADED for what trying again may end.
// A unit that is well, starts or stops has nothing to explain, so that is no row.
//
// # Why states come from a table
//
// Every text of trouble that a unit shows is a row: unit, state, message, how it
// clears. HEALTH.md is rendered from it, tests of the real program drive each
// row, and nothing else makes texts; so what an operator reads in Fleet, in the
// documents and in the check command is the same. A row's text holds no word of
// the other side's message, which may name tenant and application. The kind of an
// API's error alone decides the state, its reason only chooses among rows of a kind.
//
// # Why some trouble waits for a second failure
//
// Requests are tried several times before they fail, so a failed poll is more than a
// short fault of the network. But a page can be cut once, and each time that a unit
// turns yellow and green again costs a message to Fleet. A unit that was well shows
// unreachable, failing or unreadable answers after the second failed poll in a row.
// That poll begins at most 30 s after the first, or when the source wants to be asked
// again (inputs/collect, Source.RetryAfter: up to 5 min after a 5xx that says so). A
// unit that never was well shows trouble at once, and so does trouble that only a
// person can end.
//
// # Why losses are shown for some polls more
//
// A quarantined record or a refused document is one event, and the next poll
// knows nothing of it. The unit stays DEGRADED until five polls or deliveries
// in a row had none: long enough to be seen, and no flapping while they trickle.
// The counters keep the total.
//
// # Why payloads are cut
//
// All payloads go out with every check-in. The worst streams come first, with
// counters as long as half of 4 KiB lasts, then with their state only, then as a
// number of those left out.
//
// # Why an input and not this package reads its errors
//
// Only the input knows which answer means a wrong secret. The input chooses the row and
// fills in the words; this package decides when the row shows and for how long.
//
// # Why one row may cover another
//
// An hour's quota that is used up is reported again, near its end, as that of a
// minute. The text would change while the cause stays, so the row of the hour
// keeps its place (inputs.Condition.Covers).
package health
