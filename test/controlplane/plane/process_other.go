//go:build unix && !linux

package plane

import "syscall"

// childAttributes puts each child into a process group of its own, so that Ctrl-C reaches the parent alone and the parent can stop its
// children in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
