// Package shipper is the output that hands documents to the agent's shipper,
// over the shipper's gRPC Producer API. It must not know the control protocol,
// an input, or what the shipper does with the documents.
//
// New (shipper.go) makes a connection (dial.go) and a sender of a unit's settings
// (config.go). sender.Send (sender.go) packs documents into calls, whose events
// event.go encodes, and waits until the session (session.go), which follows the
// shipper's persisted index, has passed them: only then are they stored. Start
// reading with sender.Send. kind.go has the rows of the health table.
//
// # Invariants
//
//   - A document counts as stored when the shipper reported a persisted index
//     greater than the index it accepted the document under, in the same life
//     of the shipper (the same uuid). Nothing else is an acknowledgement.
//   - Every call names the uuid of the session it belongs to. When that session
//     ends (another uuid, a refused uuid, indexes that go back, a broken
//     PersistedIndex stream) all that was not persisted in it is given back to
//     the loop as an error.
//   - While a session lasts, documents that were accepted are not sent again,
//     however long the shipper takes and however later calls end: it still has
//     them. The last event alone is, see below.
//   - Every document carries its _id, so that what is sent twice is stored once
//     by a shipper that passes the id on.
//   - A shipper that is silent, or persists nothing, is reported within a minute
//     regardless of the time-outs.
//   - At most two calls' worth of documents are in memory as encoded requests.
//
// File names below are of the repositories elastic-agent-shipper and, where it
// is said, elastic-agent.
//
// # Why TLS, and then plain
//
// The agent gives every unit certificates and no ssl.enabled (elastic-agent 8.15
// pkg/component/runtime/manager_shipper.go). The elastic-agent-shipper serves plain all
// the same (controller/controller_client.go: its TLS is a TODO), while the fake shipper
// of elastic-agent (pkg/component/fake/shipper) speaks TLS with the unit's id as its
// name. So where ssl.enabled is not set, each connection begins with TLS, and is made
// again plain when the other side begins with HTTP/2. Only the connection to a socket or
// pipe of this host becomes plain, and only on that sign: any other failure of TLS stays
// a failure. The dialer does this, not gRPC's credentials, because these cannot make a
// connection again, and because gRPC passes a dialer's errors on as text: the dialer
// keeps them for the health text.
//
// # Why greater, and not greater or equal
//
// The protocol says that an event is safe when persisted_index is its index.
// The elastic-agent-shipper sends the index of the oldest event that is not
// persisted (queue/queue.go), so equal means the opposite there. Greater is safe
// with both. With a shipper that follows the protocol, though, the last index
// would never be passed: where the persisted index stays equal for a second, the
// last event is sent once more. It gets a greater index, which settles the matter.
//
// A shipper that has once given an event an index that it had reported as persisted
// before is of the first kind. It is not sent the last event again: it passes no
// _id on (output/elasticsearch/output.go), so that a document which waits for
// the next bulk request, up to 30 s (output/elasticsearch/config.go), would be
// stored twice.
//
// # Why indexes that go back end the session
//
// A change of the shipper's own output replaces its queue under the same uuid
// (controller/controller_client.go updateShipperOutput), and indexes begin again
// from zero. Waiting for the old ones would take the new queue's for an
// acknowledgement.
//
// # Why waiting has no end
//
// When what is behind the shipper is down, the shipper keeps what it accepted.
// Sending it again after a time-out would fill its queue with duplicates, so
// the wait lasts as long as the session, and trouble is reported meanwhile. The
// same goes for a call that waits for room in the queue: the shipper does not
// see that it was given up (queue/queue.go) and takes its events later.
//
// The shipper does not report what it never persists: a bulk request that failed
// max_retries times, or with a status that is not retried, is given up without a
// word (output/elasticsearch/output.go sets no OnError), and no later document is
// acknowledged until the shipper restarts. A shipper with a disk queue always
// reports 0. Both show on the unit as a shipper that delivers nothing.
//
// # Why a document may be stored twice
//
// A session that ends, by SIGTERM too, does not report what the shipper still
// delivered (controller/run.go). It is sent again, and behind the
// elastic-agent-shipper stored again, since that passes no _id on.
//
// # Why calls of 200 documents, eight at a time
//
// The shipper's memory queue waits up to a second for 2,048 events before it
// hands them on, and Publish waits for that. A whole batch of 1,600 therefore
// has to be in the queue at once, or every part would wait its own second.
// Beats' default of 50 would need 32 workers for that. Larger calls would hold
// more memory, so only two calls are built and sent at a time, while all may wait.
//
// # Why requests are encoded by hand, from the encoded document
//
// A batch holds JSON because both outputs share it, and it may be sent again to
// another output. The protocol's generated types keep an object as a map of
// pointers: a document took 400 allocations and ten times the CPU time that all
// the rest of its way takes. A test reads what is written with the generated
// types; integers stay integers.
package shipper
