// Command defender-endpoint collects Microsoft Defender for Endpoint data under
// Elastic Agent. Without a subcommand it expects to be spawned by the agent.
//
// main.go has the commands. Under the agent, underAgent (agent.go) reads the
// connection details, opens the checkpoints (cursors.go) and gives both to package
// component, which does the rest; run (run.go) does the same with a policy file in
// place of an agent. check (check.go) tries a policy, map (map.go) maps records of
// files, demo (demo.go) runs the program between a simulated tenant and a fake output.
// help.go has the pages of help, and the table of exit codes. Start reading with
// agent.go; then component/doc.go.
//
// # Invariants
//
//   - Standard output is for what a command prints; logs and states go to standard
//     error.
//   - An exit code other than 0 says that the command's job was not done (help.go).
//
// The package must not know how anything works: it handles no record, request or
// document.
package main
