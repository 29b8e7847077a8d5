package scale

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// missing ends a benchmark before minutes are spent on filling if this machine has not what it takes: of a whole cluster's objects an API server
// and etcd keep some 20 GB in memory, and etcd's files 4 GB.
func missing(b *testing.B, share float64) {
	b.Helper()
	const (
		memory = 20 << 30
		disk   = 4 << 30
	)
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		b.Fatalf("the memory of this machine, and of processes, is only told by Linux: %v", err)
	}
	var kib uint64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err != nil {
		b.Fatal(err)
	}
	if has, needs := kib<<10, uint64(share*memory); has < needs {
		b.Fatalf("this machine has %d GiB of memory, and the control plane needs %d; PORTCULLIS_W10_SHARE makes the cluster smaller", has>>30, needs>>30)
	}
	var files syscall.Statfs_t
	if err := syscall.Statfs(b.TempDir(), &files); err != nil {
		b.Fatal(err)
	}
	if has, needs := files.Bavail*uint64(files.Bsize), uint64(share*disk); has < needs {
		b.Fatalf("there are %d GiB left on the disk of temporary files, and etcd needs %d", has>>30, needs>>30)
	}
}

// spent is the processor time of the API server and of etcd, which are one process here.
func (w *world) spent(b *testing.B) time.Duration {
	b.Helper()
	text, err := w.read(b.Context(), "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	seconds, _ := page(text).sum("process_cpu_seconds_total")
	return time.Duration(seconds * float64(time.Second))
}

// spentHere is that of this process, which writes the changes.
func spentHere(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
