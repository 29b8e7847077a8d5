package registration

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// demand is what one webhook must be asked about; without namespaces it is anywhere.
type demand struct {
	atoms      []atom
	namespaces []string
}

// demand is what is left of an interest when what is never asked about is left out.
func (i Interest) demand() demand {
	return demand{namespaces: i.Namespaces, atoms: slices.DeleteFunc(i.atoms(), func(a atom) bool {
		// In a delete there is nothing to change, and a patch would fail the request.
		return spared(a.Resource) || i.Phase == Mutate && a.operation == admissionregistrationv1.Delete
	})}
}

// join makes one demand of several. It can name namespaces only if each of them does.
func join(demands []demand) demand {
	var out demand
	named := true
	for _, d := range demands {
		out.atoms = append(out.atoms, d.atoms...)
		out.namespaces = append(out.namespaces, d.namespaces...)
		named = named && len(d.namespaces) > 0
	}
	out.atoms, out.namespaces = reduce(out.atoms), reduceGlobs(out.namespaces)
	if !named || len(out.namespaces) > maxGlobs {
		out.namespaces = nil
	}
	return out
}

// without leaves out what other is asked about anyway. If other names namespaces, that is only so within them.
func (d demand) without(other demand) demand {
	within := len(other.namespaces) == 0 || len(d.namespaces) > 0 &&
		!slices.ContainsFunc(d.namespaces, func(glob string) bool { return !globsCover(other.namespaces, glob) })
	if within {
		d.atoms = slices.DeleteFunc(d.atoms, func(a atom) bool { return covered(other.atoms, a) })
	}
	return d
}

// split shares a phase's interests out to its two webhooks.
func split(phase Phase, interests []Interest) (enforce, observe demand) {
	var fail, ignore []demand
	for _, i := range interests {
		d := i.demand()
		switch {
		case i.Phase != phase || len(d.atoms) == 0:
		case i.Fail:
			fail = append(fail, d)
		default:
			ignore = append(ignore, d)
		}
	}
	enforce = join(fail)
	var rest []demand
	for _, d := range ignore {
		if d = d.without(enforce); len(d.atoms) > 0 {
			rest = append(rest, d)
		}
	}
	return enforce, join(rest)
}
