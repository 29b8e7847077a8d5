package webhook

import (
	"errors"
	"net/url"
	"time"
)

const (
	// maxReview: the API server gives a request 34 seconds in all and a webhook 30 of them at most.
	maxReview = 30 * time.Second
	// minMargin and marginShare are kept from the caller's timeout for the way there and back: the larger of the two.
	minMargin   = 50 * time.Millisecond
	marginShare = 20 // a twentieth, 5 %
)

// budget divides the time the caller allows.
type budget struct {
	review time.Duration // after this the Reviewer's context ends
	answer time.Duration // after this the caller is answered, whatever the Reviewer does
}

// newBudget reads ?timeout=, a duration such as "10s". The API server rounds it up to whole seconds. A Reviewer that respects its
// context has half the margin left to say how it ended; the other half is the way back's.
func newBudget(query string, absent time.Duration) (budget, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return budget{}, errors.New("the query cannot be read; only ?timeout= is known, as in ?timeout=10s")
	}
	timeout := absent
	switch given := values["timeout"]; len(given) {
	case 0:
	case 1:
		if timeout, err = time.ParseDuration(given[0]); err != nil || timeout <= 0 {
			return budget{}, errors.New("the query's timeout should be a duration above zero, as in ?timeout=10s")
		}
	default:
		return budget{}, errors.New("the query has more than one timeout")
	}
	margin := max(minMargin, timeout/marginShare)
	margin = min(margin, timeout/2) // whoever allows less than 100 ms
	review := min(timeout-margin, maxReview)
	return budget{review: review, answer: review + min(margin/2, maxReview/20)}, nil
}
