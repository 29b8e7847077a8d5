package plane

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// LifelineEnv names the environment variable which tells a process the number of its lifeline: the read end of a pipe whose write end
// only the parent holds. The kernel closes that write end however the parent ends, so end of file there means "the parent is gone".
// It works the same on Linux and macOS, and a SIGKILL cannot get around it.
const LifelineEnv = "CONTROLPLANE_LIFELINE"

// Follow calls gone once, from another goroutine, when the parent is gone. Without a lifeline it does nothing.
func Follow(gone func()) error {
	value, ok := os.LookupEnv(LifelineEnv)
	if !ok {
		return nil
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return fmt.Errorf("%s=%q is not a file descriptor", LifelineEnv, value)
	}
	// Neither the variable nor the descriptor is for the processes which this one may start.
	if err := os.Unsetenv(LifelineEnv); err != nil {
		return fmt.Errorf("unset %s: %w", LifelineEnv, err)
	}
	syscall.CloseOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		// Nobody writes into the pipe. Any end of the read, an error too, means that nobody watches over this process any more.
		_, _ = io.Copy(io.Discard, pipe)
		gone()
	}()
	return nil
}
