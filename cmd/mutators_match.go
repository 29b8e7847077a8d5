package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/mutators/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// surroundings are what mutators know beside the request.
type surroundings struct {
	namespaces policies.Namespaces                    // nil knows none
	await      func(context.Context, *review.Request) // see policies.WithArrivals; may be nil
	asked      func(mutator string)                   // told which mutators are about an object; may be nil
	// spares reports whether mutators are not about a request at all; nil spares none.
	spares func(req *review.Request, namespace func() (policies.Namespace, error)) bool
}

// matching reads the match of one mutator, which it also leaves at into.
func (s surroundings) matching(id gatekeeper.ID, into **match.Match) gatekeeper.Match {
	return func(text json.RawMessage) (gatekeeper.Matcher, error) {
		m, err := readMatch(text)
		if err != nil {
			return nil, err
		}
		*into = m
		return gatekeeper.MatcherFunc(func(req *review.Request, obj *unstructured.Unstructured) (bool, error) {
			if s.spares != nil && s.spares(req, func() (policies.Namespace, error) { return s.namespace(req.Target.Namespace) }) {
				return false, nil
			}
			holds, err := m.Holds(s.about(req, obj))
			if s.asked != nil && (holds || err != nil) {
				s.asked(id.String())
			}
			return holds, err
		}), nil
	}
}

// about is what is asked about an object as it is now.
func (s surroundings) about(req *review.Request, obj *unstructured.Unstructured) match.Review {
	kind := obj.GroupVersionKind()
	out := match.Review{
		Object: &match.Object{
			Group: kind.Group, Kind: kind.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName(), GenerateName: obj.GetGenerateName(),
			Labels: obj.GetLabels(),
		},
		Source: match.Original, Process: "mutation-webhook",
	}
	if req.ImpliedBy != "" {
		out.Source = match.Generated
	}
	if !req.Target.IsNamespace() {
		out.Namespace = req.Target.Namespace
	}
	name := out.Namespace
	if name == "" {
		name = out.Object.Namespace
	}
	out.Labels = func() (map[string]string, error) {
		ns, err := s.namespace(name)
		return ns.Labels, err
	}
	return out
}

func (s surroundings) namespace(name string) (policies.Namespace, error) {
	if s.namespaces != nil {
		if ns, known := s.namespaces(name); known {
			return ns, nil
		}
	}
	return policies.Namespace{}, fmt.Errorf("namespace %q: %w", name, errNamespaceNotKnown)
}

// errNamespaceNotKnown is why it cannot be told whether a mutator is about an object.
var errNamespaceNotKnown = errors.New(
	"the namespace is not known here (yet); serve learns of namespaces with --kubeconfig, review from Namespaces among the files")

// readMatch reads spec.match. It knows the fields that Gatekeeper's schema has, and no others.
func readMatch(text json.RawMessage) (*match.Match, error) {
	var criteria match.Criteria
	err := utiljson.Unmarshal(text, &criteria)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, errors.New(native.Mistyped(wrong.Field, wrong))
	}
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := utiljson.Unmarshal(text, &content); err != nil {
		return nil, err
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, &match.Criteria{}, true)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		return nil, fmt.Errorf("%w; correct the spelling, or leave it out", strict.Errors()[0])
	}
	if err != nil {
		return nil, err
	}
	for _, process := range criteria.Processes {
		if known := []string{"audit", "webhook", "sync", "mutation-webhook", "*"}; !slices.Contains(known, process) {
			return nil, fmt.Errorf("processes: %q is none of %s", process, strings.Join(known, ", "))
		}
	}
	m, err := criteria.Compile()
	if wrong, ok := errors.AsType[*match.Error](err); ok {
		return nil, errors.New(strings.TrimPrefix(wrong.Error(), "match."))
	}
	return m, err
}
