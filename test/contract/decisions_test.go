package contract

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/props"
)

// The decision log has what the API server was answered, and never a verdict that came when it had been told that there is none.
func TestAReviewThatOverranIsRecordedAsItWasAnswered(t *testing.T) {
	decisions, release, returned := &props.Buffer{}, make(chan struct{}), make(chan struct{})
	s := serve(t, nil, func(o *setup) {
		o.decisions = decisions
		o.around = func(review.Reviewer) review.Reviewer {
			return review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
				defer close(returned)
				<-release // deaf to its context
				return review.Decision{Verdict: review.Allow}, nil
			})
		}
	})
	const path = "/validate"
	got := s.post(t, path+"?timeout=100ms", []byte(endpoints[path]))
	close(release)
	<-returned
	s.stop()
	if message := got.status(t).Message; got.code != 503 || message != "no answer is available now: the review was not finished in time" {
		t.Errorf("answered %d %s", got.code, message)
	}
	var record struct {
		Result *struct{} `json:"result"`
		Error  string    `json:"error"`
	}
	must(t, json.Unmarshal([]byte(decisions.String()), &record)) // one line, or it is not JSON
	if record.Result != nil || record.Error != got.status(t).Message {
		t.Errorf("the record is %s", decisions)
	}
}
