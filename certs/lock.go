//go:build linux || darwin

package certs

import (
	"os"
	"syscall"
)

// lock takes file for this process until it is closed, and reports whether no other had. A file system without locks lets everybody.
func lock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != syscall.EWOULDBLOCK
}
