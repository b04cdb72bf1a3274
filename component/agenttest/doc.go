// Package agenttest is Elastic Agent's end of the control protocol, for tests
// and the demo: it starts the component as the agent does, sends it units,
// collects their states and ends it. It also issues certificates, as the agent
// does for its components and for the shipper.
//
// Start reading at Agent in agent.go; server.go is the protocol, control.go what
// the agent expects and observed, process.go the component's process.
//
// # Invariants
//
//   - It behaves as AGENT.md describes the real agent, faults included.
//   - It does not import testing: the demo uses it.
//   - It knows no input and no output.
//
// # Why a fake of our own
//
// The stub server of elastic-agent-client answers check-ins and no more. A test
// needs what the agent does around them: the process, the grace of a stop, a unit
// that comes back before it was forgotten, chunks, and agents before 8.13.
package agenttest
