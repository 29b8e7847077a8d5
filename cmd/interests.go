package cmd

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// interests are what a policy wants the API server to ask about at admission. What a registration cannot say, as the labels of objects, which
// are the user's, is left to the policies themselves.
func interests(spec policies.Spec) []registration.Interest {
	var out []registration.Interest
	for _, phase := range phases(spec) {
		out = append(out, registration.Interest{
			Phase:      phase,
			Resources:  wantedResources(spec.Match.Resources),
			Operations: wantedOperations(spec.Match.Operations),
			Namespaces: wantedNamespaces(spec.Match.Namespaces),
			Fail:       spec.OnError == policies.OnErrorDeny,
		})
	}
	return out
}

func phases(spec policies.Spec) (out []registration.Phase) {
	if spec.Enforcement == policies.EnforceOff {
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
