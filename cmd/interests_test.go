package cmd

import (
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

func TestInterestsOfPoliciesThatNameKinds(t *testing.T) {
	noParents := func([]policies.GroupKind) []policies.GroupKind { return nil }
	violation := []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}
	everything := []registration.Resource{{Subresource: "ephemeralcontainers", Resource: "pods"}, {Subresource: "resize", Resource: "pods"}, {Group: "*", Resource: "*"}}
	by := func(e policies.Enforcement) map[review.Origin]policies.Enforcement {
		return map[review.Origin]policies.Enforcement{review.FromWebhook: e}
	}
	for name, test := range map[string]struct {
		spec    policies.Spec
		want    []registration.Interest
		parents func([]policies.GroupKind) []policies.GroupKind
	}{
		"kinds": {
			policies.Spec{Match: policies.Match{Kinds: []policies.GroupKind{{Group: "apps", Kind: "Deployment"}}, Operations: []string{"create"}}, OnError: policies.OnErrorDeny},
			[]registration.Interest{{Resources: []registration.Resource{{Group: "apps", Resource: "deployments"}}, Operations: wantedOperations([]string{"create"}), Fail: true}},
			noParents,
		},
		"kinds that others imply": {
			spec: policies.Spec{Convention: policies.Gatekeeper, Match: policies.Match{Kinds: []policies.GroupKind{{Kind: "Pod"}}}},
			parents: func(kinds []policies.GroupKind) []policies.GroupKind {
				if !slices.Equal(kinds, []policies.GroupKind{{Kind: "Pod"}}) {
					t.Errorf("asked for the parents of %v", kinds)
				}
				return []policies.GroupKind{{Group: "apps", Kind: "Deployment"}}
			},
			want: []registration.Interest{{Resources: registration.GuessResources([]schema.GroupKind{{Kind: "Pod"}, {Group: "apps", Kind: "Deployment"}}), Fail: true}},
		},
		"none, as Gatekeeper understands it": {
			policies.Spec{Convention: policies.Gatekeeper, OnError: policies.OnErrorWarn},
			[]registration.Interest{{Resources: everything}},
			noParents,
		},
		"none, as we do": {policies.Spec{OnError: policies.OnErrorWarn}, []registration.Interest{{}}, noParents},
		"resources": {
			policies.Spec{Convention: policies.Gatekeeper, Match: policies.Match{Resources: []policies.Resource{{Resource: "pods"}}}, OnError: policies.OnErrorAllow},
			[]registration.Interest{{Resources: []registration.Resource{{Resource: "pods"}}}},
			noParents,
		},
		"a warning at the webhook": {
			policies.Spec{OnError: policies.OnErrorDeny, ByOrigin: by(policies.EnforceWarn)}, []registration.Interest{{}}, noParents,
		},
		"only at the webhook": {
			policies.Spec{OnError: policies.OnErrorWarn, Enforcement: policies.EnforceOff, ByOrigin: by(policies.EnforceDeny)},
			[]registration.Interest{{Fail: true}},
			noParents,
		},
		"nowhere at the webhook": {policies.Spec{OnError: policies.OnErrorDeny, ByOrigin: by(policies.EnforceOff)}, nil, noParents},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.Rules = violation
			for i := range test.want {
				test.want[i].Phase = registration.Validate
			}
			got := interests(test.spec, test.parents, registration.GuessResources)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestNamesKinds(t *testing.T) {
	spec := policies.Spec{Convention: policies.Gatekeeper, Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}}
	if namesKinds(spec, nil) {
		t.Error("for all kinds the cluster need not be asked")
	}
	spec.Match.Kinds = []policies.GroupKind{{Group: "apps", Kind: "*"}, {Kind: "Pod"}}
	if !namesKinds(spec, nil) {
		t.Error("what Pods are served as must be asked")
	}
	spec.Enforcement = policies.EnforceOff
	if namesKinds(spec, nil) {
		t.Error("of a policy that is off nobody need know")
	}
}
