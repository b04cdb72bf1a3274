// Package mapping is the way from raw members to documents, for any resource of
// any vendor.
//
// A resource has an API struct of Fields and Lists (field.go), which a Decoder
// fills from a record and names after their json tags: each name of the API
// is written once. Its RecordMapper embeds an Envelope (envelope.go), which has what
// every document carries, the conversions (convert.go) and the id; a Table
// (table.go) says which field goes where. Mapper (mapper.go) drives it for one
// record after the other and applies the policy's processors. Begin with
// toy_test.go, a whole resource in a page; then read mapper.go and envelope.go.
// What a refused document becomes is fallback.go; members that nobody knows yet,
// unknown.go; shapes that ECS wants of any vendor, url.go, path.go and mac.go.
//
// # Invariants
//
//   - Every record gives a document: one that cannot be decoded, or only in part,
//     is a pipeline_error with the original. No value of an unexpected type makes
//     a record undecodable.
//   - The original is kept where something of the record is not in the document's fields
//     (a cut text, elements or members beyond a bound).
//   - Equal records give equal documents with equal ids, within one epoch where the
//     resource is read by snapshots (the time of the last complete one is part of
//     the id). The clock, Settings.Now, counts for records without a time alone.
//   - Values alias the record, and buffers are used again: what a mapper keeps from
//     one record to the next is cloned.
//   - It imports ecs, and inputs for the agent's description and the documents
//     that fallbacks are made of. It knows no vendor, no loop and no output.
//
// # Why fields know their names
//
// A field's name is in the fault that it causes, in the vendor's object and in the API.
// Written three times, the texts could differ, and a new field would change
// three places. The tag is read once for a stream, by reflection; a record is decoded
// without any.
//
// # Why a table has functions and not kinds
//
// A row's value is made by a method of the mapper or the Envelope. With an
// enumeration of kinds, all that is special to a resource would be code beside the
// table again, and its fields would be in two places.
//
// # Why a version is the content
//
// A record that changes without a new update time is a new version, and one that comes
// with its members in another order, a null more, or 17.0 for 17 is none: JSON leaves
// all of that open, and a service that is deployed again may change it for every record
// at once. Seen set and ids therefore go by the content (content.go), in which the order
// of Settings.Sets does not count either. The content is written only for records whose
// bytes were not met in the sweep before, and from the members that the Decoder found:
// what counts of a member that came twice is the last one, as in the document. Records
// over 1 MiB, those with more than MaxUnknown unknown members, and what is nested deeper
// than eight levels, count as they are written.
//
// # Why objects of a record are taken apart for its content
//
// Content and documents need the same members of the same objects. Scanned for each,
// with commands made compact by jsontext once more, a poll of new records took 9
// (alerts) to 14% (actions) more instructions than without contents. Decoders are now
// given what the content found (shape.go), for the time of one record's mapping alone:
// behind it the memory is another record's.
//
// # Why ids are SHA-256
//
// An attacker's actions on a machine end up in evidence. With a fast hash without a
// secret it is easy to make two contents with one id, and the second alert would count
// as already stored. A key would have to be kept and to be the same after every loss of
// state, or everything would be stored once more. SHA-256 cut to 120 bits needs no key,
// takes 2^60 tries for a collision, and costs 4% of a job's CPU time.
//
// # Why a refused document has two more forms
//
// A template of somebody's own, a pipeline or a limit can refuse a document that
// is right. The minimal form has what finds the record again (constants, ids,
// time, title, severity) and the record as it came, 256 KiB of it; the member
// that the refusal names is left out. Where the record's text itself is what is
// refused, the bare form says that there was one, its length and hash, its ids where
// they look like ids, and of its tags those of the policy. Both are pipeline_error, with an id made from the
// document's: the full document can be stored beside them once the template is
// repaired, and a repetition is a 409. They are made from the encoded document,
// so that no record is mapped twice and every processor's word counts.
package mapping
