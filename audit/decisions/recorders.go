package decisions

import (
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Recorders hear the same; each writes to a Sink of its own, at its own pace.
type Recorders []*Recorder

// Hear has an answer recorded by all, as Recorder.Hear.
func (r Recorders) Hear(req *review.Request, d review.Decision, err error, start time.Time) {
	for _, recorder := range r {
		recorder.Hear(req, d, err, start)
	}
}

// HearEvent has an event recorded by all, as Recorder.HearEvent.
func (r Recorders) HearEvent(event Event, credential string) {
	for _, recorder := range r {
		recorder.HearEvent(event, credential)
	}
}
