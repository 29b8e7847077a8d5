package webhook

import (
	"context"
	"io"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Endpoint is one path of the server.
type Endpoint struct {
	Stage    review.Stage    // names the endpoint in metrics and logs
	Path     string          // matched exactly
	MaxBody  int64           // in bytes; a longer review is refused with 413
	Deadline time.Duration   // for callers that do not send ?timeout=
	Dialect  review.Dialect  // reads the review and spells the answer
	Reviewer review.Reviewer // answers; an endpoint without one is not served
	Close    bool            // the connection ends with the answer, so that the next question may reach another replica

	// take and turns are those of Events, which nobody reviews.
	take  func(ctx context.Context, list io.Reader)
	turns chan struct{}
}

// Limits of reviews, each from the largest that can legitimately arrive.
const (
	// A token has at most 16 KiB, since it came to the API server in a header; a character of it that JSON must escape takes
	// two bytes, and audiences stand beside it.
	maxTokenReview = 64 << 10
	// 2,000 groups of 100 bytes is what the largest directories hand out, and label selectors come on top. The API server does
	// not cache what has more than 10,000 bytes, so such reviews are rare.
	maxAccessReview = 256 << 10
	// An object's annotations have at most 256 KiB, twice that when escaped; images' names are small beside them.
	maxImageReview = 1 << 20
	// DefaultMaxAdmission: etcd takes objects of 1.5 MiB by default. A review carries the object and the old one, and is JSON
	// even where they were stored as protobuf: its encoder spells each of <, > and & with six bytes. That is 18 MiB; the rest is
	// for the names of fields, options and managed fields. A review that is refused for its length would pass under Ignore.
	DefaultMaxAdmission = 20 << 20
)

// Deadlines for callers that do not send ?timeout=, as the API server always does: what it allows an admission webhook by
// default, and for questions that hold up every request of a user, what people are willing to wait.
const (
	admissionDeadline = 10 * time.Second
	accessDeadline    = 3 * time.Second
)

// Endpoints is the server's table: one row an endpoint. That table is the product on seven lines. reviewer says who answers at
// each stage; where it returns nil, the path is not served. maxAdmission is the limit of an AdmissionReview in bytes,
// DefaultMaxAdmission if it is 0.
func Endpoints(reviewer func(review.Stage) review.Reviewer, maxAdmission int64) []Endpoint {
	if maxAdmission == 0 {
		maxAdmission = DefaultMaxAdmission
	}
	table := []Endpoint{
		{Stage: review.Authenticate, Path: "/authenticate", MaxBody: maxTokenReview, Deadline: accessDeadline, Dialect: review.DialectAuthenticate},
		{Stage: review.Guard, Path: "/authorize/guard", MaxBody: maxAccessReview, Deadline: accessDeadline, Dialect: review.DialectGuard},
		{Stage: review.Grant, Path: "/authorize/grant", MaxBody: maxAccessReview, Deadline: accessDeadline, Dialect: review.DialectGrant},
		{Stage: review.Mutate, Path: "/mutate", MaxBody: maxAdmission, Deadline: admissionDeadline, Dialect: review.DialectMutate},
		{Stage: review.Validate, Path: "/validate", MaxBody: maxAdmission, Deadline: admissionDeadline, Dialect: review.DialectValidate},
		{Stage: review.Image, Path: "/image", MaxBody: maxImageReview, Deadline: accessDeadline, Dialect: review.DialectImage},
	}
	served := table[:0]
	for _, endpoint := range table {
		if endpoint.Reviewer = reviewer(endpoint.Stage); endpoint.Reviewer != nil {
			served = append(served, endpoint)
		}
	}
	return served
}
