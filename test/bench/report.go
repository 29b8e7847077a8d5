package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// print shows the rows as the command line asks.
func (o options) print(out io.Writer, rows []row) error {
	if o.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			ServerProcs    int   `json:"serverProcs"`
			GeneratorProcs int   `json:"generatorProcs"`
			Rows           []row `json:"rows"`
		}{o.serverProcs, o.generatorProcs, rows})
	}
	return printTable(out, rows)
}

// printTable prints ratios first, then the absolute figures that only this machine at this hour can compare.
func printTable(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tload\tagainst\trate\tp50\tCPU\treq/s\tref req/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\tp50 adds ms\tµs CPU/req\tallocs/req\tkB/req\tpeak MiB\tpolicies\tgenerator\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1fx\t%s\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%s\t%s\t%s\t%s\t%s\t\n",
			r.Workload, r.Load, r.Against, orDash("%.1f%%", 100*r.RateRatio), r.P50Ratio, orDash("%.1fx", share(r.ServerCPU, r.ReferenceCPU)),
			r.PerSecond, r.ReferencePerSecond, r.P50, r.P90, r.P99, r.Max, r.P50-r.ReferenceP50,
			orDash("%.0f", r.ServerCPU), orDash("%.0f", r.Allocs), orDash("%.1f", r.AllocBytes/1000),
			orDash("%.0f", float64(r.PeakRSS)/(1<<20)), orDash("%.0f", float64(r.Policies)),
			r.generator())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(out, `
rate, p50, CPU: requests/s, median latency and the server's processor time per request, relative to the row's reference in the same run.
generator: how busy this program was, of one processor, and in parentheses with the reference. Near 100% it was the generator that
was measured: the reference could be faster, and the rate flatters. CPU does not depend on that.
`)
	return err
}

// generator tells how busy this program was with the row, and with its reference where that was measured beside it.
func (r row) generator() string {
	text := orDash("%.0f%%", 100*r.GeneratorBusy)
	if r.ReferenceBusy > 0 {
		text += fmt.Sprintf(" (%.0f%%)", 100*r.ReferenceBusy)
	}
	return text
}

// orDash formats a figure, or a dash where there is none.
func orDash(format string, value float64) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

// missed lists the thresholds below which something has gone badly wrong. They are far under the targets, so that a noisy machine does
// not cry wolf.
func missed(rows []row) []string {
	least := map[string]float64{"W1": 0.025, "W3": 0.50, "GK": 0.04}
	var out []string
	for _, r := range rows {
		if want, ok := least[r.Workload]; ok && r.Load == (load{inFlight: 8}).String() && r.RateRatio < want {
			out = append(out, fmt.Sprintf("%s, %s: %.1f%% of the floor is below %.1f%%", r.Workload, r.Load, 100*r.RateRatio, 100*want))
		}
	}
	return out
}
