package cmd

import (
	"context"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/portcullis-dev/portcullis/webhook/controlplane"
)

// rounds is how often each question is asked: few enough to be nothing to a server, many enough to stand out among what others ask at the
// same time.
const rounds = 10

// authorizers asks the API server about users that do not exist, and sees in its own metrics whom it asked: about what RBAC allows
// everybody, it must have asked the guard and not the grant; about what RBAC allows nobody, both.
func (d *doctor) authorizers(ctx context.Context) ([]check, error) {
	allowed, err := d.askAccess(ctx, "/api")
	if err != nil {
		return nil, err
	}
	refused, err := d.askAccess(ctx, "/portcullis-doctor")
	if err != nil {
		return nil, err
	}
	return []check{
		judgeAuthorizer("guard", controlplane.GuardName, "before", allowed, refused),
		judgeAuthorizer("grant", controlplane.GrantName, "after", allowed, refused),
	}, nil
}

// asked is how often authorizers were asked, by name: with an answer, and without.
type asked struct{ answered, unanswered map[string]float64 }

func judgeAuthorizer(topic, name, place string, allowed, refused asked) check {
	before := allowed.answered[name]+allowed.unanswered[name] >= rounds
	answered, unanswered := refused.answered[name], refused.unanswered[name]
	switch {
	case unanswered > 0:
		return check{
			topic, checkFail, fmt.Sprintf("the API server asks %s and has no answer", name),
			"see that the address in its kubeconfig reaches a Portcullis, and that the certificates fit",
		}
	case answered < rounds && !before:
		return check{
			topic, checkWarn, fmt.Sprintf("the API server does not ask an authorizer named %s", name),
			"if policies of this stage shall count, set it up: portcullis setup --callouts " + topic,
		}
	case topic == "guard" && !before:
		return check{topic, checkFail, name + " is asked after RBAC, and cannot stop what RBAC allows", "move it before RBAC in the AuthorizationConfiguration"}
	case topic == "grant" && before:
		return check{topic, checkWarn, name + " is asked before RBAC, about every request that RBAC would allow", "move it after RBAC in the AuthorizationConfiguration"}
	}
	return check{topic, checkOK, fmt.Sprintf("%s answers, %s RBAC", name, place), ""}
}

// askAccess asks whether users without a name may get a path, and returns whom the API server asked meanwhile.
func (d *doctor) askAccess(ctx context.Context, path string) (asked, error) {
	before, err := d.evaluations(ctx)
	if err != nil {
		return asked{}, err
	}
	for range rounds {
		_, err := d.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "portcullis-doctor-" + rand.String(12), Groups: []string{"system:authenticated"}, // another each time: answers are kept
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: path},
		}}, metav1.CreateOptions{})
		if err != nil {
			return asked{}, err
		}
	}
	after, err := d.evaluations(ctx)
	for name := range after.answered {
		after.answered[name] -= before.answered[name]
	}
	for name := range after.unanswered {
		after.unanswered[name] -= before.unanswered[name]
	}
	return after, err
}

func (d *doctor) evaluations(ctx context.Context) (asked, error) {
	out := asked{map[string]float64{}, map[string]float64{}}
	samples, err := d.metrics(ctx, "apiserver_authorization_webhook_evaluations_total")
	for _, s := range samples {
		if s.labels["result"] == "success" {
			out.answered[s.labels["name"]] += s.value
		} else {
			out.unanswered[s.labels["name"]] += s.value
		}
	}
	return out, err
}

// tokens asks about tokens that nobody has, and sees in the API server's metrics whether it asked anybody else.
func (d *doctor) tokens(ctx context.Context) ([]check, error) {
	before, err := d.posts(ctx)
	if err != nil {
		return nil, err
	}
	trouble := ""
	for range rounds {
		review, err := d.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: "portcullis-doctor-" + rand.String(32)},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if strings.Contains(review.Status.Error, "https://") { // an address it could not ask; what a token lacks is said without one
			trouble = review.Status.Error
		}
	}
	after, err := d.posts(ctx)
	if err != nil {
		return nil, err
	}
	if trouble != "" {
		return []check{{
			"tokens", checkFail, "the API server asks about tokens and has no answer: " + trouble,
			"see that the address in its kubeconfig reaches a Portcullis, and that the certificates fit",
		}}, nil
	}
	for host, n := range after {
		if n-before[host] >= rounds {
			return []check{{"tokens", checkOK, "the API server asks " + host + " about tokens, which answers", ""}}, nil
		}
	}
	return []check{{
		"tokens", checkWarn, "the API server asks no webhook about tokens",
		"if policies shall say whose tokens are accepted, set it up: portcullis setup --callouts authenticate",
	}}, nil
}

// posts are how often the API server has posted anything that was answered, by host.
func (d *doctor) posts(ctx context.Context) (map[string]float64, error) {
	samples, err := d.metrics(ctx, "rest_client_requests_total")
	out := map[string]float64{}
	for _, s := range samples {
		if s.labels["method"] == "POST" && strings.HasPrefix(s.labels["code"], "2") {
			out[s.labels["host"]] += s.value
		}
	}
	return out, err
}
