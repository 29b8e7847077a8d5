package webhook

import (
	"context"

	"github.com/portcullis-dev/portcullis/review"
)

// Exempt allows the admission of anything in the given namespaces, and of those Namespace objects themselves, without asking: so
// that no policy can keep Portcullis, or the cluster under it, from starting. The webhook configurations' selectors should have
// kept such reviews away already. Questions of other stages are always asked: an exemption there would be a grant.
func Exempt(namespaces ...string) Decorator {
	exempt := map[string]bool{}
	for _, namespace := range namespaces {
		if namespace != "" { // the namespace of everything that has none
			exempt[namespace] = true
		}
	}
	return func(next review.Reviewer) review.Reviewer {
		return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
			if (req.Stage == review.Mutate || req.Stage == review.Validate) && exempt[req.Target.Inside()] {
				return review.Decision{Verdict: review.Allow}, nil
			}
			return next.Review(ctx, req)
		})
	}
}
