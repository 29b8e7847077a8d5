package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PolicyException lets the objects of its own namespace that it matches pass the policies it names, until it expires. What they find is
// still reported, as excepted.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories=portcullis,shortName=polex
// +kubebuilder:printcolumn:name="Policies",type=string,JSONPath=`.spec.policies`,description="What is excepted from"
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`,description="Whether it holds"
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].reason`,description="Why it holds, or does not"
// +kubebuilder:printcolumn:name="Expires",type=string,format=date-time,JSONPath=`.spec.expires`,description="When it ends"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PolicyException struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec PolicyExceptionSpec `json:"spec"`
	// Status is what the servers say of the exception; nobody else writes it.
	Status PolicyExceptionStatus `json:"status,omitzero"`
}

// PolicyExceptionList is a list of PolicyExceptions.
//
// +kubebuilder:object:root=true
type PolicyExceptionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []PolicyException `json:"items"`
}

// PolicyExceptionSpec says what is excepted from which policies, why and until when.
type PolicyExceptionSpec struct {
	// Policies are the names of the policies that do not refuse what matches, "pods.privileged".
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=set
	Policies []string `json:"policies"`
	// Match says which objects of the namespace are excepted.
	Match ExceptionMatch `json:"match"`
	// Reason is why, in a sentence for auditors.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason"`
	// Expires is when the exception ends, at most a year from now.
	Expires metav1.Time `json:"expires"`
}

// ExceptionMatch says which objects of the exception's namespace are excepted. All conditions must hold.
//
// +kubebuilder:validation:XValidation:rule="has(self.resources) || has(self.names) || has(self.labels)",message="give at least one of resources, names and labels"
type ExceptionMatch struct {
	// Resources are spelled as those of a Policy: plurals ("pods", "deployments.apps"), all of a group, "workloads"; by default all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Resources []string `json:"resources,omitempty"`
	// Operations are CREATE, UPDATE, DELETE, CONNECT; by default CREATE and UPDATE.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:Enum=CREATE;UPDATE;DELETE;CONNECT;"*"
	Operations []string `json:"operations,omitempty"`
	// Names are names of objects that may begin and end with an asterisk; by default all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Names []string `json:"names,omitempty"`
	// Labels select by the labels of the object as it is to become; by default all.
	Labels *metav1.LabelSelector `json:"labels,omitempty"`
}
