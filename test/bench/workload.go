package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// workload is one thing to measure. Each has a file of its own; to add one, write the file and name it in workloads.
type workload struct {
	name    string // "W1"
	title   string
	measure func(context.Context, *lab) ([]row, error)
}

// workloads is the table of all there are. W2, W4, W5, W7 and W9 belong here once what they measure is there.
func workloads() []workload {
	return []workload{uniquePods(), misses(), accessReviews(), mutations(), constraints(), endToEnd()}
}

// chosen returns the workloads of a list of names such as "W1,W3", or all for an empty one.
func chosen(names string) ([]workload, error) {
	all := workloads()
	if names == "" {
		return all, nil
	}
	var out []workload
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(w workload) bool { return strings.EqualFold(w.name, strings.TrimSpace(name)) })
		if i < 0 {
			return nil, fmt.Errorf("there is no workload %q; there are %s", name, known(all))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func known(all []workload) string {
	var names []string
	for _, w := range all {
		names = append(names, w.name)
	}
	return strings.Join(names, ", ")
}

// closed returns closed loops with so many requests in flight, and the open loop the command line asks for.
func (l *lab) closed(inFlight ...int) []load {
	var out []load
	for _, n := range inFlight {
		out = append(out, load{inFlight: n})
	}
	if l.rate > 0 {
		out = append(out, load{inFlight: openInFlight, rate: l.rate})
	}
	return out
}

// openInFlight bounds an open loop: as many as an API server sends to webhooks of one kind when all of its 200 mutating requests hang.
const openInFlight = 200
