package review

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Stage is the point of the API server's chain at which a question is asked. The empty Stage is no stage; nothing answers it.
type Stage string

// The stages, in the order a write request meets them.
const (
	Authenticate Stage = "authenticate" // whose token is this?
	Guard        Stage = "guard"        // must this be stopped, whatever RBAC says?
	Grant        Stage = "grant"        // may this pass although RBAC did not allow it?
	Mutate       Stage = "mutate"       // what should be changed?
	Validate     Stage = "validate"     // is the result acceptable?
	Image        Stage = "image"        // may these images run?
)

// Origin is the way in by which a question came.
type Origin string

// The ways in.
const (
	FromWebhook     Origin = "webhook"
	FromAudit       Origin = "audit"
	FromCommandLine Origin = "command line"
)

// User is who asks, or who a token belongs to. Fields mean what they do in authentication.k8s.io/v1 UserInfo.
type User struct {
	Username string
	UID      string
	Groups   []string
	Extra    map[string][]string
}

// Target is what a request is about: a resource, or for an access request without one, a path.
type Target struct {
	Group, Version, Resource, Subresource string
	Kind                                  string // as the object spells it; empty for access requests
	Namespace, Name                       string
	Path                                  string // of a non-resource request, as "/metrics"
}

// String is the target as kubectl would write it, "deployments.apps/scale prod/web".
func (t Target) String() string {
	if t.Path != "" {
		return t.Path
	}
	out := t.Resource
	if t.Group != "" {
		out += "." + t.Group
	}
	if t.Subresource != "" {
		out += "/" + t.Subresource
	}
	name := strings.Trim(t.Namespace+"/"+t.Name, "/")
	return strings.TrimSpace(out + " " + name)
}

// IsNamespace reports whether the target is one or all of the Namespace objects, or a subresource of one.
func (t Target) IsNamespace() bool { return t.Group == "" && t.Resource == "namespaces" }

// Inside is the name of the namespace the target is in; a Namespace object is in itself. It is empty for what is in none, and for a
// question about all namespaces.
func (t Target) Inside() string {
	if t.IsNamespace() {
		return t.Name
	}
	return t.Namespace
}

// Raw is JSON that may hold credentials or the contents of Secrets. Every way of printing it, as text, as a log attribute or
// as JSON, says only how long it is; who needs the bytes converts it on purpose.
type Raw []byte

// String returns the length in words.
func (r Raw) String() string { return fmt.Sprintf("(%d bytes)", len(r)) }

// Format prints what String returns, whatever the verb and flags.
func (r Raw) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// LogValue keeps the bytes out of structured logs.
func (r Raw) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText keeps the bytes out of JSON and YAML made from a structure that holds a Raw.
func (r Raw) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Request is one question, built once at the edge and only read afterwards, so any number of goroutines may share it.
//
// Body is the review as the API server sent it, in the spelling of the type's v1: it is the Rego input. The other fields are
// what matching needs, read in the same pass. Object and OldObject are slices of Body, nil where the review has null.
type Request struct {
	// ID is the uid of an AdmissionReview. Other reviews have none; whoever answers them gives them one before, by which the record of the
	// decision is found.
	ID                types.UID
	Stage             Stage
	Origin            Origin
	User              User
	Verb              string // one spelling at every stage: "create", "get", "connect"; empty for tokens and images
	Target            Target
	Object, OldObject Raw
	Audiences         []string // for one of which a token must be good; none where the API server asks for itself and checks none
	DryRun            bool
	Body              Raw
	// ImpliedBy names what makes one object of another, as an ExpansionTemplate does, if the object was made so and nobody sent it.
	ImpliedBy string

	objectAt, oldObjectAt int // where Object and OldObject start in Body
	heads                 *heads
}

// WithObject returns a copy of r in which the object under review is obj, in Body too. It is how a mutator asks about what an
// earlier one made. It returns r itself when r has no object.
func (r *Request) WithObject(obj []byte) *Request {
	if len(r.Object) == 0 {
		return r
	}
	body := make([]byte, 0, len(r.Body)-len(r.Object)+len(obj))
	body = append(body, r.Body[:r.objectAt]...)
	body = append(body, obj...)
	body = append(body, r.Body[r.objectAt+len(r.Object):]...)
	out := *r
	out.Body = body
	out.heads = &heads{}
	out.Object = body[r.objectAt : r.objectAt+len(obj)]
	if len(r.OldObject) > 0 {
		if r.oldObjectAt > r.objectAt {
			out.oldObjectAt += len(obj) - len(r.Object)
		}
		out.OldObject = body[out.oldObjectAt : out.oldObjectAt+len(r.OldObject)]
	}
	return &out
}

// Reviewer answers questions. It is to Portcullis what http.Handler is to net/http: the policy engine is one, the chain of
// mutators is one, and so is every limit, exemption and test double put around them.
//
// An error means "no answer", never "no". Implementations are safe for concurrent use, do not keep or change req, and return
// soon after ctx ends.
type Reviewer interface {
	Review(ctx context.Context, req *Request) (Decision, error)
}

// ReviewerFunc is a function that is a Reviewer.
type ReviewerFunc func(ctx context.Context, req *Request) (Decision, error)

// Review calls f.
func (f ReviewerFunc) Review(ctx context.Context, req *Request) (Decision, error) { return f(ctx, req) }
