//go:build !unix

package cluster

import "syscall"

// ownGroup has nothing to do here: the control plane itself runs on Unix only.
func ownGroup() *syscall.SysProcAttr { return nil }
