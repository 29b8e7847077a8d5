package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	take(&out.Changes, over.Changes)
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

// match makes a policies.Match of what METADATA or a Policy object says. A legacy package says nothing and sees everything.
func match(m v1alpha1.Match, asked []policies.Rule, legacy bool) (out policies.Match, err error) {
	stage := asked[0].Stage
	admission := stage == review.Validate || stage == review.Mutate
	for i, text := range m.Resources {
		if text == "*/*" || text == "*" && !admission {
			// To who asks for permission "*" is everything, subresources and paths included, as it is in RBAC.
			out.Resources = nil
			return conditions(out, m, asked, legacy)
		}
		found, err := readResource(text, stage)
		if err != nil {
			return out, under(fmt.Errorf("match.resources: %w", err), "match", "resources", strconv.Itoa(i))
		}
		out.Resources = append(out.Resources, found...)
	}
	if admission && !legacy && len(out.Resources) == 0 {
		if out.Resources, err = readResource("*", stage); err != nil {
			return out, err
		}
	}
	return conditions(out, m, asked, legacy)
}

// objects are the resources whose fields a policy may read. A document may narrow or replace what METADATA says, and the rules for what is left
// out are none the worse for that; if it takes a package that names no resources, they were written for any.
func objects(said *v1alpha1.Match, uses bool, spec policies.Spec) []policies.Resource {
	if said == nil || said.Resources == nil {
		if uses {
			return nil
		}
		return spec.Match.Resources
	}
	written, err := match(v1alpha1.Match{Resources: said.Resources}, spec.Rules, false)
	if err != nil || written.Resources == nil || spec.Match.Resources == nil {
		return nil
	}
	return slices.Concat(written.Resources, spec.Match.Resources)
}

// conditions adds to a match all that is not about resources.
func conditions(out policies.Match, m v1alpha1.Match, asked []policies.Rule, legacy bool) (_ policies.Match, err error) {
	if err := neverHolds(m, asked); err != nil {
		return out, err
	}
	stage := asked[0].Stage
	admission := stage == review.Validate || stage == review.Mutate
	if out.Operations, err = operations(m.Operations, admission, legacy); err != nil {
		return out, err
	}
	if len(m.Users)+len(m.Groups) > 0 && stage != review.Guard && stage != review.Grant {
		wrong := "users"
		if len(m.Users) == 0 {
			wrong = "groups"
		}
		return out, under(errors.New("match.users and match.groups are for the stages guard and grant"), "match", wrong)
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
		for i, text := range list.from {
			glob, err := policies.ParseGlob(text)
			if err != nil {
				return out, under(fmt.Errorf("match.%s: %w", list.name, err), "match", list.name, strconv.Itoa(i))
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
	for i, operation := range given {
		switch operation {
		case "*":
			return nil, nil
		case "CREATE", "UPDATE", "DELETE", "CONNECT":
			out = append(out, strings.ToLower(operation))
		default:
			err := fmt.Errorf(`match.operations: %q is none of CREATE, UPDATE, DELETE, CONNECT and "*"`, operation)
			return nil, under(err, "match", "operations", strconv.Itoa(i))
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
		return nil, under(fmt.Errorf("match.%s: %w", name, err), "match", name)
	}
	return out, nil
}
