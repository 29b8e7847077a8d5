package props

import (
	"fmt"
	"strings"
)

// GatekeeperCRDs is a manifest of the CRDs that an installation of Gatekeeper has, with its names, groups, scopes and versions, the last of
// which is stored; instead of schemas they take whatever is given, and no status is apart.
func GatekeeperCRDs() string {
	var out strings.Builder
	for _, k := range []struct {
		group, kind, plural, scope string
		versions                   []string
	}{
		{"templates", "ConstraintTemplate", "constrainttemplates", "Cluster", []string{"v1alpha1", "v1beta1", "v1"}},
		{"mutations", "Assign", "assign", "Cluster", []string{"v1alpha1", "v1beta1", "v1"}},
		{"mutations", "AssignMetadata", "assignmetadata", "Cluster", []string{"v1alpha1", "v1beta1", "v1"}},
		{"mutations", "AssignImage", "assignimage", "Cluster", []string{"v1alpha1"}},
		{"mutations", "ModifySet", "modifyset", "Cluster", []string{"v1alpha1", "v1beta1", "v1"}},
		{"expansion", "ExpansionTemplate", "expansiontemplate", "Cluster", []string{"v1alpha1", "v1beta1"}},
		{"externaldata", "Provider", "providers", "Cluster", []string{"v1alpha1", "v1beta1"}},
		{"config", "Config", "configs", "Namespaced", []string{"v1alpha1"}},
		{"syncset", "SyncSet", "syncsets", "Cluster", []string{"v1alpha1"}},
	} {
		fmt.Fprintf(&out, `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[3]s.%[1]s.gatekeeper.sh}
spec:
  group: %[1]s.gatekeeper.sh
  names: {kind: %[2]s, listKind: %[2]sList, plural: %[3]s, singular: %[4]s}
  scope: %[5]s
  versions:
`, k.group, k.kind, k.plural, strings.ToLower(k.kind), k.scope)
		for i, version := range k.versions {
			fmt.Fprintf(&out, "  - {name: %s, served: true, storage: %t, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n",
				version, i == len(k.versions)-1)
		}
	}
	return out.String()
}
