package plane

import (
	"fmt"
	"os"
	"strings"
)

// kernelSays returns in which state a process is, and in which function of the kernel it waits; empty if that cannot be read.
func kernelSays(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	var out []string
	for line := range strings.Lines(string(status)) {
		for _, name := range []string{"State:", "VmRSS:", "Threads:"} {
			if strings.HasPrefix(line, name) {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	if waits, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid)); err == nil && len(waits) > 1 {
		out = append(out, "it waits in "+string(waits))
	}
	return strings.Join(out, ", ")
}
