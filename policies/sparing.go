package policies

import "github.com/portcullis-dev/portcullis/review"

// Sparing says about which requests no policy of the Gatekeeper convention is asked, nor about what their objects imply. It is safe for
// concurrent use.
type Sparing interface {
	// Spares reports whether the request is spared; one of which that cannot be told is not. namespace is as for a Matcher.
	Spares(req *review.Request, namespace func() (Namespace, error)) bool
}

// WithSparing has policies of the Gatekeeper convention not asked about what is spared. Without it, or with nil, nothing is.
func WithSparing(sparing Sparing) Option { return func(s *Set) { s.sparing = sparing } }

// spares reports whether the request is spared; one that is implied is where its parent was not.
func (s *Set) spares(req *review.Request, namespace func() (Namespace, error)) bool {
	return s.sparing != nil && req.ImpliedBy == "" && s.sparing.Spares(req, namespace)
}
