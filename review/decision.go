package review

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is what was decided. Its zero value is Deny: an answer nobody filled in refuses. There is no "not yet known"; who
// cannot answer returns an error.
type Verdict uint8

// The verdicts. NoOpinion leaves the matter to whoever the API server asks next.
const (
	Deny Verdict = iota
	Allow
	NoOpinion
)

// String returns "deny", "allow" or "no-opinion".
func (v Verdict) String() string {
	switch v {
	case Allow:
		return "allow"
	case NoOpinion:
		return "no-opinion"
	default:
		return "deny"
	}
}

// MarshalText spells the verdict as String does.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Effect is what a finding does to the request it was found in.
type Effect string

// The effects. An Audit finding is recorded and reported but neither refuses nor warns.
const (
	EffectDeny  Effect = "deny"
	EffectWarn  Effect = "warn"
	EffectAudit Effect = "audit"
	EffectAllow Effect = "allow" // a grant's reason
	// EffectExcepted is what becomes of a finding that an exception lifts. It is recorded and reported like an Audit finding.
	EffectExcepted Effect = "excepted"
)

// Exception is why a finding does nothing to the request.
type Exception struct {
	Name    string    `json:"name"` // with its namespace, "prod/legacy-agent"
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
}

// Finding is one thing a policy has to say about a request.
type Finding struct {
	Policy  string // its identity, "pods.privileged"
	Effect  Effect
	Message string // one complete sentence for the user, at most MaxMessage bytes, without control characters
	Field   string // where in the object, "spec.containers[0].securityContext.privileged"; may be empty
	Details any    // whatever else the policy returned, as decoded JSON; may be nil
	// Fault marks a finding that is not the policy's word but stands for it, because the policy could not be asked to the
	// end. Its Effect is what the policy's onError says.
	Fault bool
	// Unknown is set of a Fault that says nothing of the policy's word: what it must know was not known, or it ran out of time. Any other Fault
	// is what would come of the policy whenever it is asked this.
	Unknown bool
	// Cause is what OPA says of a Fault, if there is more to say than in Message. It may quote the review: it is for who operates the
	// server, never for who asked.
	Cause string
	// Exception is set when the Effect is EffectExcepted, and only then.
	Exception *Exception

	whole *string // what Say was given, where Message is not that
}

// Edit is one change a mutating policy asks for. See the documentation of policies for what each Op does.
type Edit struct {
	Policy string
	Op     EditOp
	Path   []Segment
	Value  any    // decoded JSON with json.Number for numbers; nil for EditRemove
	Key    string // for EditAppend: the field by which an equal element is found and replaced; may be empty
	// OnFault is the Effect of the Fault that stands for the policy if the edit cannot be made, or never comes to rest. It is EffectDeny
	// unless it is EffectWarn or EffectAudit.
	OnFault Effect
}

// EditOp names what an Edit does.
type EditOp string

// The operations of an Edit.
const (
	EditSet     EditOp = "set"     // put the value at the path, whatever stands there
	EditDefault EditOp = "default" // put the value at the path if nothing stands there
	EditRemove  EditOp = "remove"  // take away what stands at the path, if anything does
	EditAppend  EditOp = "append"  // add the value to the list at the path, replacing its equal
)

// Segment is one step of an Edit's path: into a member by Name, into a list by position (Index, when ByIndex), or into the list's
// element whose members equal those of Where.
type Segment struct {
	Name    string
	ByIndex bool
	Index   int
	Where   map[string]string
}

// Decision is the answer to one Request. It is a value: whoever receives it may change it, except that the slices' elements
// are shared and must be left alone.
type Decision struct {
	Verdict   Verdict
	Findings  []Finding // all of them, in policy order
	Identity  *User     // whose token it is, at Authenticate with Allow
	Audiences []string  // those the review asks about for which Identity's token is good; none if no policy looked at them
	Edits     []Edit    // what mutating policies ask for, in policy order; a mutators.Chain turns them into Patch
	Patch     []byte    // RFC 6902; nil when nothing changed
	Revision  string    // which set of policies answered
}

// Faulty reports whether the decision rests on a policy that could not be asked: whether every finding that refuses is a Fault.
func (d Decision) Faulty() bool {
	faulty := false
	for _, f := range d.Findings {
		if f.Effect != EffectDeny {
			continue
		}
		if !f.Fault {
			return false
		}
		faulty = true
	}
	return faulty
}

// ErrUnavailable is what the error of a Reviewer wraps when asking again a moment later may get an answer: no policies are
// loaded yet, too much is in flight, the deadline was too near. Any other error is a fault of the server.
var ErrUnavailable = errors.New("no answer is available now")

// Unavailable returns an error that wraps ErrUnavailable and says why.
func Unavailable(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{ErrUnavailable}, args...)...)
}
