package registration

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Phase is the half of admission at which a policy is asked.
type Phase string

// The phases. An Interest of no phase is in no plan.
const (
	Mutate   Phase = "mutate"
	Validate Phase = "validate"
)

// Resource names resources as a webhook's rule does: "*" as Group or Resource is any of them. An empty Subresource is the resource itself,
// "*" is the resource and every subresource.
type Resource struct{ Group, Resource, Subresource string }

// Interest is what one policy wants to be asked about.
type Interest struct {
	Phase Phase
	// Resources: nil is every resource and every subresource.
	Resources []Resource
	// Operations: nil is all four.
	Operations []admissionregistrationv1.OperationType
	// Namespaces are names with at most one asterisk at the start and one at the end, "team-*". A policy that has some is asked about
	// nothing outside of them, and about nothing that is in no namespace, save the Namespace objects themselves. Nil is anything anywhere.
	Namespaces []string
	// Scope: empty is both.
	Scope admissionregistrationv1.ScopeType
	// Fail says that the request is refused when no answer comes; otherwise it is admitted.
	Fail bool
}

// Wish is what one policy wants to be asked about.
type Wish struct {
	// Policy is its name, and Version tells one version of it from another.
	Policy, Version string
	Interests       []Interest
	// Served says that every replica serves this version.
	Served bool
}

// Options say for whom the registration is. Name and Namespace are required, and one of URL and the Service of that name is what the API
// server calls.
type Options struct {
	// Name is what the Service and the configurations are called.
	Name string
	// Namespace is our own; nothing in it is ever asked about.
	Namespace string
	// ServiceAccount is the name of our own service account, whose requests are not asked about. Empty: Name.
	ServiceAccount string
	// URL is the address to call, "https://127.0.0.1:8443"; empty is port 443 of the Service.
	URL string
	// Bundle is the PEM of the authorities to trust. Nil leaves the field to others: cert-manager's injector, or the system's roots.
	Bundle []byte

	// ExemptNamespaces are never asked about, beside our own, kube-system, kube-node-lease and kube-public.
	ExemptNamespaces []string
	// Gatekeeper has its objects judged before the API server accepts them, as our own kinds are.
	Gatekeeper bool
	// Conditions of the operator, which must hold too for a request to be asked about.
	Conditions []admissionregistrationv1.MatchCondition
	// MutateSeconds and ValidateSeconds bound the wait for an answer, 1 to 30; 0 is 2 and 3. Mutating webhooks are asked one after the
	// other and the API server ends a request after 34 s, so theirs is the shorter.
	MutateSeconds, ValidateSeconds int32
	// Labels and Annotations of the configurations.
	Labels, Annotations map[string]string
	// Owner takes the configurations with it when it goes. It must be cluster-scoped, as the release's ClusterRole: the garbage collector
	// takes a namespaced owner of a cluster-scoped object for one that is gone.
	Owner *metav1.OwnerReference
}
