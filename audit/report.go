package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// MaxResults bounds the results a Report holds: with names and messages that repeat kept once they are about 60 MB. What is beyond is counted.
const MaxResults = 200_000

// Report is all that is known of a cluster, or of files, at one moment. It is a value nobody changes any more once it was handed over.
type Report struct {
	Cluster  string    `json:"cluster,omitempty"` // as the kubeconfig or the operator names it; empty for files
	At       time.Time `json:"at"`
	Revision string    `json:"revision"`          // which policies judged
	Policies []Policy  `json:"policies"`          // all in force, by ID
	Results  []Result  `json:"results"`           // all that is not a pass, ordered by Compare; at most MaxResults
	Omitted  int       `json:"omitted,omitempty"` // results beyond that bound
	// Counts has how often each policy came to each outcome, those omitted included; by policy.
	Counts map[string]Counts `json:"counts"`
	// Namespaces has the same by namespace, "" being what is in none; nil where passes are not counted by it.
	Namespaces map[string]Counts `json:"namespaces,omitempty"`
	Coverage   []Coverage        `json:"coverage"` // by resource
}

// Counts are numbers of pairs of an object and a policy by their outcome. A pair with several results counts once, by the worst.
type Counts struct {
	Pass  int `json:"pass"`
	Fail  int `json:"fail"`
	Warn  int `json:"warn"`
	Skip  int `json:"skip"`
	Fault int `json:"error"`
}

// Add counts one more pair of an outcome; an unknown one is a fault.
func (c *Counts) Add(o Outcome) {
	switch o {
	case Pass:
		c.Pass++
	case Fail:
		c.Fail++
	case Warn:
		c.Warn++
	case Skip:
		c.Skip++
	default:
		c.Fault++
	}
}

// Plus is the sum of both.
func (c Counts) Plus(d Counts) Counts {
	return Counts{Pass: c.Pass + d.Pass, Fail: c.Fail + d.Fail, Warn: c.Warn + d.Warn, Skip: c.Skip + d.Skip, Fault: c.Fault + d.Fault}
}

// Coverage says of one resource whether all of it was judged.
type Coverage struct {
	Resource  string         `json:"resource"` // as policies name it: "pods", "deployments.apps"
	Listed    int            `json:"listed"`
	Evaluated int            `json:"evaluated"`
	Skipped   map[string]int `json:"skipped,omitempty"` // not judged, by the reason, as "namespace is exempt"
	Errored   int            `json:"errored,omitempty"` // objects which some policy could not be asked about, or that could not be read
	Trouble   string         `json:"trouble,omitempty"` // why it could not be listed to the end, as one sentence; empty if it was
}

// Reconciled reports whether what was listed is what was evaluated, skipped and errored, and nothing stood in the way.
func (c Coverage) Reconciled() bool {
	sum := c.Evaluated + c.Errored
	for _, n := range c.Skipped {
		sum += n
	}
	return c.Trouble == "" && sum == c.Listed
}

// Reconciliation says how what was listed is what was evaluated, skipped and errored, or that it is not: "3 listed = 2 evaluated + 1 skipped (1: namespace is exempt) + 0 errored".
func (c Coverage) Reconciliation() string {
	var reasons []string
	skipped := 0
	for _, why := range slices.Sorted(maps.Keys(c.Skipped)) {
		skipped += c.Skipped[why]
		reasons = append(reasons, fmt.Sprintf("%d: %s", c.Skipped[why], why))
	}
	equals := "="
	if c.Listed != c.Evaluated+skipped+c.Errored {
		equals = "≠"
	}
	out := fmt.Sprintf("%d listed %s %d evaluated + %d skipped", c.Listed, equals, c.Evaluated, skipped)
	if len(reasons) > 0 {
		out += " (" + strings.Join(reasons, "; ") + ")"
	}
	return out + fmt.Sprintf(" + %d errored", c.Errored)
}

// Total is the sum over all policies.
func (r *Report) Total() Counts {
	var sum Counts
	for _, c := range r.Counts {
		sum = sum.Plus(c)
	}
	return sum
}

// Whole reports whether everything that had to be judged was, without a fault.
func (r *Report) Whole() bool {
	return r.Omitted == 0 && !slices.ContainsFunc(r.Coverage, func(c Coverage) bool { return !c.Reconciled() || c.Errored > 0 })
}

// Controls are all that policies say they hold, in order.
func (r *Report) Controls() []string {
	all := map[string]bool{}
	for _, p := range r.Policies {
		for _, c := range p.Controls {
			all[c] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
