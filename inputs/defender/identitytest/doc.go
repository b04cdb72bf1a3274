// Package identitytest is what vouches for a host or a workload beside the
// simulated tenant of defendertest: the services for managed identities of Azure
// machines (IMDS), of App Service and of Azure Arc, an issuer of assertions, and
// certificates.
//
// Each service is an http.Handler; its tokens are the tenant's. IMDS is reached at
// a fixed address, so a test leads requests there by the RoundTripper that Hosts
// makes; the others are found by environment variables. Start reading with Service
// (service.go) or Issuer (issuer.go).
//
// # Invariants
//
//   - Each service checks what the real one checks, and refuses what lacks it.
//   - A key is made once for all tests of a process: making one takes long.
//
// It must not know the client that is tested.
package identitytest
