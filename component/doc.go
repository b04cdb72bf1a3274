// Package component speaks to Elastic Agent: units come in, states go out. It
// builds, swaps and restarts what runs.
//
// # Invariants
//
//   - Unit changes and errors of the client are drained for its whole life by a
//     goroutine that does nothing else; unread changes would stop check-ins and
//     get the process killed (AGENT.md 9 trap 1).
//   - Only one goroutine changes what runs: it compares what is wanted with what
//     is running, half a second after the last change, so that units that
//     belong together are taken together.
//   - A bad configuration makes its stream FAILED, and the unit shows it; the
//     unit's other streams collect. A unit of which no streams can be told is
//     FAILED as a whole.
//   - The process is gone 3.5 s after it was told to stop, whatever the output
//     does. A unit that stops says STOPPING and STOPPED and nothing else.
//   - Only the streams that a change touches are restarted. An output is swapped
//     under the streams: a batch in flight is sent again to the new one.
//   - States are true and stable: what stops data makes its unit non-green, and
//     a message does not change while its cause stays.
//
// # Why states come from a table
//
// Every text a unit shows is a row of Conditions: unit, state, message, how it
// clears. The README is rendered from it, tests of the real program drive each
// row, and nothing else makes texts; so what an operator reads in Fleet, in the
// documents and in the check command is the same. A row's text holds no word of
// the other side's message: Entra's name tenant and application. The kind of an
// error alone decides the state, its code only chooses among rows of a kind.
//
// # Why some trouble waits for a second failure
//
// Requests are tried several times before they fail, so a failed poll is no
// blink of the network. But a page can be cut once, and a unit that turns
// yellow and green again costs a message to Fleet each time. A unit that was
// well shows unreachable, failing or unreadable answers from the second failed
// poll in a row on, which begins at most 30 s after the first; a unit that never
// was, and trouble that only a person ends, shows at once.
//
// # Why losses are shown for some polls more
//
// A quarantined record or a refused document is one event, and the next poll
// knows nothing of it. The unit stays DEGRADED until five polls or deliveries
// in a row had none: long enough to be seen, and no flapping while they trickle.
// The counters keep the total.
//
// # Why the state directory may be unusable
//
// A process that ends because of it is started again and again, which makes an
// agent roll an upgrade back. It runs and shows the reason; only a directory in
// use by another process ends it, since that one is about to end.
//
// # Why payloads are cut
//
// All payloads go out with every check-in. The worst streams come first, with
// counters as long as half of 4 KiB lasts, then with their state only, then as a
// number of those left out.
//
// # Why collect_now asks and does not restart
//
// A restarted stream polls at once too, but loses the token, the pace and a
// hold that the API asked for. The stream is woken from its rest instead; the
// action waits for the end of the poll under way or the next one.
//
// # Why collect_from does not wait
//
// It reads again for as long as that takes, hours after weeks, and Fleet gives an
// action a minute. The request is taken at the next poll and survives a change of
// the policy until then; a stream that began saves it, and continues after a
// restart. What it does shows in the counters, and collect_now waits for it.
//
// # Why diagnostics redact themselves
//
// Agents before 9 redact YAML only, none redacts client_secret, and none knows
// that a secret was also pasted into a field. Values named or marked as secret
// are replaced, and the same text wherever else it stands. They read only what
// is in memory, the beginning of the newest checkpoint included: a hook that
// waited for a disk or for Elasticsearch would be cut off with all others.
//
// # Why a restarted stream waits
//
// A change of tags restarts every stream of a policy, on every agent that has
// it. A stream whose last poll went well keeps state, counters and rhythm, so
// that a policy's save costs no quota. What decides where it reads and as whom is
// tried at once: a wrong secret must not wait an hour to be seen.
//
// # Why units are an interface of two sides here
//
// A policy file (the run command) and Elastic Agent are two sources of the same
// wanted units. Everything behind Apply is the same code for both.
//
// What a resource, a record or a request is, this package must not know.
package component
