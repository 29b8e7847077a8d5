package gatekeeper

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxTargets bounds how many kinds of objects, of all groups and versions, one mutator names. A cluster has some hundred.
const maxTargets = 4096

// target is an element of spec.applyTo: all kinds in all versions of all groups, at the operations.
type target struct {
	groups, versions, names []string
	operations              []string // none is all
}

func (t target) kinds() []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, group := range t.groups {
		for _, version := range t.versions {
			for _, name := range t.names {
				out = append(out, schema.GroupVersionKind{Group: group, Version: version, Kind: name})
			}
		}
	}
	return out
}

// at reports whether the target is of an operation. An object that is not of a request, as one that is expanded offline, has none.
func (t target) at(operation string) bool {
	return operation == "" || len(t.operations) == 0 || slices.Contains(t.operations, operation)
}

// appliesTo takes kind and operation from the same element. An asterisk is a name like any other.
func (m *Mutator) appliesTo(kind schema.GroupVersionKind, operation string) bool {
	return slices.ContainsFunc(m.applyTo, func(t target) bool {
		return t.at(operation) && slices.Contains(t.groups, kind.Group) && slices.Contains(t.versions, kind.Version) &&
			slices.Contains(t.names, kind.Kind)
	})
}

// readTargets reads spec.applyTo.
func readTargets(f field) ([]target, error) {
	list, err := f.list()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, f.wrong("it is missing; name the groups, versions and kinds of the objects to be changed")
	}
	var out []target
	count, useful := 0, false
	for _, f := range list {
		members, err := f.object("groups", "kinds", "operations", "versions")
		if err != nil {
			return nil, err
		}
		var t target
		for _, list := range []struct {
			name string
			into *[]string
		}{{"groups", &t.groups}, {"versions", &t.versions}, {"kinds", &t.names}, {"operations", &t.operations}} {
			f := members.get(list.name)
			if *list.into, err = f.texts(); err != nil {
				return nil, err
			}
			if len(*list.into) == 0 && list.name != "operations" {
				return nil, f.wrong("it is empty; an element of applyTo names at least one group, which may be \"\", one version and one kind")
			}
		}
		for _, operation := range t.operations {
			if !slices.Contains([]string{"CREATE", "UPDATE", "DELETE", "CONNECT"}, operation) {
				return nil, members.get("operations").wrong("%q is no operation; there are CREATE, UPDATE, DELETE and CONNECT", operation)
			}
		}
		if count += len(t.groups) * len(t.versions) * len(t.names); count > maxTargets {
			return nil, f.wrong("all of applyTo names more than %d kinds of objects", maxTargets)
		}
		useful = useful || !wild(t.groups) && !wild(t.versions) && !wild(t.names)
		out = append(out, t)
	}
	if !useful {
		return nil, f.wrong(`"*" is no wildcard here, so that the mutator would never apply; name groups, versions and kinds`)
	}
	return out, nil
}

// wild reports whether a list has nothing but asterisks.
func wild(list []string) bool {
	return !slices.ContainsFunc(list, func(name string) bool { return name != "*" })
}
