package fields

import (
	"cmp"
	"reflect"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Release is that of Kubernetes whose kinds are known.
const Release = "1.37"

// Resource is one resource that requests are about. All of a group, or all there are, is the zero Resource.
type Resource struct{ Group, Resource, Subresource string }

// Objects is what the objects of admission requests about the resources may be, whatever their version. Nothing is known of it if that is so
// of one of them: a custom resource, all of a group, a subresource whose kind is not known. No resources are all.
func Objects(resources []Resource) Type {
	if len(resources) == 0 {
		return Type{}
	}
	var all []Type
	whole := map[schema.GroupResource]bool{}
	for _, r := range resources {
		switch kind, own := subresource(r); {
		case kind != nil:
			all = append(all, valueOf(kind, place{kind: kind.Name()}))
		case own:
			whole[schema.GroupResource{Group: r.Group, Resource: r.Resource}] = false
		default:
			return Type{}
		}
	}
	groups := map[string]bool{}
	for r := range whole {
		groups[r.Group] = true
	}
	known(func(gvk schema.GroupVersionKind, of reflect.Type) {
		if !groups[gvk.Group] { // the guess takes longer
			return
		}
		plural, _ := meta.UnsafeGuessKindToResource(gvk)
		if _, wanted := whole[plural.GroupResource()]; wanted {
			whole[plural.GroupResource()] = true
			all = append(all, valueOf(of, place{kind: gvk.Kind}))
		}
	})
	for _, found := range whole {
		if !found {
			return Type{}
		}
	}
	out := union(all...)
	slices.SortFunc(out.may, func(a, b shape) int { return cmp.Compare(placeOf(a), placeOf(b)) })
	return out
}

// placeOf orders the kinds, and the versions of one, however they were found.
func placeOf(s shape) string {
	v, _ := s.(value)
	return v.place.String() + " " + v.of.PkgPath()
}

// known calls each with every kind that is known. Kinds of one group and version are in no order.
func known(each func(schema.GroupVersionKind, reflect.Type)) {
	for gvk, of := range scheme.Scheme.AllKnownTypes() {
		each(gvk, of)
	}
	each(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), reflect.TypeFor[apiextensionsv1.CustomResourceDefinition]())
}

// subresource returns the type of a subresource with a kind of its own, or whether the kind is that of the resource.
func subresource(r Resource) (kind reflect.Type, own bool) {
	switch r.Subresource {
	case "":
		return nil, r.Resource != ""
	case "status", "ephemeralcontainers", "resize", "approval", "finalize":
		return nil, true
	case "scale": // other API servers may have one of their own
		if r.Group == "" || r.Group == "apps" {
			return reflect.TypeFor[autoscalingv1.Scale](), false
		}
	}
	return map[Resource]reflect.Type{
		{Resource: "nodes", Subresource: "proxy"}:           reflect.TypeFor[corev1.NodeProxyOptions](),
		{Resource: "pods", Subresource: "attach"}:           reflect.TypeFor[corev1.PodAttachOptions](),
		{Resource: "pods", Subresource: "binding"}:          reflect.TypeFor[corev1.Binding](),
		{Resource: "pods", Subresource: "eviction"}:         reflect.TypeFor[policyv1.Eviction](),
		{Resource: "pods", Subresource: "exec"}:             reflect.TypeFor[corev1.PodExecOptions](),
		{Resource: "pods", Subresource: "portforward"}:      reflect.TypeFor[corev1.PodPortForwardOptions](),
		{Resource: "pods", Subresource: "proxy"}:            reflect.TypeFor[corev1.PodProxyOptions](),
		{Resource: "serviceaccounts", Subresource: "token"}: reflect.TypeFor[authenticationv1.TokenRequest](),
		{Resource: "services", Subresource: "proxy"}:        reflect.TypeFor[corev1.ServiceProxyOptions](),
	}[r], false
}
