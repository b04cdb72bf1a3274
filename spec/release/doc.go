// Package release makes what is handed out, for go tool mage release: for each
// target an archive and its bill of materials, the zips of the Fleet package, and
// SHA256SUMS, signed where a key is given.
//
// release.go has the targets and the order of the work; contents.go says what is
// in an archive, archive.go writes it; pages.go changes the links of the pages so
// that they lead somewhere in an archive too; modules.go knows which modules a
// binary links, and under which licences; tools.go runs the go command and the
// tools. Start reading with Make.
//
// Invariants:
//   - An archive holds what TestContents lists, and nothing else.
//   - Equal commits make equal archives, on any machine with the same Go: times are
//     the commit's, owners are nobody's, paths are trimmed.
//   - Every module that a binary links is in licences.csv, under a licence that is
//     allowed, and its text is in the archive.
//
// It must not know what the component does. The production binary does not link it.
//
// # Why not GoReleaser
//
// It would add four minutes of building itself, a second place for build flags, and
// could neither rewrite the pages nor make the Fleet package. Two tools do what is
// not ours to write: go-licence-detector and cyclonedx-gomod, at fixed versions.
//
// # Why the licence texts are not in the repository
//
// They are 350 KB that change with each update of a module. licences.csv has what a
// review wants to see: which modules, under which licences. The detector confirms it
// and adds the texts when a release is made, and stops the release otherwise.
//
// # Why the bill of materials is made of the binary
//
// The binary says itself which modules it links, in which version; go.mod has those
// of all platforms, tests and tools.
//
// # Why GPG
//
// SHA256SUMS.asc is what users of other software know how to verify, and the key may
// be anywhere gpg finds it: a token, an agent.
package release
