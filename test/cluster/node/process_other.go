//go:build unix && !linux

package node

import "syscall"

// dieWithParent cannot be had here; a crash of this process leaves the others to be stopped by hand.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
