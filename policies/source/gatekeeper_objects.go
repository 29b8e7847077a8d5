package source

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Followed is a kind of Gatekeeper's that is followed.
type Followed struct {
	Resource schema.GroupVersionResource
	// List returns its objects as they are known now, status and all. They must not be changed.
	List func() []*unstructured.Unstructured
}

// Followed returns the kinds that are followed now.
func (g *Gatekeeper) Followed() []Followed {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.followed
}

// OnChange has f called when objects, which includes their status, or the CRDs of constraints may have changed. f must not block. It is to be
// called before Run.
func (g *Gatekeeper) OnChange(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changed = append(g.changed, f)
}

func (f *theirFollower) followed() (out []Followed) {
	all := slices.Collect(maps.Values(f.own))
	for _, k := range slices.Concat(all, slices.Collect(maps.Values(f.constraints))) {
		out = append(out, Followed{Resource: k.at, List: k.objects})
	}
	return out
}

// objects are those that are known.
func (k *kind) objects() (out []*unstructured.Unstructured) {
	for _, object := range k.informer.GetStore().List() {
		if u, ok := object.(*unstructured.Unstructured); ok {
			out = append(out, u)
		}
	}
	return out
}

// VersionOf is what tells this version of an object of Gatekeeper's from others, as Versions has it.
func VersionOf(u *unstructured.Unstructured) string { return version(gatekeeperFile(u)) }
