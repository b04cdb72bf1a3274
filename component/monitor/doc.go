// Package monitor shows what the process does to anyone who looks from outside: a
// status file in the state directory, metrics as Prometheus reads them, a line in
// the log.
//
// All three show one Overview, which the component makes from what its units and
// streams report (component.Component.Overview). Write keeps the file, Serve
// answers with metrics, Log writes the line; Read and Table are the other end of
// the file, for the status command. Start reading with Overview.
//
// # Invariants
//
//   - Nothing here decides anything, holds up a stream or ends the process: what
//     cannot be written or served is logged once.
//   - No text holds a secret: reasons are those that units show.
//   - Metrics are served on a unix socket or a loopback address, never to a network.
//
// # Why a file and no socket answers the status command
//
// Below an agent's home a socket's path is longer than systems take (104 bytes),
// and Windows has other sockets. A file of a few KiB, replaced every ten seconds,
// can be read by anyone who may read the state directory, and shows when it was
// written: a process that hangs or is gone shows by its age.
//
// # Why the metrics are written by a library
//
// Escapes, types and the order of families are easy to get wrong in text; expfmt
// is what Prometheus itself reads with.
package monitor
