package plane

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// stackTime is how long a process may take to print its goroutines; the API server has thousands.
	stackTime = 5 * time.Second
	// stackLines are of its first goroutine, two for each function.
	stackLines = 16
)

// stuck ends a process that has not become ready and returns what it was doing: the stack of its first goroutine, which the Go runtime prints into
// the log with all others when it is told to quit, or what the kernel has to say of it.
func (p *process) stuck() string {
	select {
	case <-p.exited:
		return ""
	default:
	}
	said := kernelSays(p.cmd.Process.Pid)
	var before int64
	if info, err := os.Stat(p.log); err == nil {
		before = info.Size()
	}
	// Signalling fails only if the process is gone.
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
	case <-time.After(stackTime):
	}
	if stack := firstGoroutine(p.log, before); stack != "" {
		said = stack
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf("\nWhat %s was doing then:\n%s", p.name, said)
}

// firstGoroutine returns the beginning of the stack of goroutine 1 in what a log has from an offset on.
func firstGoroutine(log string, from int64) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<20))
	if err != nil {
		return ""
	}
	_, stack, found := strings.Cut(string(text), "\ngoroutine 1 ")
	if !found {
		return ""
	}
	stack, _, _ = strings.Cut("goroutine 1 "+stack, "\n\n")
	lines := strings.SplitN(stack, "\n", stackLines+1)
	return strings.Join(lines[:min(len(lines), stackLines)], "\n")
}
