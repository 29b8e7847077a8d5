// Bench measures a Portcullis server under load, beside a floor that answers without looking. `make bench` runs it; see --help and
// docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// The exit codes are those of portcullis.
const (
	exitOK     = 0
	exitFault  = 1
	exitMissed = 2 // a threshold of --assert was missed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == floorCommand {
		if err := runFloor(ctx, args[1:], stderr); err != nil {
			fmt.Fprintln(stderr, "bench floor: "+err.Error())
			return exitFault
		}
		return exitOK
	}
	o, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "bench: "+err.Error())
		return exitFault
	}
	rows, err := measureAll(ctx, o, stderr)
	// What was measured before a fault is shown too.
	if len(rows) > 0 {
		if printErr := o.print(stdout, rows); err == nil {
			err = printErr
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench: "+err.Error())
		return exitFault
	}
	if missed := missed(rows); o.assert && len(missed) > 0 {
		for _, m := range missed {
			fmt.Fprintln(stderr, "bench: "+m)
		}
		return exitMissed
	}
	return exitOK
}

// measureAll runs the chosen workloads one after the other.
func measureAll(ctx context.Context, o options, progress io.Writer) (rows []row, err error) {
	workloads, err := chosen(o.workloads)
	if err != nil {
		return nil, err
	}
	runtime.GOMAXPROCS(o.generatorProcs)
	// The generator throws away what it sends. Collecting that less often leaves more of its processor for asking.
	debug.SetGCPercent(400)
	l, err := newLab(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, w := range workloads {
		l.say("%s: %s", w.name, w.title)
		got, err := w.measure(ctx, l)
		rows = append(rows, got...)
		if errors.Is(err, errNothing) && o.workloads == "" {
			l.say("%s is left out: %v", w.name, err)
			continue
		}
		if err != nil {
			return rows, fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return rows, nil
}

// errNothing is the error of a workload for which something is not there yet. It is left out, unless it was asked for by name.
var errNothing = errors.New("there is nothing to measure")
