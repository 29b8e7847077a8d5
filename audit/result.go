package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Object names what was judged.
type Object struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Resource  string `json:"resource,omitempty"` // plural; empty for a file's object of a kind that nobody knows
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	File      string `json:"file,omitempty"` // where it was read, if not from a cluster
	Row       int    `json:"row,omitempty"`  // of its first line there
}

// APIVersion is the group and version as manifests spell them.
func (o Object) APIVersion() string { return strings.TrimPrefix(o.Group+"/"+o.Version, "/") }

// String is the object as people name it: "Deployment prod/web", "Namespace prod".
func (o Object) String() string {
	return o.Kind + " " + strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")
}

// Outcome is what a policy says of an object, in the words of Report objects.
type Outcome string

// The outcomes. A Pass is counted and never kept. Its zero value is no outcome.
const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"  // the policy refuses it, whatever its enforcement
	Warn  Outcome = "warn"  // the policy warns of it
	Skip  Outcome = "skip"  // the policy refuses it, and an exception lifts that
	Fault Outcome = "error" // the policy could not be asked to the end: neither good nor bad is known
)

// Result is one thing that one policy has to say of one object.
type Result struct {
	Policy    string            `json:"policy"`
	Object    Object            `json:"object"`
	Outcome   Outcome           `json:"outcome"`
	Severity  string            `json:"severity,omitempty"`
	Message   string            `json:"message"` // one complete sentence
	Field     string            `json:"field,omitempty"`
	Exception *review.Exception `json:"exception,omitempty"` // of a Skip
	Since     time.Time         `json:"since,omitzero"`      // when it was first found; zero when that is not known
}

// ID names the result, for those who compare one report with the next: 16 hexadecimal digits, the same for the same policy, object, field and
// message in any cluster that names them so, whatever the version in which the object is written.
func (r Result) ID() string {
	sum := sha256.New()
	for _, part := range []string{r.Policy, r.Object.Group, r.Object.Kind, r.Object.Namespace, r.Object.Name, r.Field, r.Message} {
		_, _ = sum.Write(append([]byte(part), 0))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Compare orders results as people read them: by namespace, kind, name, policy, field and message.
func Compare(a, b Result) int {
	return cmp.Or(
		cmp.Compare(a.Object.Namespace, b.Object.Namespace), cmp.Compare(a.Object.Group, b.Object.Group), cmp.Compare(a.Object.Kind, b.Object.Kind),
		cmp.Compare(a.Object.Name, b.Object.Name), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message),
	)
}
