package review

import (
	"errors"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxToken bounds a token in bytes. Tokens of real identity providers with many groups pass 4 KiB; HTTP servers commonly
// refuse headers above 16 KiB, so nothing longer reaches the API server.
const maxToken = 16 << 10

// DialectAuthenticate is a Dialect: TokenReview, authentication.k8s.io/v1 and v1beta1.
func DialectAuthenticate(body []byte) (*Request, func(Decision) any, error) {
	req := &Request{Stage: Authenticate, Body: body}
	length := 0
	version, err := document(body, "TokenReview", []string{"authentication.k8s.io/v1", "authentication.k8s.io/v1beta1"},
		func(r reader, name string) error {
			if name != "spec" {
				return r.other("", name, "spec", "apiVersion", "kind")
			}
			return r.object("spec", func(name string) error {
				switch name {
				case "token":
					token, err := r.Text() // only measured: the bytes stay in Body, which does not print
					length = len(token)
					return within("spec.token", err)
				case "audiences":
					return r.texts("spec.audiences", &req.Audiences)
				default:
					return r.other("spec.", name, "token", "audiences")
				}
			})
		})
	switch {
	case err != nil:
		return nil, nil, err
	case length == 0:
		return nil, nil, errors.New("the TokenReview has no spec.token")
	case length > maxToken:
		return nil, nil, errors.New("spec.token is longer than 16 KiB")
	}
	req.Body, err = inV1(body, authenticationv1.GroupName, "TokenReview", version, nil)
	return req, func(d Decision) any { return tokenAnswer(version, req, d) }, err
}

// Compatible returns those audiences r asks about that are among the ones a token is good for. meant is false if r asks about some and the
// token is good for none of them. A token with no audiences is one nobody looked at, and compatible with whatever r asks: the API server
// takes an answer without audiences to be about itself, and refuses the token to any other service.
func (r *Request) Compatible(audiences []string) (common []string, meant bool) {
	for _, asked := range r.Audiences {
		if slices.Contains(audiences, asked) {
			common = append(common, asked)
		}
	}
	return common, len(common) > 0 || len(r.Audiences) == 0 || len(audiences) == 0
}

// tokenAnswer spells a Decision. A token that is nobody's, one that is refused and one that is meant for others look the same,
// authenticated false without an error; a policy that could not be asked is an error, in whose text no part of the token can be read.
func tokenAnswer(version string, req *Request, d Decision) any {
	out := &authenticationv1.TokenReview{TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: "TokenReview"}}
	audiences, meant := req.Compatible(d.Audiences)
	switch {
	case d.Verdict == Allow && d.Identity != nil && d.Identity.Username != "" && meant:
		out.Status.Authenticated = true
		out.Status.Audiences = audiences
		out.Status.User = authenticationv1.UserInfo{
			Username: d.Identity.Username, UID: d.Identity.UID, Groups: d.Identity.Groups,
		}
		for key, values := range d.Identity.Extra {
			if out.Status.User.Extra == nil {
				out.Status.User.Extra = map[string]authenticationv1.ExtraValue{}
			}
			out.Status.User.Extra[key] = values
		}
	case d.Faulty():
		out.Status.Error = req.HideToken(d.Refusal())
	}
	return out
}
