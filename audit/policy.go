package audit

import "github.com/portcullis-dev/portcullis/review"

// Policy is what an audit says of a policy in force.
type Policy struct {
	ID          string        `json:"id"` // its identity in findings and metrics, "pods.privileged"
	Title       string        `json:"title,omitempty"`
	Description string        `json:"description,omitempty"`
	Severity    string        `json:"severity,omitempty"` // "low", "medium", "high", "critical" or empty
	Controls    []string      `json:"controls,omitempty"` // "pss/baseline", "cis-1.9/5.2.2"
	Effect      review.Effect `json:"effect"`             // what its refusals do at the door
	// Unaudited says why its answer is not known of objects that are already there, as one sentence: it asks who did something, or what was done.
	// Empty where objects are judged by it.
	Unaudited string `json:"unaudited,omitempty"`
}

// Topic is the first part of a policy's identity, by which reports group: "pods" of "pods.privileged".
func (p Policy) Topic() string {
	for i, c := range p.ID {
		if c == '.' || c == '/' {
			return p.ID[:i]
		}
	}
	return p.ID
}
