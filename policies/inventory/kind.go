package inventory

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Root is the member of data under which the inventory lies.
const Root = "kubernetes"

// Kind names a kind of objects as policies do: by plural and group, "ingresses.networking.k8s.io", or by the plural alone in the core
// group, "pods". Kinds that are shown at data.inventory are named as they are there, and listed in that very version:
// "networking.k8s.io/v1/Ingress", "v1/Pod".
type Kind string

// SyncedKind is the Kind of what is shown at data.inventory.
func SyncedKind(gvk schema.GroupVersionKind) Kind {
	return Kind(gvk.GroupVersion().String() + "/" + gvk.Kind)
}

// GroupVersionKind is what a SyncedKind was made of; false for the other Kinds.
func (k Kind) GroupVersionKind() (schema.GroupVersionKind, bool) {
	at := strings.LastIndex(string(k), "/")
	if at < 0 {
		return schema.GroupVersionKind{}, false
	}
	return schema.FromAPIVersionAndKind(string(k[:at]), string(k[at+1:])), true
}

// ParseKind reads a Kind. It knows nothing of which kinds there are.
func ParseKind(text string) (Kind, error) {
	plural, group, grouped := strings.Cut(text, ".")
	if len(validation.IsDNS1035Label(plural)) > 0 || grouped && len(validation.IsDNS1123Subdomain(group)) > 0 {
		return "", fmt.Errorf(`%q is not a kind of objects; write its plural, and its group unless that is the core group, such as "pods" or "ingresses.networking.k8s.io"`, text)
	}
	return Kind(text), nil
}

// GroupResource is the kind as Kubernetes' clients name it.
func (k Kind) GroupResource() schema.GroupResource { return schema.ParseGroupResource(string(k)) }
