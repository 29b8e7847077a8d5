package gatekeeper

import (
	"maps"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CRD returns the CustomResourceDefinition of the template's constraints, as Gatekeeper generates it: an API server that has it takes the
// constraints that are accepted here, fills in their defaults, and refuses the others. The caller may change it.
func (t *Template) CRD() *apiextensionsv1.CustomResourceDefinition {
	labels := maps.Clone(t.labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["gatekeeper.sh/constraint"] = "yes"
	version := func(name string, storage bool) apiextensionsv1.CustomResourceDefinitionVersion {
		return apiextensionsv1.CustomResourceDefinitionVersion{
			Name: name, Served: true, Storage: storage,
			Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: t.constraint.DeepCopy()},
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{
				{
					Name: "enforcement-action", Type: "string", JSONPath: ".spec.enforcementAction",
					Description: "Type of enforcement action",
				},
				{
					Name: "total-violations", Type: "integer", JSONPath: ".status.totalViolations",
					Description: "Total number of violations",
				},
			},
		}
	}
	return &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: t.Name + "." + constraintGroup, Labels: labels},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: constraintGroup,
			Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Kind: t.Kind, ListKind: t.Kind + "List", Plural: t.Name, Singular: t.Name, ShortNames: t.shortNames,
				Categories: []string{"constraint", "constraints"},
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{version("v1beta1", true), version("v1alpha1", false)},
		},
	}
}
