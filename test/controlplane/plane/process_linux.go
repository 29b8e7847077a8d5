package plane

import "syscall"

// childAttributes puts each child into a process group of its own, so that Ctrl-C reaches the parent alone and the parent can stop its
// children in order. Pdeathsig is a second string to the lifeline's bow: it also ends a child which is not yet far enough to watch its
// lifeline. The kernel sends it when the *thread* that started the child ends, so Up stays on one thread.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
