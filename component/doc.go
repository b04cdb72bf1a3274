// Package component speaks to Elastic Agent: units come in, states go out. It
// builds, swaps and restarts what runs.
//
// The agent's client reports changed units; RunUnderAgent (agent.go) gathers them
// and calls Component.Apply (component.go) with all that are wanted. Apply makes
// the output (outputs.go, one line for each there is), plugs it into the slot
// (slot.go) that all streams publish through, and starts, restarts or stops streams
// (stream.go). What a unit shows goes back through package health and lifecycle.go.
// Start reading with Component.Apply. Not on that path are diagnostics.go,
// redact.go, actions.go and check.go.
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
//     unit's other streams collect. A unit whose streams cannot be read is
//     FAILED as a whole.
//   - The process is gone 3.5 s after the request to stop, even where the output
//     hangs. A unit that stops says STOPPING and STOPPED and nothing else.
//   - Only the streams that a change touches are restarted. An output is swapped
//     under the streams: a batch in flight is sent again to the new one.
//   - States are true and stable (package health). The words for a unit that
//     starts or stops are constants here.
//
// # Why the state directory may be unusable
//
// The agent restarts a process that ends, again and again, and rolls an upgrade back
// because of it. So the process runs and shows the reason. Only a directory
// that another process uses ends it: that other process is about to end.
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
// are replaced, and the same text everywhere else. Diagnostics read only what
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
// # Why outputs are values in a list
//
// What differs from output to output (how it is made and tried, its rows of the
// health table, whether it knows ids) is a value that its package brings,
// output.Kind. A switch on the type at each of these places would have to be
// found again for every new output.
//
// The package must not know what a resource, a record or a request is, nor any
// vendor: the input comes as an inputs.Input.
package component
