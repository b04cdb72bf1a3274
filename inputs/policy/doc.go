// Package policy decodes the settings of a policy, for inputs and outputs
// alike: what the agent gives as maps becomes a struct.
//
// Make a Reader of the maps (Of, or Over where a stream's settings go over its
// input's), Decode a struct whose fields carry config tags and hold the defaults,
// Check limits, and return Err: it joins all faults, each naming its setting.
// Strays finds the settings that no struct declares. Transport has the settings of
// HTTP connections, which every HTTP client here shares. Start reading with
// Reader.Decode; names.go has what the tags declare.
//
// # Invariants
//
//   - All faults are reported at once, in the order of the struct's fields and then
//     of the checks: the same settings always give the same text. A setting has
//     one fault.
//   - A value is taken as it is. "pa${HOME}ss" is that password: the agent has
//     put in all variables already.
//   - A fault quotes neither a password nor a key.
//   - Decoding ignores unknown settings: each release of the agent brings new ones.
//     Strays names them, for a warning.
//
// The package must not know which settings an input or an output has.
//
// # Why it is below inputs
//
// Inputs and outputs need it, and neither may import the other. Imports go from
// component to inputs, so what both share lies here, beside the seam. It is a
// package of its own, so that the seam needs no decoder.
//
// # Why every field is decoded by itself
//
// The library stops at its first fault. An operator who repairs one setting would
// see the next one only after the next save.
//
// # Why the tags declare
//
// A list of known settings beside the structs would be forgotten with the next
// setting. What is right in a policy and has no effect here is a blank field.
//
// # Why dollar signs are doubled
//
// elastic-agent-libs puts in variables of the environment wherever it decodes, and
// its option to do so is one for the whole process. A doubled sign is its way to
// write one.
package policy
