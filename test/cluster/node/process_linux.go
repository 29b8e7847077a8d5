package node

import "syscall"

// dieWithParent makes the kernel end the process when this one is gone, in whatever way. A group of its own keeps the terminal's Ctrl-C
// from it, and lets what it has started be ended with it.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
