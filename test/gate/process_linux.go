package gate

import "syscall"

// dieWithParent makes the kernel end the process when this one is gone, in whatever way; and keeps the terminal's Ctrl-C from it, so
// that Stop decides the order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
