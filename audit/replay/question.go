package replay

import (
	"errors"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// QuestionOf is what a decision record answers, ready to be asked again. An error says in words why it cannot be: it is no record of a decision, or
// what the request was about was taken out of it.
func QuestionOf(r *decisions.Record) (Question, error) {
	one := exchangeOfRecord(r)
	switch {
	case one.why != "":
		return Question{}, errors.New(one.why)
	case one.asked.req == nil:
		return Question{}, errors.New("it is no record of a decision")
	}
	return Question{Request: one.asked.req, At: one.at, Unknown: one.asked.unknown}, nil
}
