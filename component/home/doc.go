// Package home knows where Elastic Agent keeps what it runs, and puts the
// component there.
//
// An agent has a top folder (/opt/Elastic/Agent) and below it a home for each of
// its versions (data/elastic-agent-<version>-<hash>), each with a folder of
// components. The link <top>/elastic-agent leads to the home in use; after an
// upgrade two homes exist for days. The component is two files in the folder of
// components, a binary and a spec of the same name (AGENT.md 1.1). [Install] puts
// them there and [Uninstall] takes them out, by the operator's hand; [Follow] runs
// while the component runs under an agent and carries them into the home that an
// upgrade makes, without which every upgrade rolls back (AGENT.md trap 12).
//
// Invariants:
//   - A spec is never without its binary, for that keeps the whole agent from
//     starting: the binary comes first and goes last.
//   - A file appears whole or not at all: both are written under temporary names in
//     the same folder, synced, and renamed.
//   - Follow never replaces a component of another version unless its own is newer.
//   - A component that was uninstalled is not carried on: the source is the spec beside
//     the running binary.
//
// It must not know units, inputs, outputs or the vendor: it knows files, the agent's
// layout, and two commands of the agent (status and restart).
//
// Why the component carries itself: an agent unpacks an upgrade with Elastic's own
// components only and has no hook. A timer or a service beside it would be one more
// thing to install and to watch; the component runs exactly as long as its input
// is in the policy, which is when an upgrade needs it.
//
// Why polling: one folder is read four times a second, which costs far less than a
// millisecond. Notifications (fsnotify) would have to follow three levels of folders that
// come and go, differ on three systems, and still need a poll for what they miss.
//
// Why an environment variable ([Switch]) turns it off: an agent hands its own
// environment to the component, so a service's drop-in is enough. An argument in the
// spec would be lost with the next Install.
//
// Why the version of another binary is asked of itself: builds are trimmed, so the
// build information does not name it. It is asked only where its owner is root or
// the caller, so that Install as root starts no program of somebody else.
//
// Why Windows has no code for access lists: a file that is made in a folder inherits
// the folder's list, and the agent's install sets the one of its own folders. This
// and the rest of Windows are compiled and read, not run.
package home
