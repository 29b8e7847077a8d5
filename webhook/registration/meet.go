package registration

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// meet returns what two lists of interests have in common: what both are asked about, with Fail where both say so. Where namespaces
// overlap in a way that no list of patterns says, it is too much rather than too little.
func meet(a, b []Interest) []Interest {
	others := tidy(b)
	var out []Interest
	for _, x := range tidy(a) {
		for _, y := range others {
			namespaces, overlap := meetGlobs(x.namespaces, y.namespaces)
			if x.phase != y.phase || !overlap {
				continue
			}
			var atoms []atom
			for _, p := range x.atoms {
				for _, q := range y.atoms {
					if common, ok := p.meet(q); ok {
						atoms = append(atoms, common)
					}
				}
			}
			out = append(out, interests(wish{x.phase, x.fail && y.fail, demand{reduce(atoms), namespaces}})...)
		}
	}
	return out
}

// wish is interests that differ in their resources, operations and scopes only.
type wish struct {
	phase Phase
	fail  bool
	demand
}

// tidy joins interests, so that comparing two lists does not take the product of all their policies.
func tidy(given []Interest) []wish {
	var out []wish
	at := map[string]int{}
	for _, i := range given {
		globs := reduceGlobs(i.Namespaces)
		key := fmt.Sprint(i.Phase, i.Fail, list(globs))
		n, known := at[key]
		if !known {
			n = len(out)
			at[key] = n
			out = append(out, wish{phase: i.Phase, fail: i.Fail, demand: demand{namespaces: globs}})
		}
		out[n].atoms = append(out[n].atoms, i.demand().atoms...)
	}
	for n := range out {
		out[n].atoms = reduce(out[n].atoms)
	}
	return out
}

// interests says a wish as interests, one for each atom.
func interests(w wish) []Interest {
	var out []Interest
	for _, a := range w.atoms {
		out = append(out, Interest{
			Phase: w.phase, Resources: []Resource{a.Resource}, Operations: []admissionregistrationv1.OperationType{a.operation},
			Namespaces: w.namespaces, Scope: a.scope, Fail: w.fail,
		})
	}
	return out
}

// registered reads back what a live configuration is asked about. Its namespaces are in a condition that is not read: they count as any.
func registered(phase Phase, hooks []admissionregistrationv1.MutatingWebhook) []Interest {
	var out []Interest
	for _, hook := range hooks {
		if fail := hook.Name == enforceName(phase); fail || hook.Name == observeName(phase) {
			out = append(out, interests(wish{phase, fail, demand{atoms: read(hook.Rules)}})...)
		}
	}
	return out
}
