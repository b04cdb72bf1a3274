// Package dialtest is what connections of tests lead to: a Listener that ends all of
// them, and a SOCKS5 proxy in memory: RFC 1928 with CONNECT alone, and user and password
// by RFC 1929.
//
// The proxy knows names that nobody else does, so that a connection to one of them went
// through it, and keeps what it was asked for. Start reading at Proxy.
//
// # Invariants
//
//   - The proxy can be worse than a real one: it refuses with any reply, hangs, ends the
//     connection, speaks another protocol.
//   - Every goroutine has ended when Close returns.
//   - It is safe for concurrent use and does not import testing.
package dialtest
