package main

import (
	"slices"
	"time"
)

// latencies are the times of every request of a run, none of them rounded or dropped. The runs are short enough to keep them all: a
// million take eight megabytes.
type latencies []time.Duration

// percentile returns the time within which the given share of the requests was answered, by the nearest-rank method: it is always a
// time that was measured. The latencies must be sorted.
func (l latencies) percentile(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	rank := int(share * float64(len(l)))
	if float64(rank) < share*float64(len(l)) {
		rank++
	}
	return l[min(max(rank, 1), len(l))-1]
}

// sorted joins lists of latencies into one in order.
func sorted(lists ...latencies) latencies {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return all
}

// median returns the middle of the values, or the mean of the two in the middle; it leaves the slice as it is.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	half := len(v) / 2
	if len(v)%2 == 1 {
		return v[half]
	}
	return (v[half-1] + v[half]) / 2
}
