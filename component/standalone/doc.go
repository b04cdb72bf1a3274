// Package standalone reads a policy file, the elastic-agent.yml of an agent
// without Fleet, and makes of it the units that the agent would.
//
// Read (read.go) opens the file, units.go picks the inputs of one type and their output,
// variables.go puts in what ${env.NAME} represents. What is wrong with the file is
// reported in one line with the remedy; what is odd but works is a warning. write.go
// makes the text of a new policy. An operator reads these lines. Commands without an
// agent are the only users; under the agent all of it has been done before a unit
// arrives. Start reading with Read.
//
// # Invariants
//
//   - The dialect is the agent's (elastic/elastic-agent,
//     internal/pkg/agent/transpiler/vars.go): ${env.NAME}, alternatives, constants,
//     and $${ for a plain ${. Nothing else is put in anywhere: a password may hold any
//     other dollar sign.
//   - Variables are those of inputs of the type and of their output. What is in
//     other parts of the file is not looked at.
//   - No text of this package quotes a value of the file.
//
// The package must not know what settings there are, nor what runs the units.
//
// # Why a missing variable is a fault
//
// The agent leaves an input out whose variable is missing, and says so in its log.
// Anyone who starts this program by hand wants that input.
//
// # Why conditions are warned of
//
// They are an expression language over providers that exist in the agent alone. One
// that was ignored in silence would collect what it should not.
package standalone
