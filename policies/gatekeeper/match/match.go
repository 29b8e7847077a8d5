// Package match says which objects a constraint or a mutator of Gatekeeper's is about. It keeps Gatekeeper's answers where one would expect
// others: an object without a namespace is in every list of namespaces, and in no list of those left out.
package match

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Criteria is the field match of a constraint or a mutator. All that is given must hold; what is not given always does.
type Criteria struct {
	Source             Source                `json:"source,omitempty"`
	Kinds              []Kinds               `json:"kinds,omitempty"`
	Scope              string                `json:"scope,omitempty"` // "Cluster" or "Namespaced"; any other text is all
	Namespaces         []Wildcard            `json:"namespaces,omitempty"`
	ExcludedNamespaces []Wildcard            `json:"excludedNamespaces,omitempty"`
	Processes          []string              `json:"processes,omitempty"` // for which ExcludedNamespaces holds; none, or "*" among them, is all
	LabelSelector      *metav1.LabelSelector `json:"labelSelector,omitempty"`
	NamespaceSelector  *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	Name               Wildcard              `json:"name,omitempty"`
}

// Kinds names kinds of objects: every one of Kinds in every one of APIGroups. "*" is any, and so is an empty list.
type Kinds struct {
	APIGroups []string `json:"apiGroups,omitempty"`
	Kinds     []string `json:"kinds,omitempty"`
}

// Source is where an object comes from.
type Source string

// The sources. Generated is what an ExpansionTemplate made of another object. All, or nothing, is for criteria alone.
const (
	All       Source = "All"
	Original  Source = "Original"
	Generated Source = "Generated"
)

// Object is what the criteria ask of an object.
type Object struct {
	Group, Kind, Namespace, Name string
	GenerateName                 string // of which the API server makes the name if there is none
	Labels                       map[string]string
}

func (o *Object) isNamespace() bool { return o.Group == "" && o.Kind == "Namespace" }

// Review is what is matched: an object, the old one in its place, or both.
type Review struct {
	Object, Old *Object
	// Namespace is the name of the namespace that the question is put in; empty if it is put in none, or that is not known.
	Namespace string
	// Labels returns the labels of the Namespace object. An error means that it is not known.
	Labels  func() (map[string]string, error)
	Source  Source // Original or Generated; empty if it is neither, as for reviews that a person wrote
	Process string // "webhook" or "audit"
}

// Match is Criteria ready to be asked. It is immutable and safe for concurrent use.
type Match struct {
	Criteria
	object, namespace labels.Selector
}

// Error is what is wrong with one field of criteria.
type Error struct {
	Path []string // to the field, below match
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives errors.Is and errors.As the error itself.
func (e *Error) Unwrap() error { return e.Err }

// Compile makes criteria ready to be asked, or says what is wrong with them, as an *Error.
func (c Criteria) Compile() (*Match, error) {
	m := &Match{Criteria: c}
	switch c.Source {
	case "", All, Original, Generated:
	default:
		return nil, &Error{[]string{"source"}, fmt.Errorf("match.source %q is none of All, Original and Generated", c.Source)}
	}
	for _, list := range []struct {
		name  string
		cards []Wildcard
	}{{"namespaces", c.Namespaces}, {"excludedNamespaces", c.ExcludedNamespaces}, {"name", []Wildcard{c.Name}}} {
		for i, card := range list.cards {
			if !card.Valid() {
				path := []string{list.name, strconv.Itoa(i)}
				if list.name == "name" {
					path = path[:1]
				}
				return nil, &Error{path, fmt.Errorf("match.%s: %q is not the name of anything; "+
					"a name has lower case letters, digits and dashes, and may begin and end with an asterisk", list.name, card)}
			}
		}
	}
	for _, given := range []struct {
		name string
		from *metav1.LabelSelector
		into *labels.Selector
	}{{"labelSelector", c.LabelSelector, &m.object}, {"namespaceSelector", c.NamespaceSelector, &m.namespace}} {
		if given.from == nil {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(given.from)
		if err != nil {
			return nil, &Error{[]string{given.name}, fmt.Errorf("match.%s: %w", given.name, err)}
		}
		*given.into = selector
	}
	return m, nil
}

var (
	errNothing  = errors.New("the request has neither an object nor an old one, so that it cannot be matched")
	errNoSource = errors.New("match.source is given, and it is not known whether the object is original or generated")
)

// Holds reports whether the criteria hold for the object or for the old one. An error means that it cannot be told, and never "no".
func (m *Match) Holds(r Review) (bool, error) {
	if r.Object == nil && r.Old == nil {
		return false, errNothing
	}
	for _, object := range []*Object{r.Object, r.Old} {
		if object == nil {
			continue
		}
		if holds, err := m.holds(object, &r); holds || err != nil {
			return holds, err
		}
	}
	return false, nil
}

// holds asks in Gatekeeper's order, which decides whether an error or a no comes first.
func (m *Match) holds(o *Object, r *Review) (bool, error) {
	if !m.ofKind(o) || !m.inScope(o, r) || !m.inNamespaces(o, r) || m.excluded(o, r) {
		return false, nil
	}
	if m.object != nil && !m.object.Matches(labels.Set(o.Labels)) {
		return false, nil
	}
	if selected, err := m.namespaceSelected(o, r); !selected || err != nil {
		return false, err
	}
	if m.Name != "" && !m.Name.Covers(o.Name) && !m.Name.coversBeginning(o.GenerateName) {
		return false, nil
	}
	switch {
	case m.Source == "" || m.Source == All:
		return true, nil
	case r.Source == "":
		return false, errNoSource
	}
	return m.Source == r.Source, nil
}

func (m *Match) ofKind(o *Object) bool {
	return len(m.Kinds) == 0 || slices.ContainsFunc(m.Kinds, func(k Kinds) bool {
		return anyOf(k.Kinds, o.Kind) && anyOf(k.APIGroups, o.Group)
	})
}

// anyOf reports whether a list without entries, with an asterisk or with the name is there.
func anyOf(list []string, name string) bool {
	return len(list) == 0 || slices.Contains(list, "*") || slices.Contains(list, name)
}

func (m *Match) inScope(o *Object, r *Review) bool {
	namespaced := !o.isNamespace() && (o.Namespace != "" || r.Namespace != "")
	switch m.Scope {
	case "Cluster":
		return !namespaced
	case "Namespaced":
		return namespaced
	}
	return true
}

// inside is the name of the namespace that the lists of namespaces are about; empty if there is none to be found.
func (o *Object) inside(r *Review) string {
	switch {
	case o.isNamespace():
		return o.Name
	case r.Namespace != "":
		return r.Namespace
	}
	return o.Namespace
}

func (m *Match) inNamespaces(o *Object, r *Review) bool {
	if len(m.Namespaces) == 0 || !o.isNamespace() && o.inside(r) == "" {
		return true
	}
	return anyCovers(m.Namespaces, o.inside(r))
}

func (m *Match) excluded(o *Object, r *Review) bool {
	if len(m.ExcludedNamespaces) == 0 || !anyOf(m.Processes, r.Process) || !o.isNamespace() && o.inside(r) == "" {
		return false
	}
	return anyCovers(m.ExcludedNamespaces, o.inside(r))
}

func (m *Match) namespaceSelected(o *Object, r *Review) (bool, error) {
	switch {
	case m.namespace == nil:
		return true, nil
	case o.isNamespace():
		return m.namespace.Matches(labels.Set(o.Labels)), nil
	case o.Namespace == "" && r.Namespace == "":
		return true, nil
	}
	found, err := r.Labels()
	if err != nil {
		return false, fmt.Errorf("match.namespaceSelector: %w", err)
	}
	return m.namespace.Matches(labels.Set(found)), nil
}
