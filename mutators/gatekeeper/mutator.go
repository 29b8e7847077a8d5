package gatekeeper

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/review"
)

// Matcher is what spec.match of a mutator says. Matches is asked about obj as earlier mutators have left it; req is the question as it was
// received, and says in which namespace an object is that does not name one itself. An error means that it cannot be told, and never "no".
// Where the object comes from, match.source, is known to whoever makes the Matcher. It is safe for concurrent use.
type Matcher interface {
	Matches(req *review.Request, obj *unstructured.Unstructured) (bool, error)
}

// MatcherFunc is a function that is a Matcher.
type MatcherFunc func(req *review.Request, obj *unstructured.Unstructured) (bool, error)

// Matches calls f.
func (f MatcherFunc) Matches(req *review.Request, obj *unstructured.Unstructured) (bool, error) {
	return f(req, obj)
}

// Match makes a Matcher of the field spec.match, which is an object, {} where it is not given.
type Match func(match json.RawMessage) (Matcher, error)

// Mutator is one mutator of Gatekeeper's. It is immutable and safe for concurrent use, and it is a mutators.Mutator.
type Mutator struct {
	id       ID
	at       string
	applyTo  []target // none for AssignMetadata, which applies to everything
	matcher  Matcher
	location path
	ends     shape // what its location leads to
	tests    tests
	setter   setter
}

// ID names a mutator.
type ID struct{ Kind, Name string }

// String is "Assign/name".
func (id ID) String() string { return id.Kind + "/" + id.Name }

// ID returns the mutator's kind and name.
func (m *Mutator) ID() ID { return m.id }

// Name is the mutator's ID as text.
func (m *Mutator) Name() string { return m.id.String() }

// Targets returns the kinds of objects to which the mutator applies, whatever its match says. None is all kinds.
func (m *Mutator) Targets() []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, t := range m.applyTo {
		out = append(out, t.kinds()...)
	}
	return out
}

// Mutate applies the mutator to obj once, if it is about it, without asking a Provider. An error means that it cannot be told what obj should
// be, which is of no use then.
func (m *Mutator) Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error {
	concerned, err := m.concerns(req, obj)
	if err != nil || !concerned {
		return err
	}
	o := &open{answers: newAnswers(nil)}
	if _, err = m.change(req, obj, o); err != nil {
		return err
	}
	return o.resolve(ctx, obj)
}

// Provider is the name of the one that has to say what is assigned; empty if none has.
func (m *Mutator) Provider() string {
	if s, ok := m.setter.(assigned); ok && s.value.external != nil {
		return s.value.external.provider
	}
	return ""
}

// concerns reports whether the mutator is about obj.
func (m *Mutator) concerns(req *review.Request, obj *unstructured.Unstructured) (bool, error) {
	if m.applyTo != nil && !m.appliesTo(obj.GroupVersionKind(), strings.ToUpper(req.Verb)) {
		return false, nil
	}
	matches, err := m.matcher.Matches(req, obj)
	if err != nil {
		return false, fmt.Errorf("it cannot be told whether %s is about the object: %w", m.id, err)
	}
	return matches, nil
}

// change applies the mutator, and reports whether that changed obj.
func (m *Mutator) change(req *review.Request, obj *unstructured.Unstructured, o *open) (bool, error) {
	a := aboutOf(req, obj)
	a.mutator, a.open = m, o
	w := walk{path: m.location, tests: m.tests, setter: m.setter, about: a}
	_, changed, err := w.into(obj.Object, 0)
	if err != nil {
		return false, fmt.Errorf("%s cannot be applied: %w", m.id, err)
	}
	return changed, nil
}

// aboutOf says what obj is called. The request knows the namespace of an object that does not name it; a Namespace is in none.
func aboutOf(req *review.Request, obj *unstructured.Unstructured) about {
	out := about{name: obj.GetName(), namespace: obj.GetNamespace(), user: req.User.Username}
	if out.namespace == "" && !req.Target.IsNamespace() {
		out.namespace = req.Target.Namespace
	}
	return out
}
