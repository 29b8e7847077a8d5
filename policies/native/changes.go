package native

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// inPods is the entry of match.changes for whatever makes Pods what they are.
const inPods = "pods"

// ofPods is what of a Pod the API server lets be changed and a policy on its containers would judge, which is what Kubernetes' own Pod
// Security admission looks at, and where the built-in kinds have their Pod template. Custom resources whose template is not declared
// are taken to have theirs where Deployments do.
func ofPods() []policies.Path {
	return []policies.Path{
		"spec.containers.image", "spec.initContainers.image", "spec.ephemeralContainers.image",
		"spec.template", "spec.jobTemplate", "template",
	}
}

var ofMembers = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$`)

// changes reads match.changes; over is the match of the document, if there is one.
func changes(m v1alpha1.Match, over *v1alpha1.Match, spec policies.Spec) (out []policies.Path, err error) {
	inherited := over != nil && over.Stage != nil && over.Changes == nil
	if len(m.Changes) > 0 && !inherited && !slices.ContainsFunc(spec.Rules, func(r policies.Rule) bool {
		return r.Stage == review.Validate || r.Stage == review.Mutate
	}) {
		return nil, under(errors.New("match.changes is for the stage admission: at guard, grant and image nothing is updated"), "match", "changes")
	}
	for i, text := range m.Changes {
		if text == inPods {
			out = append(append(out, ofPods()...), elsewhere(spec)...)
			continue
		}
		err := fmt.Errorf(`%q is not a path; write names of members with dots between them, as "spec.template", or "pods"`, text)
		if ofMembers.MatchString(text) {
			err = policies.Path(text).Check(spec.Objects)
		}
		if err != nil {
			return nil, under(fmt.Errorf("match.changes: %w", err), "match", "changes", strconv.Itoa(i))
		}
		out = append(out, policies.Path(text))
	}
	return out, nil
}

// elsewhere are the paths at which custom resources have what makes Pods: the templates that the parameters declare. Of a kind for which
// nothing is declared everything counts, since its name alone, Pod, may make it one to the helper packages.
func elsewhere(spec policies.Spec) (out []policies.Path) {
	declared, _ := templatesIn(spec.Parameters)
	for _, at := range declared {
		out = append(out, policies.Path(at))
	}
	undeclared := func(r policies.Resource) bool {
		return r.Any || builtIn()[r.Group] == nil && declared[r.Resource+"."+r.Group] == ""
	}
	if len(spec.Match.Resources) == 0 || slices.ContainsFunc(spec.Match.Resources, undeclared) {
		out = append(out, "spec")
	}
	slices.Sort(out)
	return slices.Compact(out)
}
