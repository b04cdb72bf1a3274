// Package defender is the Microsoft Defender for Endpoint input: one stream per
// resource (alerts, machines, machine actions), all read by one loop.
//
// A stream is put together in stream.go: the loop of package collect, the pager
// that the resource names (package odata), the resource's list as the source of
// pages (package api does HTTP), and the resource's mapper. From there a record
// goes: api.Page > page.Next > mapper.read > mapper.documents > envelope.finish >
// process > batch.
//
// Begin with resources.go: it lists the resources and says what one is. Then read
// one of their files, machine.go or alert.go. A new field is a line in such a file
// and in its test's table; a new resource is a file, a line in resources.go and a
// capture.
//
// # Promises
//
//   - Conservation: every version of a record that the API returns is
//     published, or is a duplicate of what was published, or is published as a
//     pipeline_error document with the original. Nothing is dropped silently.
//   - Order: the saved cursor never passes a record that was not acknowledged.
//     It moves only after Publish returned nil for everything a complete,
//     verified page held.
//   - Liveness: when a fault heals, the next poll continues where the last
//     acknowledged page ended. A page that keeps breaking is asked for in
//     smaller pieces.
//   - Bounded memory: one record and at most one batch are held; never a page.
//   - Bounded state: the seen set holds what the overlap can return again, 12
//     bytes a record, and has a hard limit of a million.
//
// How they are kept is told by the packages collect and odata.
//
// # Why a document's id holds its evidence's content and not its position
//
// An id is a hash of dataset, tenant, record id, version and the evidence item
// itself. With the position in place of the content, an item that the service
// inserts or completes without a new update time would either be taken for its
// neighbour or be lost behind an id that already exists.
//
// # Why a version is the content
//
// A record that changes without a new update time is a new version, and one that
// comes with its members in another order, a null more, or 17.0 for 17 is none:
// JSON leaves all of that open, and a service that is deployed anew may change it
// for every record at once. Seen set and ids therefore go by the content (see
// content), in which the order of an alert's evidence and a machine's addresses
// does not count either. The content is written only for records whose bytes were
// not met in the sweep before. Records over 1 MiB, and what is nested deeper than
// eight levels, count as they are written.
//
// # Why a checkpoint is found by what is read
//
// The ids of inputs and streams change when a policy is upgraded, and a tenant
// stays. The key is cloud, tenant, resource and data stream: a renamed stream and
// another application continue, another tenant begins with its own look-back. A
// tenant named by a domain is the one that its token is for. Two streams of one
// key would share a checkpoint, so that the second one is refused. Removing an
// input does not remove such a checkpoint, since the same may be read under
// another id already.
//
// # Why ids are SHA-256
//
// What an attacker does on a machine ends up in evidence. Were two contents
// with one id easy to make, as with any fast hash without a secret, the second
// alert would be taken for one that is already stored. A key would have to be
// kept and to be the same after every loss of state, or everything would be
// stored once more. SHA-256 cut to 120 bits needs no key, takes 2^60 tries for
// a collision, and costs 4% of a job's CPU time.
//
// # Why machines are read as snapshots, and their ids hold the time of one
//
// A machine's tags, risk and exposure change without its lastSeen, so there is
// no time to read by. Every interval all are read, and those published whose
// content is not what the snapshot before met, or was published a full_interval
// ago. The id holds the content and the time of the last complete snapshot, which
// is saved: a snapshot repeated after a crash gives the same ids, and a machine
// that changes back gives a new document. Where the cursor is lost, every
// machine is published once more.
//
// # Why a refused document has two more forms
//
// A template of somebody's own, a pipeline or a limit can refuse a document that
// is right. The minimal form has what finds the record again (constants, ids,
// time, title, severity) and the record as it came, 256 KiB of it; the member
// that was blamed is left out. Where the record's text itself is what is refused,
// the bare form tells that there was one, its length and hash, and its ids where
// they look like ids. Both are pipeline_error, with an id made from the
// document's: the full document can be stored beside them once the template is
// repaired, and a repetition is a 409. They are made from the encoded document,
// so that no record is mapped twice and every processor's word counts.
//
// What is here must not know Elastic Agent, an output, or how a cursor is kept.
package defender
