//go:build !windows

package agenttest

import (
	"os"
	"os/exec"
	"syscall"
)

// setProcessGroup keeps an interrupt typed at a terminal from the component:
// the agent decides when it ends.
func setProcessGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// interrupt is how the agent asks a component to end.
func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
