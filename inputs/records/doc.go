// Package records reads records from files, in the forms in which people have them.
//
// Each (records.go) takes a stream and calls back with one record after the other:
// one JSON object, over one line or many; one object a line; a list of them; a page as
// the API gives it, {"value": [...]}; any of these behind each other; compressed with
// gzip; with the byte order mark that Windows puts before a file, in UTF-8 or UTF-16.
// lines.go gives the JSON decoder its bytes line by line. The command map is the only
// user: what comes over the network is read by inputs/defender/api. Start reading with
// reader.next.
//
// # Invariants
//
//   - A record is handed out as it came, without the white space between its values.
//   - A line that is no JSON, where no value was begun before it, is a record too: the
//     mapping reports what is wrong with it, and the lines after it count.
//   - Lists and pages are read element by element; no record is larger than MaxRecord.
//
// The package must not know what a record says.
//
// # Why the decoder gets lines
//
// A decoder that has met something other than JSON cannot continue, and it has read
// ahead. With one line at a time the reader knows what the decoder has not read.
package records
