//go:build unix

package broker

import "syscall"

// What stops a process where it is, and lets it continue.
const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)
