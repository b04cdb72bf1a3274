// Package dial makes the connections of outputs that speak a protocol of their own
// over TCP, with the settings ssl and proxy_url as they are in Elastic's products, and
// says in an operator's words why one could not be made.
//
// New checks the settings, Dialer.Dial connects; Alert knows what a peer says of TLS
// after that, ProxyCause what a SOCKS5 proxy says. dialtest has such a proxy. Start
// reading with Dialer.Dial.
//
// # Invariants
//
//   - An error is an *output.Error whose text stays the same from one attempt to the
//     next: it names no local port.
//   - No error quotes a key, a passphrase or the proxy's password.
//
// The package knows no protocol. A host has the port with it.
//
// # Why TLS is looked at after the handshake, too
//
// Since TLS 1.3 a client is done before the server has looked at its certificate. A
// refusal comes with the first answer that is read.
package dial
