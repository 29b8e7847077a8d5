package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// saySlowest names the policies a server spent most time in, by its own metrics: where to look first.
func (l *lab) saySlowest(ctx context.Context, c *child) error {
	page, err := get(ctx, c.health+"/metrics")
	if err != nil {
		return fmt.Errorf("the metrics of %s: %w", c.name, err)
	}
	type mean struct {
		policy string
		took   time.Duration
	}
	sums, counts := byPolicy(page, "sum"), byPolicy(page, "count")
	var means []mean
	for policy, sum := range sums {
		means = append(means, mean{policy, time.Duration(share(sum, counts[policy]) * float64(time.Second))})
	}
	slices.SortFunc(means, func(a, b mean) int { return cmp.Compare(b.took, a.took) })
	var words []string
	for _, m := range means[:min(len(means), 5)] {
		words = append(words, fmt.Sprintf("%s %s", m.policy, m.took.Round(time.Microsecond)))
	}
	if len(words) > 0 {
		l.say("%s: slowest policies: %s", c.name, strings.Join(words, ", "))
	}
	return nil
}

// byPolicy reads one series of the histogram of policies' durations, by policy.
func byPolicy(page, series string) map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(page) {
		rest, ok := strings.CutPrefix(line, "portcullis_policy_duration_seconds_"+series+`{policy="`)
		if !ok {
			continue
		}
		policy, text, ok := strings.Cut(strings.TrimSpace(rest), `"} `)
		if value, err := strconv.ParseFloat(text, 64); ok && err == nil {
			out[policy] = value
		}
	}
	return out
}
