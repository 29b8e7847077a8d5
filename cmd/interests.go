package cmd

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// interests are what a policy wants the API server to ask about at admission; parents tells, if it is not nil, which objects imply objects of
// a kind, and resolve in which resources objects of a kind are. What a registration cannot say, as the labels of objects, which are the user's,
// is left to the policies themselves.
func interests(
	spec policies.Spec, parents func([]policies.GroupKind) []policies.GroupKind, resolve func([]schema.GroupKind) []registration.Resource,
) []registration.Interest {
	var out []registration.Interest
	for _, phase := range phases(spec) {
		resources := wantedResources(spec.Match.Resources)
		if kinds := wantedKinds(spec, parents); len(kinds) > 0 {
			resources = resolve(kinds)
		}
		out = append(out, registration.Interest{
			Phase:      phase,
			Resources:  resources,
			Operations: wantedOperations(spec.Match.Operations),
			Namespaces: wantedNamespaces(spec.Match.Namespaces),
			Fail:       spec.FaultBy(review.FromWebhook) == review.EffectDeny,
		})
	}
	return out
}

// wantedKinds are the kinds by which a policy says what it is about, if it does. One written for Gatekeeper that names neither kinds nor
// resources is about all kinds, and that is less than all resources: it is not asked about every status and every subresource.
func wantedKinds(spec policies.Spec, parents func([]policies.GroupKind) []policies.GroupKind) []schema.GroupKind {
	kinds := spec.Match.Kinds
	if spec.Convention == policies.Gatekeeper && len(kinds)+len(spec.Match.Resources) == 0 {
		kinds = []policies.GroupKind{{Group: "*", Kind: "*"}}
	}
	if spec.Convention == policies.Gatekeeper && parents != nil && len(kinds) > 0 && !slices.Contains(kinds, policies.GroupKind{Group: "*", Kind: "*"}) {
		kinds = slices.Concat(kinds, parents(kinds))
	}
	var out []schema.GroupKind
	for _, kind := range kinds {
		out = append(out, schema.GroupKind(kind))
	}
	return out
}

// namesKinds reports whether a policy names a kind for which the cluster must be asked.
func namesKinds(spec policies.Spec, parents func([]policies.GroupKind) []policies.GroupKind) bool {
	return len(phases(spec)) > 0 && slices.ContainsFunc(wantedKinds(spec, parents), func(kind schema.GroupKind) bool { return kind.Kind != "*" })
}

func phases(spec policies.Spec) (out []registration.Phase) {
	if spec.EnforcementBy(review.FromWebhook) == policies.EnforceOff {
		return nil
	}
	for _, rule := range spec.Rules {
		switch rule.Stage {
		case review.Mutate:
			out = append(out, registration.Mutate)
		case review.Validate:
			out = append(out, registration.Validate)
		default: // not asked at admission
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func wantedResources(resources []policies.Resource) []registration.Resource {
	const all = "*"
	var out []registration.Resource
	for _, r := range resources {
		switch {
		case r.Any:
			out = append(out, registration.Resource{Group: all, Resource: all})
		case r.Resource == "":
			out = append(out, registration.Resource{Group: r.Group, Resource: all})
		default:
			out = append(out, registration.Resource{Group: r.Group, Resource: r.Resource, Subresource: r.Subresource})
		}
	}
	return out
}

func wantedOperations(verbs []string) []admissionregistrationv1.OperationType {
	var out []admissionregistrationv1.OperationType
	for _, verb := range verbs {
		out = append(out, admissionregistrationv1.OperationType(strings.ToUpper(verb)))
	}
	return out
}

func wantedNamespaces(globs []policies.Glob) []string {
	var out []string
	for _, glob := range globs {
		out = append(out, string(glob))
	}
	return out
}
