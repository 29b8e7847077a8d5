//go:build !linux

package gate

import "syscall"

// dieWithParent cannot be had here; a crash of this process leaves the other to be stopped by hand.
func dieWithParent() *syscall.SysProcAttr { return nil }
