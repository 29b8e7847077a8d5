package policies

import (
	"context"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/portcullis-dev/portcullis/review"
)

// A policy for tokens that panics or takes too long is a fault, and what the answer says of it holds nothing of the token.
func TestAFaultOfATokenPolicyIsToldWithoutTheToken(t *testing.T) {
	const token = "Tok3n-Canary-8d1f2a7c5b9e4410"
	const never = `package a
user := {"username": input.spec.token} if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a + b < 0 }`
	const ever = "package a\nuser := {\"username\": input.spec.token}"
	for name, c := range map[string]struct {
		policy string
		spoil  func(*Set)
		want   string
	}{
		"a panic": {
			ever, func(s *Set) { s.policies[0].store = panicking{s.policies[0].store, token} },
			"a: the policy could not be evaluated: its evaluation panicked",
		},
		"too late": {never, func(*Set) {}, "a: the policy could not be evaluated: it did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			req, answer, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"` + token + `"}}`))
			if err != nil {
				t.Fatal(err)
			}
			set := compiled(t, specOf(t, "a", c.policy, at(review.Authenticate, "user")))
			c.spoil(set)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			d, err := set.Review(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			out, ok := answer(d).(*authenticationv1.TokenReview)
			if !ok || out.Status.Authenticated || out.Status.Error != c.want {
				t.Errorf("%+v, want the error %q", out, c.want)
			}
		})
	}
}

// panicking is a store that panics with words.
type panicking struct {
	storage.Store
	words string
}

func (p panicking) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	panic("cannot read " + p.words)
}
