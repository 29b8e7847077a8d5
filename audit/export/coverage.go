package export

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/review"
)

// whole sums up the coverage of all resources.
func whole(r *audit.Report) audit.Coverage {
	sum := audit.Coverage{Resource: "all", Skipped: map[string]int{}}
	for _, c := range r.Coverage {
		sum.Listed, sum.Evaluated, sum.Errored = sum.Listed+c.Listed, sum.Evaluated+c.Evaluated, sum.Errored+c.Errored
		for why, n := range c.Skipped {
			sum.Skipped[why] += n
		}
	}
	return sum
}

// unjudged is something of which a report does not know whether it is good.
type unjudged struct {
	What string // a resource, a policy, an object and a policy
	Why  string // one sentence
}

// unjudgedOf is all that could not be judged, policies that cannot know first.
func unjudgedOf(r *audit.Report) (out []unjudged) {
	for _, p := range r.Policies {
		if p.Unaudited != "" {
			out = append(out, unjudged{p.ID, p.Unaudited})
		}
	}
	for _, c := range r.Coverage {
		switch {
		case c.Trouble != "":
			out = append(out, unjudged{c.Resource, c.Trouble})
		case !c.Reconciled():
			out = append(out, unjudged{c.Resource, "What was listed is not what was judged: " + c.Reconciliation() + "."})
		}
	}
	for _, result := range r.Results {
		if outcome(result.Outcome) == outcome(audit.Fault) {
			out = append(out, unjudged{result.Policy + " of " + about(result.Object), result.Message})
		}
	}
	if r.Omitted > 0 {
		out = append(out, unjudged{"results", plural(r.Omitted, "more result is", "more results are") + " counted and not listed, because there are too many."})
	}
	return out
}

// about names an object, and where it was read if that was a file.
func about(o audit.Object) string {
	if at := place(o); at != "" {
		return o.String() + " (" + at + ")"
	}
	return o.String()
}

// place is the file and row of an object, "" of one in a cluster.
func place(o audit.Object) string {
	if o.File == "" || o.Row == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Row)
}

// outcome is the word for people.
func outcome(o audit.Outcome) string {
	switch o {
	case audit.Fail, audit.Warn, audit.Pass:
		return string(o)
	case audit.Skip:
		return "excepted"
	default:
		return "error"
	}
}

// said is the message of a result with the field that it is about and the exception that lifts it, as reviews say it.
func said(r audit.Result) string {
	return strings.TrimPrefix(review.Finding{Message: r.Message, Field: r.Field, Exception: r.Exception}.String(), ": ")
}

// exception is what lifts a result, in words.
func exception(e review.Exception) string {
	return e.Name + " until " + day(e.Expires) + ": " + e.Reason
}
