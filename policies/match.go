package policies

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// Resource is one entry of Match.Resources. Any is every resource of any group, without subresources; a Resource with only a
// Group is every resource of that group, without subresources.
type Resource struct {
	Any                          bool
	Group, Resource, Subresource string
}

// Match says which requests a policy is asked about. All conditions must hold; an empty one always does.
type Match struct {
	Resources                     []Resource
	Operations                    []string // as review.Request.Verb spells them, "create"
	Namespaces, ExcludeNamespaces []Glob
	Labels, NamespaceLabels       labels.Selector // nil matches everything
	Users, Groups                 []Glob
	// Changes are what an UPDATE at admission must change for the policy to be asked: one of them suffices. What is there of none of them
	// does not count, and so it is asked about an object without any such members.
	Changes []Path
	// Kinds are those of the object itself, by its own apiVersion and kind, or of the old object where there is no new one.
	Kinds []GroupKind
	// Further is a condition of the front end's own; nil always holds.
	Further Matcher
}

// Glob is a name with at most one asterisk at its start and one at its end: "a", "a-*", "*-a", "*a*".
type Glob string

// Match reports whether the glob covers name.
func (g Glob) Match(name string) bool {
	pattern := string(g)
	prefix, suffix := strings.HasSuffix(pattern, "*"), strings.HasPrefix(pattern, "*")
	switch {
	case pattern == "*":
		return true
	case prefix && suffix:
		return strings.Contains(name, pattern[1:len(pattern)-1])
	case prefix:
		return strings.HasPrefix(name, pattern[:len(pattern)-1])
	case suffix:
		return strings.HasSuffix(name, pattern[1:])
	}
	return pattern == name
}

// ParseGlob returns the glob that text spells, or an error when it has an asterisk in the middle.
func ParseGlob(text string) (Glob, error) {
	if text == "" {
		return "", errors.New("an empty name matches nothing")
	}
	if strings.Contains(strings.TrimSuffix(strings.TrimPrefix(text, "*"), "*"), "*") {
		return "", fmt.Errorf("%q has an asterisk in the middle; a name may start and end with one", text)
	}
	return Glob(text), nil
}

func anyGlob(globs []Glob, name string) bool {
	return slices.ContainsFunc(globs, func(g Glob) bool { return g.Match(name) })
}

// Namespace is what policies may know of a namespace.
type Namespace struct {
	Labels labels.Set
	Object Value // the Namespace object, input.namespace
}

// Namespaces looks a namespace up, without asking anyone over a network: it is called while a request waits.
type Namespaces func(name string) (Namespace, bool)

// covers reports whether the match holds for what the index has not already settled: resource and operation. An error means it cannot
// be told, which is a fault of the policy and never "no match".
func (m Match) covers(req *review.Request, namespace func() (Namespace, error)) (bool, error) {
	if len(m.Users)+len(m.Groups) > 0 &&
		!anyGlob(m.Users, req.User.Username) &&
		!slices.ContainsFunc(req.User.Groups, func(group string) bool { return anyGlob(m.Groups, group) }) {
		return false, nil
	}
	name := req.Target.Inside()
	// To a guard, a question about all namespaces is one about each: who lists the Secrets of all lists those of the sealed one.
	everywhere := name == "" && req.Stage == review.Guard && req.Target.Resource != ""
	if len(m.Namespaces) > 0 && !everywhere && (name == "" || !anyGlob(m.Namespaces, name)) {
		return false, nil
	}
	if name != "" && anyGlob(m.ExcludeNamespaces, name) {
		return false, nil
	}
	// A grant is the other way round: who may list the Pods of all namespaces may list those of the ones it leaves out.
	if name == "" && req.Stage == review.Grant && (len(m.ExcludeNamespaces) > 0 || m.NamespaceLabels != nil) {
		return false, nil
	}
	if m.Labels != nil {
		found, err := eitherLabels(m.Labels, req)
		if err != nil || !found {
			return false, err
		}
	}
	if m.NamespaceLabels != nil && name != "" {
		if found, err := m.namespaceLabels(req, namespace); err != nil || !found {
			return false, err
		}
	}
	if m.Further != nil {
		return m.Further.Covers(req, namespace)
	}
	return true, nil
}

func (m Match) namespaceLabels(req *review.Request, namespace func() (Namespace, error)) (bool, error) {
	if req.Target.IsNamespace() {
		return eitherLabels(m.NamespaceLabels, req)
	}
	ns, err := namespace()
	if err != nil {
		return false, err
	}
	return m.NamespaceLabels.Matches(ns.Labels), nil
}

// eitherLabels reports whether the labels of the new or of the old object match: a request that takes the label away is still about
// a labelled object.
func eitherLabels(selector labels.Selector, req *review.Request) (bool, error) {
	for _, object := range []review.Raw{req.Object, req.OldObject} {
		if len(object) == 0 {
			continue
		}
		set, err := labelsOf(object)
		if err != nil {
			return false, fmt.Errorf("the object's labels cannot be read: %w", err)
		}
		if selector.Matches(set) {
			return true, nil
		}
	}
	return len(req.Object)+len(req.OldObject) == 0 && selector.Matches(labels.Set{}), nil
}

// labelsOf reads metadata.labels out of an object without decoding the rest.
func labelsOf(object []byte) (labels.Set, error) {
	set := labels.Set{}
	d := rawjson.NewDecoder(object)
	member := func(wanted string, then func() error) func([]byte) error {
		return func(name []byte) error {
			if string(name) != wanted || d.Kind() != rawjson.Object {
				return d.Skip()
			}
			return then()
		}
	}
	err := d.Object(member("metadata", func() error {
		return d.Object(member("labels", func() error {
			return d.Object(func(name []byte) error {
				key := string(name)
				value, err := d.String()
				set[key] = value
				return err
			})
		}))
	}))
	return set, err
}
