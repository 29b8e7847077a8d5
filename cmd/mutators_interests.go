package cmd

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// interest is what a mutator wants the API server to ask about. As in an installation of Gatekeeper a request goes on unchanged when no
// answer comes; what must not be admitted unchanged is for a policy to refuse.
func (m *mutator) interest(resolve func([]schema.GroupKind) []registration.Resource) registration.Interest {
	var operations []admissionregistrationv1.OperationType
	for _, operation := range gatekeeperOperations() {
		operations = append(operations, admissionregistrationv1.OperationType(operation))
	}
	return registration.Interest{Phase: registration.Mutate, Resources: resolve(m.kinds()), Operations: operations}
}

// namesKinds reports whether a mutator names a kind for which the cluster must be asked.
func (m *mutator) namesKinds() bool {
	return slices.ContainsFunc(m.kinds(), func(kind schema.GroupKind) bool { return kind.Kind != "*" })
}

// kinds are those of the objects that the mutator may be about: where it says what it applies to those, and else those of its match.
func (m *mutator) kinds() (out []schema.GroupKind) {
	add := func(kind schema.GroupKind) {
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	if targets := m.Targets(); len(targets) > 0 {
		for _, kind := range targets {
			if kind.Group != "*" && kind.Kind != "*" { // a name like any other there, and of nothing that there is
				add(kind.GroupKind())
			}
		}
		return out
	}
	if len(m.match.Kinds) == 0 {
		add(schema.GroupKind{Group: "*", Kind: "*"})
	}
	orAny := func(list []string) []string {
		if len(list) == 0 {
			return []string{"*"}
		}
		return list
	}
	for _, entry := range m.match.Kinds {
		for _, group := range orAny(entry.APIGroups) {
			for _, kind := range orAny(entry.Kinds) {
				add(schema.GroupKind{Group: group, Kind: kind})
			}
		}
	}
	return out
}
