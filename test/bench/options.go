package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// options are what the command line says.
type options struct {
	workloads      string
	duration       time.Duration
	rounds         int
	rate           float64
	server         string
	controlPlane   string
	serverProcs    int
	generatorProcs int
	output         string
	assert         bool
}

const usageText = `Measures a Portcullis server under load, beside a floor: the same listener answering a constant.
Everything runs on this machine, in processes of their own; it stops by itself.

Usage:
  bench [flags]

Examples:
  make bench
  go build -o bin/portcullis . && go run ./test/bench
  go run ./test/bench --workloads W1,W3 --duration 3s
  go run ./test/bench --workloads W1 --rate 200
  go run ./test/bench -o json > bench.json

Workloads:
`

// parse reads the command line.
func parse(args []string, stdout, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard) // the error is printed by whoever gets it
	f.StringVar(&o.workloads, "workloads", "", "`NAMES` of what to measure, as W1,W3; all by default")
	f.DurationVar(&o.duration, "duration", 9*time.Second, "how long each row is measured, spread over the rounds; the floor takes two thirds as long again")
	f.IntVar(&o.rounds, "rounds", 3, "how many times the server and the floor take turns in each row")
	f.Float64Var(&o.rate, "rate", 0, "adds to each webhook workload an open loop of so many `REQUESTS` per second")
	f.StringVar(&o.server, "server", "bin/portcullis", "`FILE` of the server under test; build it from the same tree as this program")
	f.StringVar(&o.controlPlane, "controlplane", "", "`FILE` of the control plane for W11; by default where test/cluster finds it")
	f.IntVar(&o.serverProcs, "server-procs", 1, "GOMAXPROCS of the server under test and of the floor; 1 for each side is for machines of two cores")
	f.IntVar(&o.generatorProcs, "generator-procs", 1, "GOMAXPROCS of this program")
	f.StringVar(&o.output, "o", "table", "table or json")
	f.BoolVar(&o.assert, "assert", false, "exit with 2 if W1 or GK is below 2.5% or W3 below 50% of the floor; for use by hand, since loaded machines miss anything")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usageText)
		for _, w := range workloads() {
			fmt.Fprintf(stdout, "  %-4s %s\n", w.name, w.title)
		}
		fmt.Fprintln(stdout, "\nFlags:")
		f.SetOutput(stdout)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w; see --help", err)
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag; see --help", f.Arg(0))
	case o.output != "table" && o.output != "json":
		return o, fmt.Errorf("-o %q is neither table nor json", o.output)
	case o.duration <= 0 || o.duration > 10*time.Minute:
		return o, errors.New("--duration should be above zero and at most ten minutes")
	case o.rounds < 1 || o.rounds > 100:
		return o, errors.New("--rounds should be from 1 to 100")
	case o.serverProcs < 1 || o.generatorProcs < 1:
		return o, errors.New("--server-procs and --generator-procs should be 1 or more")
	case o.rate < 0:
		return o, errors.New("--rate should not be negative")
	}
	return o, nil
}
