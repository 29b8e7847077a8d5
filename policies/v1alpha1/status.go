package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The conditions of a Policy.
const (
	// PolicyCompiled tells whether the version of observedGeneration can be asked; if not, the message says what is wrong at file:row.
	PolicyCompiled = "Compiled"
	// PolicyReady is true when every replica serves the version of observedGeneration, the API server was seen to ask about it, and what it
	// reads of the cluster is known; if not, the message says what is missing.
	PolicyReady = "Ready"
	// PolicyStalled is true while the last good version serves because the one of observedGeneration is faulty.
	PolicyStalled = "Stalled"
	// PolicyInformed tells, of a policy that reads objects of the cluster, whether they are known; while they are not, the policy has no
	// answer, and its onError decides.
	PolicyInformed = "Informed"
	// PolicyRegistered tells whether the API server asks about the policy; if not, the message says why.
	PolicyRegistered = "Registered"
)

// The conditions of a PolicyException.
const (
	// ExceptionAccepted tells whether the version of observedGeneration can be read; if not, the message says what is wrong with it, and it
	// excepts nothing.
	ExceptionAccepted = "Accepted"
	// ExceptionActive is true while the exception holds; if not, the message says why. If it is true and there is a message, that names
	// policies which do not exist.
	ExceptionActive = "Active"
	// ExceptionExpired is true once spec.expires is past.
	ExceptionExpired = "Expired"
)

// PolicyStatus is what the servers say of a Policy.
type PolicyStatus struct {
	// ObservedGeneration is the metadata.generation that the status is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are Compiled, Registered, Ready, of a policy that reads objects of the cluster Informed and, while the last good version
	// serves in place of a faulty one, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Stage is when the policy is asked, as its METADATA and spec.match together say: "admission", "guard".
	Stage string `json:"stage,omitempty"`
	// Enforcement is what the policy's refusals do, as its METADATA and spec.enforcement together say.
	Enforcement string `json:"enforcement,omitempty"`
	// Revision names the set of policies in which the version of observedGeneration is served.
	Revision string `json:"revision,omitempty"`
	// Replicas is on how many of all replicas that version is served, "2/3".
	Replicas string `json:"replicas,omitempty"`
	// Message is what is wrong with the policy, with file:row; empty when nothing is.
	// +kubebuilder:validation:MaxLength=4096
	Message string `json:"message,omitempty"`
	// Findings is how much the policy has found at admission since countedSince, at least, over all replicas: what it refused, warned of or was to
	// be recorded. Dry runs and what a PolicyException lifts are left out. It is not there for a policy that was never asked at admission.
	Findings *int64 `json:"findings,omitempty"`
	// Faults is in how many reviews at admission the policy had no answer, so that its onError decided; counted as findings are.
	Faults *int64 `json:"faults,omitempty"`
	// CountedSince is when findings and faults began at 0.
	CountedSince *metav1.Time `json:"countedSince,omitempty"`
	// LastFault is the latest of faults.
	LastFault *PolicyFault `json:"lastFault,omitempty"`
}

// PolicyFault is a review in which a policy had no answer.
type PolicyFault struct {
	// Time is when it was, by the clock of the replica that was asked.
	Time metav1.Time `json:"time"`
	// Message is what was wrong; it quotes nothing of the review.
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`
}

// PolicyExceptionStatus is what the servers say of a PolicyException.
type PolicyExceptionStatus struct {
	// ObservedGeneration is the metadata.generation that the status is about.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are Accepted, Active and Expired.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
