package native

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// narrow returns base with every field that over gives.
func narrow(base, over *v1alpha1.Match) v1alpha1.Match {
	var out v1alpha1.Match
	if base != nil {
		out = *base
	}
	if over == nil {
		return out
	}
	take := func(into *[]string, from []string) {
		if from != nil {
			*into = from
		}
	}
	if over.Stage != nil {
		out.Stage = over.Stage
	}
	take(&out.Resources, over.Resources)
	take(&out.Operations, over.Operations)
	take(&out.Namespaces, over.Namespaces)
	take(&out.ExcludeNamespaces, over.ExcludeNamespaces)
	take(&out.Users, over.Users)
	take(&out.Groups, over.Groups)
	if over.Labels != nil {
		out.Labels = over.Labels
	}
	if over.NamespaceLabels != nil {
		out.NamespaceLabels = over.NamespaceLabels
	}
	return out
}

// rules tells which rules of a package are asked at which stage: deny at the stages match names, by default at admission; the others
// have one stage each.
func rules(modules []module, stages v1alpha1.Stages) ([]policies.Rule, error) {
	defines := func(name string) bool {
		return slices.ContainsFunc(modules, func(m module) bool { return m.defines(name) })
	}
	if len(stages) == 0 {
		stages = v1alpha1.Stages{"admission"}
		if !defines("deny") && !defines("warn") && !defines("mutate") && !defines("user") && defines("allow") {
			return nil, fmt.Errorf(`the package defines allow alone; write "stage: grant" in match if it is to allow what RBAC does not`)
		}
	}
	if len(stages) > 1 && (slices.Contains(stages, "guard") || slices.Contains(stages, "grant")) {
		return nil, fmt.Errorf("guard and grant stand alone in stage: what resources and operations mean there is not what they mean elsewhere")
	}
	var out []policies.Rule
	add := func(stage review.Stage, name string) {
		if defines(name) {
			out = append(out, policies.Rule{Stage: stage, Name: name})
		}
	}
	add(review.Authenticate, "user")
	if len(out) > 0 {
		add(review.Authenticate, "deny")
		return out, nil
	}
	for _, stage := range stages {
		switch stage {
		case "admission":
			add(review.Validate, "deny")
			add(review.Validate, "warn")
			add(review.Mutate, "mutate")
		case "guard":
			add(review.Guard, "deny")
		case "grant":
			add(review.Grant, "allow")
		case "image":
			add(review.Image, "deny")
		default:
			return nil, fmt.Errorf("stage %q is none of admission, guard, grant and image", stage)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the package defines none of the rules asked at stage %s", strings.Join(stages, ", "))
	}
	return out, nil
}

// match makes a policies.Match of what METADATA or a Policy object says. A legacy package says nothing and sees everything.
func match(m v1alpha1.Match, asked []policies.Rule, legacy bool) (out policies.Match, err error) {
	stage := asked[0].Stage
	admission := stage == review.Validate || stage == review.Mutate
	for _, text := range m.Resources {
		if text == "*/*" || text == "*" && !admission {
			// To who asks for permission "*" is everything, subresources and paths included, as it is in RBAC.
			out.Resources = nil
			return conditions(out, m, stage, legacy)
		}
		found, err := resource(text, stage)
		if err != nil {
			return out, fmt.Errorf("match.resources: %w", err)
		}
		out.Resources = append(out.Resources, found...)
	}
	if admission && !legacy && len(out.Resources) == 0 {
		if out.Resources, err = resource("*", stage); err != nil {
			return out, err
		}
	}
	return conditions(out, m, stage, legacy)
}

// conditions adds to a match all that is not about resources.
func conditions(out policies.Match, m v1alpha1.Match, stage review.Stage, legacy bool) (_ policies.Match, err error) {
	admission := stage == review.Validate || stage == review.Mutate
	if out.Operations, err = operations(m.Operations, admission, legacy); err != nil {
		return out, err
	}
	if len(m.Users)+len(m.Groups) > 0 && stage != review.Guard && stage != review.Grant {
		return out, fmt.Errorf("match.users and match.groups are for the stages guard and grant")
	}
	for _, list := range []struct {
		name string
		from []string
		into *[]policies.Glob
	}{
		{"namespaces", m.Namespaces, &out.Namespaces},
		{"excludeNamespaces", m.ExcludeNamespaces, &out.ExcludeNamespaces},
		{"users", m.Users, &out.Users},
		{"groups", m.Groups, &out.Groups},
	} {
		for _, text := range list.from {
			glob, err := policies.ParseGlob(text)
			if err != nil {
				return out, fmt.Errorf("match.%s: %w", list.name, err)
			}
			*list.into = append(*list.into, glob)
		}
	}
	if out.Labels, err = selector("labels", m.Labels); err != nil {
		return out, err
	}
	out.NamespaceLabels, err = selector("namespaceLabels", m.NamespaceLabels)
	return out, err
}

func operations(given []string, admission, legacy bool) ([]string, error) {
	if !admission {
		var out []string
		for _, verb := range given {
			if verb == "*" {
				return nil, nil
			}
			out = append(out, strings.ToLower(verb))
		}
		return out, nil
	}
	if len(given) == 0 {
		if legacy {
			return nil, nil
		}
		return []string{"create", "update"}, nil
	}
	var out []string
	for _, operation := range given {
		switch operation {
		case "*":
			return nil, nil
		case "CREATE", "UPDATE", "DELETE", "CONNECT":
			out = append(out, strings.ToLower(operation))
		default:
			return nil, fmt.Errorf(`match.operations: %q is none of CREATE, UPDATE, DELETE, CONNECT and "*"`, operation)
		}
	}
	return out, nil
}

func selector(name string, given *metav1.LabelSelector) (labels.Selector, error) {
	if given == nil {
		return nil, nil
	}
	out, err := metav1.LabelSelectorAsSelector(given)
	if err != nil {
		return nil, fmt.Errorf("match.%s: %w", name, err)
	}
	return out, nil
}
