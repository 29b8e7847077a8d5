package decisions

import "time"

// Event is what the API server's audit log says of one request, without objects. Members of the same name mean what they do in
// audit.k8s.io/v1.
type Event struct {
	AuditID    string    `json:"auditID"`
	Verb       string    `json:"verb"`
	RequestURI string    `json:"requestURI"`
	User       string    `json:"user"`
	Groups     []string  `json:"groups,omitempty"`
	As         string    `json:"as,omitempty"` // who was impersonated
	SourceIPs  []string  `json:"sourceIPs,omitempty"`
	UserAgent  string    `json:"userAgent,omitempty"`
	Resource   string    `json:"resource,omitempty"` // "deployments.apps/scale"
	Namespace  string    `json:"namespace,omitempty"`
	Name       string    `json:"name,omitempty"`
	Code       int32     `json:"code,omitempty"`   // of the answer
	Reason     string    `json:"reason,omitempty"` // of a refusal, as "Forbidden"
	Received   time.Time `json:"received"`

	Access     string   `json:"access,omitempty"`     // "allow" or "forbid", authorization.k8s.io/decision
	Why        string   `json:"why,omitempty"`        // authorization.k8s.io/reason
	Decisions  []string `json:"decisions,omitempty"`  // the DecisionIDs of the records about it
	Changed    []string `json:"changed,omitempty"`    // the webhooks and policies that changed the object, "CONFIGURATION/WEBHOOK"
	FailedOpen []string `json:"failedOpen,omitempty"` // the webhooks that had no answer, and were passed by
}
