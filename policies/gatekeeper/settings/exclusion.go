package settings

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// exclusion is an entry of spec.match ready to be asked.
type exclusion struct {
	entry
	selector labels.Selector // nil if there is none
}

// entryError is what is wrong with one field of an entry.
type entryError struct {
	field string
	error
}

func newExclusion(e entry) (exclusion, *entryError) {
	out := exclusion{entry: e}
	for _, list := range []struct {
		field, what string
		names       []string
		empty       bool // the empty name is one, as that of the core group
	}{
		{"apiGroups", "the name of a group, or * for all", e.APIGroups, true},
		{"apiVersions", "a version, as v1, or * for all; its group stands under apiGroups", e.APIVersions, false},
		{"kinds", "a kind, as Pod, or * for all", e.Kinds, false},
	} {
		for _, name := range list.names {
			if name == "" && !list.empty || name != "*" && strings.ContainsAny(name, "*/ ") {
				return out, &entryError{list.field, fmt.Errorf("%s: %q is not %s", list.field, name, list.what)}
			}
		}
	}
	if e.NamespaceSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(e.NamespaceSelector)
		if err != nil {
			return out, &entryError{"namespaceSelector", fmt.Errorf("namespaceSelector: %w", err)}
		}
		out.selector = selector
	}
	return out, nil
}

// from reports whether it is the process from which something is excluded.
func (x *exclusion) from(process Process) bool {
	return slices.Contains(x.Processes, "*") || slices.Contains(x.Processes, string(process))
}

// finer reports whether more is said than names of namespaces.
func (x *exclusion) finer() bool {
	return len(x.APIGroups)+len(x.APIVersions)+len(x.Kinds) > 0 || x.selector != nil
}

// excludes reports whether all that is said holds for the object of a request, or for the old one where there is no new one. What cannot be told
// is not excluded.
func (x *exclusion) excludes(req *review.Request, namespace func() (policies.Namespace, error)) bool {
	inside := req.Target.Inside()
	if len(x.ExcludedNamespaces) > 0 && !slices.ContainsFunc(x.ExcludedNamespaces, func(w match.Wildcard) bool { return w.Covers(inside) }) {
		return false
	}
	object, old, err := req.Heads()
	if object == nil {
		object = old
	}
	if err != nil || object == nil {
		return false
	}
	gv, err := schema.ParseGroupVersion(object.APIVersion)
	if err != nil || !anyOf(x.APIGroups, gv.Group) || !anyOf(x.APIVersions, gv.Version) || !anyOf(x.Kinds, object.Kind) {
		return false
	}
	switch {
	case x.selector == nil:
		return true
	case req.Target.IsNamespace():
		return x.selector.Matches(labels.Set(object.Labels))
	case inside == "": // what is in no namespace is in none that is selected
		return false
	}
	found, err := namespace()
	return err == nil && x.selector.Matches(found.Labels)
}

// anyOf reports whether a list without entries, with an asterisk or with the name is there.
func anyOf(list []string, name string) bool {
	return len(list) == 0 || slices.Contains(list, "*") || slices.Contains(list, name)
}
