// Package reports makes Report objects of what an audit found, for the tools that show them.
package reports

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/audit"
)

// The bounds of Report objects, which have filled etcd before. etcd takes 1.5 MiB for an object; a third of it leaves room for what the API server
// adds, and keeps a watch of them light.
const (
	MaxResults = 500       // in one object
	MaxBytes   = 512 << 10 // of one object as JSON
	MaxObjects = 10_000    // all together
	MaxTotal   = 200 << 20 // bytes of all together as JSON
	maxText    = 2 << 10   // bytes of each text of a result, so that one always has room; what is longer is cut
)

// The names in Report objects.
const (
	Source  = "portcullis"
	Managed = "app.kubernetes.io/managed-by" // the label by which ours are told from others'
	// Reconciled is the annotation of a ClusterReport in which it is said of each resource how what was listed is what was judged.
	Reconciled = "audit.portcullis.dev/reconciliation"
	// Revision is the annotation of a ClusterReport that says which policies judged.
	Revision = "audit.portcullis.dev/revision"
	// Omitted is the annotation of a ClusterReport that says how many results are in no object, where the bounds left no room.
	Omitted = "audit.portcullis.dev/omitted"
)

// The objects of openreports.io/v1alpha1 as far as they are written; PolicyReport of wgpolicyk8s.io/v1alpha2 has the same fields but Source and
// Configuration.
type (
	// Object is a Report, or a ClusterReport of what is in no namespace.
	Object struct {
		APIVersion    string         `json:"apiVersion"`
		Kind          string         `json:"kind"`
		Metadata      Metadata       `json:"metadata"`
		Source        string         `json:"source,omitempty"`
		Scope         *Reference     `json:"scope,omitempty"` // the namespace
		Configuration *Configuration `json:"configuration,omitempty"`
		Summary       audit.Counts   `json:"summary"`
		Results       []Result       `json:"results"`
	}
	// Metadata is what is written of an object's metadata.
	Metadata struct {
		Name        string                  `json:"name"`
		Namespace   string                  `json:"namespace,omitempty"`
		Labels      map[string]string       `json:"labels"`
		Annotations map[string]string       `json:"annotations,omitempty"`
		Owners      []metav1.OwnerReference `json:"ownerReferences,omitempty"`
	}
	// Configuration says that passes are not among the results.
	Configuration struct {
		Limits Limits `json:"limits"`
	}
	// Limits say which results are there.
	Limits struct {
		MaxResults   int             `json:"maxResults"`
		StatusFilter []audit.Outcome `json:"statusFilter"`
	}
	// Reference names an object.
	Reference struct {
		APIVersion string `json:"apiVersion,omitempty"`
		Kind       string `json:"kind,omitempty"`
		Namespace  string `json:"namespace,omitempty"`
		Name       string `json:"name,omitempty"`
		UID        string `json:"uid,omitempty"`
	}
	// Result is one of an object.
	Result struct {
		Source     string            `json:"source"`
		Policy     string            `json:"policy"`
		Category   string            `json:"category,omitempty"`
		Severity   string            `json:"severity,omitempty"`
		Timestamp  Timestamp         `json:"timestamp"`
		Outcome    audit.Outcome     `json:"result"`
		Scored     bool              `json:"scored"`
		Resources  []Reference       `json:"resources,omitempty"` // none where the policy is not audited
		Message    string            `json:"message"`
		Properties map[string]string `json:"properties"` // "id", "field", "controls", "exception", "reason", "expires"
	}
	// Timestamp is when a result was found first, or when the report was made if that is not known.
	Timestamp struct {
		Seconds int64 `json:"seconds"`
		Nanos   int32 `json:"nanos"`
	}
)
