package webhook

import "github.com/portcullis-dev/portcullis/review"

// maxLogged bounds what one attribute of a log line takes from elsewhere.
const maxLogged = 1024

// redact returns text, an error's, as one line in which no part of the token that req is about can be read. Req may be nil.
func redact(req *review.Request, text string) string {
	if req != nil {
		text = req.HideToken(text)
	}
	return review.Sentence(text, maxLogged)
}
