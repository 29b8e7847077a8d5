package webhook

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	const ms = time.Millisecond
	for query, want := range map[string]budget{
		"":                         {9500 * ms, 9750 * ms},
		"timeout=10s":              {9500 * ms, 9750 * ms},
		"timeout=1s":               {950 * ms, 975 * ms},
		"timeout=2s":               {1900 * ms, 1950 * ms},
		"timeout=500ms":            {450 * ms, 475 * ms},
		"timeout=50ms":             {25 * ms, 37500 * time.Microsecond},
		"timeout=30s":              {28500 * ms, 29250 * ms},
		"timeout=34s":              {30 * time.Second, 30850 * ms},
		"timeout=1h0m0s":           {30 * time.Second, 31500 * ms},
		"timeout=10s&pretty=false": {9500 * ms, 9750 * ms},
	} {
		if got, err := newBudget(query, 10*time.Second); err != nil || got != want {
			t.Errorf("%q gives %v (%v), not %v", query, got, err, want)
		}
	}
	for query, want := range map[string]string{
		"timeout=10":              "the query's timeout should be a duration above zero, as in ?timeout=10s",
		"timeout=":                "the query's timeout should be a duration above zero, as in ?timeout=10s",
		"timeout=0s":              "the query's timeout should be a duration above zero, as in ?timeout=10s",
		"timeout=-1s":             "the query's timeout should be a duration above zero, as in ?timeout=10s",
		"timeout=99999999999h":    "the query's timeout should be a duration above zero, as in ?timeout=10s",
		"timeout=10s&timeout=20s": "the query has more than one timeout",
		"timeout=%zz":             "the query cannot be read; only ?timeout= is known, as in ?timeout=10s",
		"timeout=1s;timeout=2s":   "the query cannot be read; only ?timeout= is known, as in ?timeout=10s",
	} {
		if _, err := newBudget(query, 10*time.Second); err == nil || err.Error() != want {
			t.Errorf("%q gives %v, not %s", query, err, want)
		}
	}
}

// TestBudgetFitsTheConnection keeps the answer inside what the connection allows to write it.
func TestBudgetFitsTheConnection(t *testing.T) {
	b, err := newBudget("timeout=24h", time.Second)
	if err != nil || b.answer+time.Second > writeTimeout {
		t.Errorf("an answer after %s meets a write timeout of %s (%v)", b.answer, writeTimeout, err)
	}
}
