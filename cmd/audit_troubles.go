package cmd

import (
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// lossTold is for how long it is told that records of decisions are lost after one was: longer than troubles are waited for.
const lossTold = time.Minute

// losses tell whether records of decisions are being lost.
type losses struct {
	count uint64
	at    time.Time // when there was one more; zero is never
}

// seen takes how many are lost by now, and reports whether that is trouble.
func (l *losses) seen(count uint64, now time.Time) bool {
	if count > l.count {
		l.count, l.at = count, now
	}
	return !l.at.IsZero() && now.Sub(l.at) < lossTold
}

// lost counts the records that are not written, over all places they go to.
func lost(recorders decisions.Recorders) (count uint64) {
	for _, recorder := range recorders {
		count += recorder.Dropped()
	}
	return count
}

// auditTroubles are what keeps this server from auditing, from reporting what it has found, and from recording what was decided. They have no numbers in
// them, which the metrics have: what is said in other words is told again.
func (c *member) auditTroubles(now time.Time) (out []trouble) {
	if lacking := c.auditor.lacking(); len(lacking) > 0 {
		out = append(out, trouble{"AuditIncomplete", "Audit", "", "not all that policies are about is audited: " + strings.Join(lacking, " ")})
	}
	if c.reported != nil && c.reported.lacks.Load() {
		out = append(out, trouble{
			"ReportsFull", "Report", "",
			"not all that the audit has found is in reports, which have reached their bounds; portcullis audit shows the rest",
		})
	}
	if c.metrics != nil && c.losses.seen(lost(c.metrics.recorders), now) {
		out = append(out, trouble{
			"RecordsLost", "Record", "",
			"decisions are made of which no record is written; the log of the server says why",
		})
	}
	return out
}

// lacking is why not everything that policies are about is audited, once all was looked at that may be.
func (a *auditor) lacking() (out []string) {
	if a == nil || a.set.Load() == nil || !a.sweep.Through() {
		return nil
	}
	for _, cover := range a.sweep.Counts().Coverage {
		if cover.Trouble != "" {
			out = append(out, cover.Trouble)
		}
	}
	return out
}
