package webhook

// Overrun adds to portcullis_overrun_evaluations: 1 for a review or a policy that goes on although its time was up, -1 when it has ended.
func (m *Metrics) Overrun(by int) { m.overruns.Add(float64(by)) }
