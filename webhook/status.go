package webhook

import (
	"encoding/json"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/review"
)

// errTooManyBodies is an error with reason shed.
var errTooManyBodies = review.Unavailable("too many large reviews are arriving at once")

// refusal is why a request got no review: its HTTP code and the sentence the caller reads.
type refusal struct {
	code    int
	message string
}

func (f *refusal) Error() string { return f.message }

func failure(code int, message string) error { return &refusal{code: code, message: message} }

// reasons are the names Kubernetes gives to codes; clients look at them rather than at sentences.
func reason(code int) metav1.StatusReason {
	switch code {
	case http.StatusBadRequest:
		return metav1.StatusReasonBadRequest
	case http.StatusNotFound:
		return metav1.StatusReasonNotFound
	case http.StatusMethodNotAllowed:
		return metav1.StatusReasonMethodNotAllowed
	case http.StatusRequestTimeout:
		return metav1.StatusReasonTimeout
	case http.StatusRequestEntityTooLarge:
		return metav1.StatusReasonRequestEntityTooLarge
	case http.StatusUnsupportedMediaType:
		return metav1.StatusReasonUnsupportedMediaType
	case http.StatusInternalServerError:
		return metav1.StatusReasonInternalError
	case http.StatusServiceUnavailable:
		return metav1.StatusReasonServiceUnavailable
	default:
		return metav1.StatusReasonUnknown
	}
}

// retryAfter is how many seconds a caller should wait before asking again. client-go repeats a POST answered with an error and this
// header, within its own timeout and up to ten times, and none without it; a second lets another replica or a new policy set in.
const retryAfter = 1

// writeStatus answers with a Kubernetes Status, which clients show to people.
func writeStatus(w http.ResponseWriter, code int, message string) {
	status := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure,
		Message:  message,
		Reason:   reason(code),
		Code:     int32(code), //nolint:gosec // three digits
	}
	if code >= http.StatusInternalServerError {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: retryAfter}
	}
	body, err := json.Marshal(status)
	if err != nil { // it is made of strings and numbers
		body = nil
	}
	writeJSON(w, code, body)
}

// writeJSON answers with a body of known length, so that a connection that breaks is not taken for the end of an answer.
func writeJSON(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) //nolint:gosec // JSON, and said to be; a caller that is gone cannot be told
}
