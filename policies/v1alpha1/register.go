// Package v1alpha1 has the Go types of Portcullis' own kinds, portcullis.dev/v1alpha1. Their CRDs, charts/portcullis/files/crds, and
// DeepCopy are generated: `make generate`.
//
// +kubebuilder:object:generate=true
// +groupName=portcullis.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and Version name the kinds of this package.
const (
	Group   = "portcullis.dev"
	Version = "v1alpha1"
)

// GroupVersion is Group and Version as clients take them.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// AddToScheme teaches a scheme the kinds of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(), &Policy{}, &PolicyList{}, &PolicyException{}, &PolicyExceptionList{})
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}
