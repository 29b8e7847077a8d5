// Package gatekeepertest has templates and constraints of about the size that public libraries have them, for tests and benchmarks that need
// many.
package gatekeepertest

import "fmt"

// Template is a ConstraintTemplate, "needs3" for 3, with a library, that looks at a Pod's users, at containers that an UPDATE takes away, and
// in the inventory for a Pod on the same node.
func Template(number int) string { return fmt.Sprintf(template, number) }

// Constraint is a constraint of that name of the Template of a number. Users from least to 200 may be run as.
func Constraint(number int, name string, least int) string {
	return fmt.Sprintf(constraint, number, name, least)
}

const template = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needs%[1]d}
spec:
  crd:
    spec:
      names: {kind: Needs%[1]d}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            exemptImages: {type: array, items: {type: string}}
            ranges:
              type: array
              items: {type: object, properties: {min: {type: integer}, max: {type: integer, default: 200}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needs%[1]d

      import data.lib.exempt.is_exempt

      violation[{"msg": msg, "details": {}}] {
        c := containers[_]
        not is_exempt(c)
        not in_ranges(c.securityContext.runAsUser)
        msg := sprintf("template %[1]d: container %%v of %%v may not run as that user", [c.name, input.review.object.metadata.name])
      }

      violation[{"msg": msg}] {
        input.review.operation == "UPDATE"
        old := {c.name | c := input.review.oldObject.spec.containers[_]}
        new := {c.name | c := input.review.object.spec.containers[_]}
        gone := old - new
        count(gone) > 0
        msg := sprintf("containers %%v are gone", [gone])
      }

      violation[{"msg": msg}] {
        other := data.inventory.namespace[_][_]["Pod"][name]
        other.spec.nodeName == input.review.object.spec.nodeName
        name != input.review.object.metadata.name
        msg := sprintf("%%v is there already", [name])
      }

      in_ranges(user) { range := input.parameters.ranges[_]; user >= range.min; user <= range.max }

      containers[c] { c := input.review.object.spec.containers[_] }
      containers[c] { c := input.review.object.spec.initContainers[_] }
      containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
    libs:
    - |
      package lib.exempt

      is_exempt(container) {
        exempt := object.get(object.get(input, "parameters", {}), "exemptImages", [])
        matches(exempt[_], container.image)
      }

      matches(exempt, image) { not endswith(exempt, "*"); exempt == image }
      matches(exempt, image) { endswith(exempt, "*"); prefix := trim_suffix(exempt, "*"); startswith(image, prefix) }
`

const constraint = `apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Needs%d
metadata: {name: %s}
spec:
  enforcementAction: warn
  match:
    kinds: [{apiGroups: [""], kinds: [Pod]}]
    excludedNamespaces: [kube-system]
  parameters:
    exemptImages: ["registry.example.com/*"]
    ranges: [{min: %d}]
`
