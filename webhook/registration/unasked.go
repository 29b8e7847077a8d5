package registration

import (
	"slices"
	"strings"
)

// Unasked says, in sentences for whoever wrote a policy, about what of its interests the API server is never asked; nothing if about none of
// them. all says that it is asked about nothing else. exempt are the namespaces that are never asked about. Of an Interest in no resources
// there is nothing to say here: why there are none, as that the cluster does not serve their kinds, its maker knows.
func Unasked(interests []Interest, exempt []string) (sentences []string, all bool) {
	var resources, namespaces []string
	deleted, left := false, false
	for _, i := range interests {
		for _, r := range Spared(i) {
			resources = append(resources, r.String())
		}
		atoms := i.demand().atoms
		none := i.Resources != nil && len(i.Resources) == 0
		deleted = deleted || !none && len(atoms) == 0 && len(Spared(i)) < max(1, len(i.Resources))
		outside := len(i.Namespaces) == 0
		for _, glob := range i.Namespaces {
			if slices.Contains(exempt, glob) {
				namespaces = append(namespaces, glob)
			} else {
				outside = true
			}
		}
		left = left || outside && len(atoms) > 0
	}
	list := func(names []string) string {
		slices.Sort(names)
		return strings.Join(slices.Compact(names), ", ")
	}
	if len(resources) > 0 {
		sentences = append(sentences, "the API server is never asked about "+list(resources)+
			", by which a cluster gets Portcullis back; who may write them can be judged at stage guard")
	}
	if len(namespaces) > 0 {
		sentences = append(sentences, "the API server is never asked about what is in "+list(namespaces)+
			", which is exempt; who may write there can be judged at stage guard")
	}
	if deleted && !left {
		sentences = append(sentences, "the API server is never asked to change what is being deleted")
	}
	return sentences, !left && len(interests) > 0
}

// String spells a resource as a policy's match does, "leases.coordination.k8s.io".
func (r Resource) String() string {
	out := r.Resource
	if r.Group != "" {
		out += "." + r.Group
	}
	if r.Subresource != "" {
		out += "/" + r.Subresource
	}
	return out
}
