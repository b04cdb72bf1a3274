// Package checkpoint keeps cursors durably: in files under the component's
// data directory.
//
// # Invariants
//
//   - A value that Save returned nil for survives a crash of the machine: it is
//     written beside its place, synced, renamed over it, and the directory is
//     synced.
//   - A file that cannot be used (torn, of a newer version, of another stream)
//     is put aside and reported as ErrNoCursor with its cause; it never stops a
//     stream and never yields another stream's cursor.
//   - Files have mode 0600 in a directory of mode 0700.
//   - One process owns a directory: a second one is refused.
//
// # Why one file per stream and not one for all
//
// Streams save at their own pace and a torn file must cost one stream, not all.
//
// # Why file names are hashes
//
// Input and stream ids come from a policy and may hold anything, a slash
// included. The key stands inside the file, where it is checked.
//
// What the values mean, this package must not know.
package checkpoint
