package broker

import "syscall"

// Windows knows no such signals: sending them is an error.
const (
	sigStop = syscall.Signal(0x13)
	sigCont = syscall.Signal(0x12)
)
