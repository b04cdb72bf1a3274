// Package checkpoint keeps checkpoints durably: in files under the component's
// data directory, or in Elasticsearch where there is no disk.
//
// A stream saves through inputs.Cursors. KeepUnsaved (unsaved.go) remembers what
// could not be saved; under it Files (files.go) writes a file for each stream, or
// Elasticsearch (elasticsearch.go) a document. Both wrap the value with its key and
// a checksum (content.go), and refuse what does not fit when it is loaded. Start
// reading with Files.Save.
//
// # Invariants
//
//   - A value that Save returned nil for survives a crash of the machine: it is
//     written beside its place, synced, renamed over it, and the directory is
//     synced.
//   - A file that cannot be used (torn, of a newer version, of another stream, not
//     permitted) is put aside and reported as UnusableCursor with its cause; it never
//     stops a stream and never yields another stream's checkpoint. A disk that fails
//     to read is tried again.
//   - While Elasticsearch is away nothing is reported as missing: a stream waits
//     instead of starting afresh. Only after a 403 it starts: waiting does not
//     repair a key that may not read, and alerts must not wait for that.
//   - Files have mode 0600 in a directory of mode 0700.
//   - One process owns a directory: a second one is refused. A directory that
//     vanishes is made again, and owned again.
//   - Only regular files are read or written: a pipe would block.
//   - A failed save leaves the former value in place.
//
// # Why one file per stream and not one for all
//
// Streams save at their own pace and a torn file must cost one stream, not all.
//
// # Why file names are hashes
//
// What a stream reads comes from a policy and may hold anything, a slash
// included. The key is inside the file, where it is checked. A file that an
// earlier version named by the ids of input and stream is found once, and moved.
//
// # Why a checkpoint ends after 180 days
//
// A removed input leaves its checkpoints: an input with another id may already read
// the same, and an input that is added again continues. Those that no stream asked for in
// half a year are removed, a day after the start at the earliest and once a day:
// the service keeps alerts for no longer, so they would be of no use. In
// Elasticsearch they stay: they belong to an agentless deployment and go with it.
//
// # Why a directory that cannot be written does not end the process
//
// The agent would start it again and again, and a data disk that is full would
// stop alerts. The streams continue and say so; each save tries again.
//
// # Why unsaved values are remembered beside the stores
//
// A stream that is restarted by a change of its settings would go back to what
// was saved last. Remembering is the same for both stores, so it is a store over
// another one.
//
// # Why there is no optimistic locking in Elasticsearch
//
// An agentless input runs in one pod at a time. Two of them for a moment, while
// one replaces the other, save checkpoints that are both acknowledged.
//
// The package must not know what the values mean.
package checkpoint
