package cmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// sample is one value of a metric.
type sample struct {
	labels map[string]string
	value  float64
}

// metrics reads the samples of one metric of the API server; there are none while nothing was counted.
func (d *doctor) metrics(ctx context.Context, name string) ([]sample, error) {
	text, err := d.client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	return samplesOf(text, name), nil
}

// samplesOf reads the text format, as far as counters need it.
func samplesOf(text []byte, name string) (out []sample) {
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name+"{")
		if !ok {
			continue
		}
		at := strings.LastIndex(rest, "} ")
		if at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.Fields(rest[at+2:])[0], 64)
		if err != nil {
			continue
		}
		s := sample{map[string]string{}, value}
		for _, found := range label.FindAllStringSubmatch(rest[:at], -1) {
			s.labels[found[1]] = found[2]
		}
		out = append(out, s)
	}
	return out
}
