package registration

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// carriers are the subresources of any kind by which the object itself is written, beside status, which only reports.
func carriers() []Resource {
	return []Resource{{"", "pods", "ephemeralcontainers"}, {"", "pods", "resize"}}
}

// Resources says which resources to name in a rule so as to be asked about all objects of these kinds, "*" standing for any group or kind.
// Served is what discovery tells of all versions of a cluster; kinds that it does not tell of are missing: they may come to be served.
//
// All kinds of a group, or of all groups, are all its resources, with those subresources of Pods that carry the Pod. A kind by its name is
// every resource and subresource whose objects are of that kind. Status is left out: controllers report in it, and would be held up by
// whatever holds up a policy. Only that of a Service routes traffic.
func Resources(kinds []schema.GroupKind, served []*metav1.APIResourceList) (out []Resource, missing []schema.GroupKind) {
	out = []Resource{} // no resources, and not any
	for _, kind := range kinds {
		found := everything(kind.Group)
		if kind.Kind != all {
			found = servedAs(kind, served)
		}
		if len(found) == 0 {
			missing = append(missing, kind)
		}
		out = append(out, found...)
	}
	return tidyResources(out), missing
}

// GuessResources is Resources where there is no cluster to ask: kinds are named in the plural.
func GuessResources(kinds []schema.GroupKind) []Resource {
	out := []Resource{}
	for _, kind := range kinds {
		if kind.Kind == all {
			out = append(out, everything(kind.Group)...)
			continue
		}
		plural := GuessPlural(kind)
		out = append(out, Resource{Group: plural.Group, Resource: plural.Resource})
		for _, carrier := range carriers() {
			if kind.Kind == "Pod" && (kind.Group == carrier.Group || kind.Group == all) {
				out = append(out, carrier)
			}
		}
	}
	return tidyResources(out)
}

// GuessPlural is the plural by which a kind is most likely served, where there is no cluster to ask: Ingress is ingresses, Gateway is
// gateways, NetworkPolicy is networkpolicies.
func GuessPlural(kind schema.GroupKind) schema.GroupResource {
	plural, singular := meta.UnsafeGuessKindToResource(kind.WithVersion(""))
	name := singular.Resource
	if n := len(name); n > 1 && name[n-1] == 'y' && strings.IndexByte("aeiou", name[n-2]) >= 0 { // which would be gatewaies
		plural.Resource = name + "s"
	}
	return plural.GroupResource()
}

// everything is all kinds of a group.
func everything(group string) []Resource {
	out := []Resource{{Group: group, Resource: all}}
	for _, carrier := range carriers() {
		if group == carrier.Group || group == all {
			out = append(out, carrier)
		}
	}
	return out
}

func servedAs(kind schema.GroupKind, served []*metav1.APIResourceList) []Resource {
	var out []Resource
	for _, list := range served {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // it names no resources that a rule could
		}
		for _, r := range list.APIResources {
			group := version.Group // of the objects: a subresource's may be of another than the resource
			if r.Group != "" || r.Version != "" {
				group = r.Group
			}
			name, subresource, _ := strings.Cut(r.Name, "/")
			reports := subresource == "status" && (version.Group != "" || name != "services")
			if r.Kind == kind.Kind && (kind.Group == all || group == kind.Group) && !reports {
				out = append(out, Resource{Group: version.Group, Resource: name, Subresource: subresource})
			}
		}
	}
	return out
}

func tidyResources(list []Resource) []Resource {
	slices.SortFunc(list, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Subresource, b.Subresource))
	})
	return slices.Compact(list)
}
