// Package expansion makes, by Gatekeeper's ExpansionTemplates, the objects that another implies: of a Deployment the Pod that its ReplicaSets
// will be made of, so that a constraint about Pods refuses the Deployment.
package expansion
