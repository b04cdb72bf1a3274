// Package shipper is the output that hands documents to the agent's shipper,
// over the shipper's gRPC Producer API. It must not know the control protocol,
// an input, or what the shipper does with the documents.
//
// # Invariants
//
//   - A document counts as stored when the shipper told a persisted index
//     greater than the index it accepted the document under, in the same life
//     of the shipper (the same uuid). Nothing else is an acknowledgement.
//   - Every call names the uuid of the session it belongs to. When that session
//     ends (another uuid, a refused uuid, a broken PersistedIndex stream) all
//     that was not persisted in it is given back to the loop as an error.
//   - While a session lasts, documents that were accepted are not sent again,
//     however long the shipper takes: it still has them.
//   - Every document carries its _id, so that what is sent twice is stored once
//     by a shipper that passes the id on.
//   - At most two calls' worth of documents are in memory as encoded requests.
//
// # Why greater, and not greater or equal
//
// The protocol says that an event is safe when persisted_index is its index.
// The agent's shipper sends the index of the oldest event that is not
// persisted, so equal means the opposite there. Greater is safe with both. With
// a shipper that follows the protocol, though, the last index would never be
// passed: where the persisted index stays equal for a second, the last event is
// sent once more. It gets a greater index, which settles the matter, and is
// the same document by its _id.
//
// # Why waiting has no end
//
// When what is behind the shipper is down, the shipper keeps what it accepted.
// Sending it again after a time-out would fill its queue with duplicates, so
// the wait lasts as long as the session, and after each timeout without
// progress the trouble is reported. A shipper with a disk queue always tells 0;
// it shows on the unit as a shipper that delivers nothing, which is as much as
// can be known about it.
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
