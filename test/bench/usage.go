package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used since it began.
type usage struct {
	cpu     time.Duration
	mallocs float64 // objects allocated
	bytes   float64 // bytes allocated
}

func (u usage) since(before usage) usage {
	return usage{cpu: u.cpu - before.cpu, mallocs: u.mallocs - before.mallocs, bytes: u.bytes - before.bytes}
}

func (u usage) plus(other usage) usage {
	return usage{cpu: u.cpu + other.cpu, mallocs: u.mallocs + other.mallocs, bytes: u.bytes + other.bytes}
}

// usage asks the child's /metrics. Rendering that page allocates some thousand objects, which is one for each request of a short run.
func (c *child) usage(ctx context.Context) (usage, error) {
	text, err := get(ctx, c.health+"/metrics")
	if err != nil {
		return usage{}, fmt.Errorf("the metrics of %s: %w", c.name, err)
	}
	return usage{cpu: cpuTime(c.cmd.Process.Pid), mallocs: metric(text, "go_memstats_mallocs_total"), bytes: metric(text, "go_memstats_alloc_bytes_total")}, nil
}

// metric finds the value of a metric without labels on a page of metrics; 0 if it is not there.
func metric(page, name string) float64 {
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				return 0
			}
			return value
		}
	}
	return 0
}

// peakRSS is the most memory the child was ever given, in bytes; 0 where the system does not tell.
func (c *child) peakRSS() int64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// cpuTime is the processor time a process has used, in user and in kernel mode; 0 where the system does not tell.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the program's name in parentheses and may hold anything; utime and stime are the 12th and 13th after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return 0
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs on Linux
	var ticks int64
	for _, field := range []int{utime, stime} {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}
