// Package v1alpha1 has the Go types of Portcullis' own kinds, portcullis.dev/v1alpha1.
package v1alpha1

import (
	"encoding/json"
	"errors"
	"reflect"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Group and Version name the kinds of this package.
const (
	Group   = "portcullis.dev"
	Version = "v1alpha1"
)

// Policy puts a policy in force with other parameters, another match or another enforcement, or brings its source itself.
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec PolicySpec `json:"spec"`
}

// PolicySpec says which policy, when it is asked and what follows. Exactly one of Use and Rego is given.
type PolicySpec struct {
	// Use names a policy of the library or of the same bundle, "pods.privileged".
	Use string `json:"use,omitempty"`
	// Rego is the source of one package.
	Rego string `json:"rego,omitempty"`
	// Match replaces, field by field, what the policy's METADATA says.
	Match *Match `json:"match,omitempty"`
	// Parameters are validated against the schema in the policy's METADATA; defaults are filled in.
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// Enforcement is deny, warn, audit or off; by default what METADATA says, or else deny.
	Enforcement string `json:"enforcement,omitempty"`
	// OnError is deny, warn or allow; by default what METADATA says, or else as the enforcement.
	OnError string `json:"onError,omitempty"`
}

// Match says which requests a policy is asked about. All conditions must hold.
type Match struct {
	// Stage is admission, guard, grant or image, or a list of them; by default admission. The rules user and mutate have stages of
	// their own.
	Stage Stages `json:"stage,omitempty"`
	// Resources are plurals ("pods", "ingresses.networking.k8s.io", "pods/exec"), all of a group ("apps/*"), "workloads", or "*".
	Resources []string `json:"resources,omitempty"`
	// Operations are CREATE, UPDATE, DELETE, CONNECT at admission, by default CREATE and UPDATE; verbs at guard and grant, by default all.
	Operations []string `json:"operations,omitempty"`
	// Namespaces and ExcludeNamespaces are names that may begin and end with an asterisk.
	Namespaces        []string `json:"namespaces,omitempty"`
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// Labels select by the object's labels, old or new; NamespaceLabels by those of its namespace.
	Labels          *metav1.LabelSelector `json:"labels,omitempty"`
	NamespaceLabels *metav1.LabelSelector `json:"namespaceLabels,omitempty"`
	// Users and Groups select by who asks, at guard and grant.
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// Stages is one stage or a list of them.
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
