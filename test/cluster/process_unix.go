//go:build unix

package cluster

import "syscall"

// ownGroup keeps a Ctrl-C in the terminal from the control plane, so that the program that started it decides what stops first.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
