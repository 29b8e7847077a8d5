package v1alpha1

import (
	"encoding/json"
	"errors"
	"reflect"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Policy puts a policy in force with other parameters, another match or another enforcement, or brings its source itself. Its name is
// the name by which findings, metrics and reports call the policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=portcullis,shortName=pol
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.status.stage`,description="When it is asked"
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.status.enforcement`,description="What its refusals do"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether every replica serves it, and is asked"
// +kubebuilder:printcolumn:name="Findings",type=integer,JSONPath=`.status.findings`,description="What it found at admission since status.countedSince, at least"
// +kubebuilder:printcolumn:name="Faults",type=integer,JSONPath=`.status.faults`,description="In how many reviews since then it had no answer, at least"
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1,description="Why it is, or is not"
// +kubebuilder:printcolumn:name="Counted Since",type=date,JSONPath=`.status.countedSince`,priority=1,description="When findings and faults began at 0"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec PolicySpec `json:"spec"`
	// Status is what the servers say of the policy; nobody else writes it.
	Status PolicyStatus `json:"status,omitzero"`
}

// PolicyList is a list of Policies.
//
// +kubebuilder:object:root=true
type PolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Policy `json:"items"`
}

// PolicySpec says which policy, when it is asked and what follows. Exactly one of use and rego is given.
//
// +kubebuilder:validation:XValidation:rule="has(self.use) != has(self.rego)",message="give either use, the name of a policy, or rego, its source"
type PolicySpec struct {
	// Use names a policy of the library or of the same bundle, "pods.privileged".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Use string `json:"use,omitempty"`
	// Rego is the source of one package. Its rules that begin with test_ are run before it is accepted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1048576
	Rego string `json:"rego,omitempty"`
	// Match replaces, field by field, what the policy's METADATA says.
	Match *Match `json:"match,omitempty"`
	// Parameters are validated against the schema in the policy's METADATA; defaults are filled in.
	// +kubebuilder:validation:Type=object
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// Enforcement is deny, warn, audit or "off"; by default what METADATA says, or else deny. Without quotes YAML takes off for false, which is refused.
	// +kubebuilder:validation:Enum=deny;warn;audit;"off"
	Enforcement string `json:"enforcement,omitempty"`
	// OnError is what follows when the policy cannot be evaluated: deny, warn or allow; by default what METADATA says, or else as the
	// enforcement.
	// +kubebuilder:validation:Enum=deny;warn;allow
	OnError string `json:"onError,omitempty"`
}

// Match says which requests a policy is asked about. All conditions must hold.
type Match struct {
	// Stage lists when the policy is asked: admission, guard, grant or image; by default admission. The rules user and mutate have
	// stages of their own.
	Stage Stages `json:"stage,omitempty"`
	// Resources are plurals ("pods", "ingresses.networking.k8s.io", "pods/exec"), all of a group ("apps/*"), "workloads", or "*".
	// By default all.
	// +kubebuilder:validation:MaxItems=256
	Resources []string `json:"resources,omitempty"`
	// Operations are CREATE, UPDATE, DELETE, CONNECT at admission, by default CREATE and UPDATE; verbs at guard and grant, by default all.
	// +kubebuilder:validation:MaxItems=32
	Operations []string `json:"operations,omitempty"`
	// Namespaces are names that may begin and end with an asterisk; by default all.
	// +kubebuilder:validation:MaxItems=256
	Namespaces []string `json:"namespaces,omitempty"`
	// ExcludeNamespaces are names that may begin and end with an asterisk; by default none.
	// +kubebuilder:validation:MaxItems=256
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// Labels select by the object's labels, old or new; by default all.
	Labels *metav1.LabelSelector `json:"labels,omitempty"`
	// NamespaceLabels select by those of the object's namespace; by default all.
	NamespaceLabels *metav1.LabelSelector `json:"namespaceLabels,omitempty"`
	// Changes are paths of members, such as "spec" and "metadata.labels": an UPDATE that leaves all of them as they were is not judged. Through a
	// list a path leads to that member of each element, "spec.containers.resources". "pods" is what a Pod is made of as far as it can be
	// changed, its containers and their images, and of anything else the Pod template. By default every UPDATE is judged.
	// +kubebuilder:validation:MaxItems=64
	Changes []string `json:"changes,omitempty"`
	// Users select by who asks, at guard and grant; by default all. They may begin and end with an asterisk.
	// +kubebuilder:validation:MaxItems=256
	Users []string `json:"users,omitempty"`
	// Groups select by who asks, at guard and grant; by default all. They may begin and end with an asterisk.
	// +kubebuilder:validation:MaxItems=256
	Groups []string `json:"groups,omitempty"`
}

// Stages is one stage or a list of them. Objects of the API server have the list; files and METADATA may have either.
//
// +kubebuilder:validation:MaxItems=4
// +kubebuilder:validation:items:Enum=admission;guard;grant;image
type Stages []string

// UnmarshalJSON reads "guard" as well as ["admission", "image"]. Its error is a *json.UnmarshalTypeError, as for other fields.
func (s *Stages) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*s = Stages{one}
		return nil
	}
	var several []string
	err := json.Unmarshal(text, &several)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Type == reflect.TypeFor[[]string]() {
		wrong.Type = reflect.TypeFor[Stages]()
	}
	if err != nil {
		return err
	}
	*s = several
	return nil
}
