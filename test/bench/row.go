package main

import "time"

// row is one line of the table. Ratios come first, as they alone can be compared between machines and between runs.
type row struct {
	Workload string `json:"workload"`
	Load     string `json:"load"`    // "8 in flight", "200/s"
	Against  string `json:"against"` // what the ratios are to: the floor, or another row

	RateRatio float64 `json:"rateRatio"` // requests/s as a share of the reference's
	P50Ratio  float64 `json:"p50Ratio"`  // p50 as a multiple of the reference's

	PerSecond          float64 `json:"requestsPerSecond"`
	ReferencePerSecond float64 `json:"referenceRequestsPerSecond"`
	P50                float64 `json:"p50Milliseconds"`
	ReferenceP50       float64 `json:"referenceP50Milliseconds"`
	P90                float64 `json:"p90Milliseconds"`
	P99                float64 `json:"p99Milliseconds"`
	Max                float64 `json:"maxMilliseconds"`
	Requests           int     `json:"requests"`

	ServerCPU     float64 `json:"serverCPUMicrosecondsPerRequest"`
	ReferenceCPU  float64 `json:"referenceServerCPUMicrosecondsPerRequest"`
	GeneratorBusy float64 `json:"generatorProcessorShare"` // of one processor; near 1 it is the generator that was measured
	ReferenceBusy float64 `json:"referenceGeneratorProcessorShare"`
	Allocs        float64 `json:"allocationsPerRequest"`
	AllocBytes    float64 `json:"allocatedBytesPerRequest"`
	PeakRSS       int64   `json:"peakRSSBytes"`
	Policies      int     `json:"policies"`
}

// took fills in the latencies of all rounds.
func (r *row) took(all latencies) {
	r.Requests = len(all)
	r.P50, r.P90 = milliseconds(all.percentile(0.5)), milliseconds(all.percentile(0.9))
	r.P99, r.Max = milliseconds(all.percentile(0.99)), milliseconds(all.percentile(1))
}

// used fills in what the server used for the row's requests, and how busy the generator was meanwhile.
func (r *row) used(server usage, generator, elapsed time.Duration) {
	n := float64(r.Requests)
	if n == 0 || elapsed <= 0 {
		return
	}
	r.ServerCPU = float64(server.cpu.Microseconds()) / n
	r.Allocs, r.AllocBytes = server.mallocs/n, server.bytes/n
	r.GeneratorBusy = generator.Seconds() / elapsed.Seconds()
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
