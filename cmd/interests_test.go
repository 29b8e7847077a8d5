package cmd

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

func TestInterestsOfPoliciesThatNameKinds(t *testing.T) {
	violation := []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}
	everything := []registration.Resource{{Subresource: "ephemeralcontainers", Resource: "pods"}, {Subresource: "resize", Resource: "pods"}, {Group: "*", Resource: "*"}}
	by := func(e policies.Enforcement) map[review.Origin]policies.Enforcement {
		return map[review.Origin]policies.Enforcement{review.FromWebhook: e}
	}
	for name, test := range map[string]struct {
		spec policies.Spec
		want []registration.Interest
	}{
		"kinds": {
			policies.Spec{Match: policies.Match{Kinds: []policies.GroupKind{{Group: "apps", Kind: "Deployment"}}, Operations: []string{"create"}}, OnError: policies.OnErrorDeny},
			[]registration.Interest{{Resources: []registration.Resource{{Group: "apps", Resource: "deployments"}}, Operations: wantedOperations([]string{"create"}), Fail: true}},
		},
		"none, as Gatekeeper understands it": {
			policies.Spec{Convention: policies.Gatekeeper, OnError: policies.OnErrorWarn},
			[]registration.Interest{{Resources: everything}},
		},
		"none, as we do": {policies.Spec{OnError: policies.OnErrorWarn}, []registration.Interest{{}}},
		"resources": {
			policies.Spec{Convention: policies.Gatekeeper, Match: policies.Match{Resources: []policies.Resource{{Resource: "pods"}}}, OnError: policies.OnErrorAllow},
			[]registration.Interest{{Resources: []registration.Resource{{Resource: "pods"}}}},
		},
		"a warning at the webhook": {
			policies.Spec{OnError: policies.OnErrorDeny, ByOrigin: by(policies.EnforceWarn)}, []registration.Interest{{}},
		},
		"only at the webhook": {
			policies.Spec{OnError: policies.OnErrorWarn, Enforcement: policies.EnforceOff, ByOrigin: by(policies.EnforceDeny)},
			[]registration.Interest{{Fail: true}},
		},
		"nowhere at the webhook": {policies.Spec{OnError: policies.OnErrorDeny, ByOrigin: by(policies.EnforceOff)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.Rules = violation
			for i := range test.want {
				test.want[i].Phase = registration.Validate
			}
			got := interests([]policies.Spec{test.spec}, func(kinds []schema.GroupKind) []registration.Resource { return registration.GuessResources(kinds) })
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestNamesKinds(t *testing.T) {
	spec := policies.Spec{Convention: policies.Gatekeeper, Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}}
	if namesKinds([]policies.Spec{spec}) {
		t.Error("for all kinds the cluster need not be asked")
	}
	spec.Match.Kinds = []policies.GroupKind{{Group: "apps", Kind: "*"}, {Kind: "Pod"}}
	if !namesKinds([]policies.Spec{spec}) {
		t.Error("what Pods are served as must be asked")
	}
	spec.Enforcement = policies.EnforceOff
	if namesKinds([]policies.Spec{spec}) {
		t.Error("of a policy that is off nobody need know")
	}
}
