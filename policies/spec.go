package policies

import (
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Enforcement is what a policy's refusals do to a request.
type Enforcement string

// The enforcements. Audit records what would have been refused; Off keeps a policy loaded and never asked.
const (
	EnforceDeny  Enforcement = "deny"
	EnforceWarn  Enforcement = "warn"
	EnforceAudit Enforcement = "audit"
	EnforceOff   Enforcement = "off"
)

// OnError is what happens to a request when a policy cannot be asked to the end: its Rego fails, its time is up, or what it
// needs to know is unknown.
type OnError string

// The answers to a fault.
const (
	OnErrorDeny  OnError = "deny"
	OnErrorWarn  OnError = "warn"
	OnErrorAllow OnError = "allow"
)

// Rule names one rule of a policy's package and says at which stage it is asked.
type Rule struct {
	Stage review.Stage
	Name  string // "deny", "warn", "mutate", "user", "allow"
}

// Spec is one policy as a front end read it: what it is called, what it says, when it is asked and what follows. A Spec is never
// changed once it has been handed over.
type Spec struct {
	ID          string // its identity in findings, metrics and reports, "pods.privileged"
	Title       string
	Description string
	Severity    string   // "low", "medium", "high", "critical" or empty
	Controls    []string // "pss/baseline", "cis-1.9/5.2.2"
	File        string   // where it was read, for messages
	Row         int      // of its first line there; 0 when that is not known
	Digest      string   // of everything that makes it what it is; equal digests mean equal policies

	// Convention is how its rules see a request and what they return.
	Convention Convention
	// Code names Modules and Package, so that policies which differ in nothing but parameters and match are compiled once for all: Specs of
	// equal Code have the same ones, down to the files they were read from. Empty: the policy is compiled by itself.
	Code string
	// Compiled, if it is not nil, is a policy of the same Code, as a front end has compiled it to see whether it can be; it is not compiled again.
	Compiled *Policy

	Package ast.Ref       // the package whose rules are asked, data.portcullis.library.pods.privileged
	Modules []*ast.Module // the package's modules and every module they may import
	// Shared are packages among the modules whose rules have the same values for every policy that shares them, as long as the review is
	// the same: their modules are the same, and nothing in them reads input.parameters but PodTemplates, which none of them has.
	Shared []ast.Ref
	Rules  []Rule
	Match  Match
	// Objects are the resources whose objects input.request.object may be as far as the rules know: those the policy was written for and those
	// that Match names. What the rules read of it and none of these has is an error; of no resources, nothing is known.
	Objects    []Resource
	Parameters ast.Value // input.parameters: validated, defaults filled in; nil when the policy takes none

	// Data are the kinds of the cluster's objects that the policy reads at data.kubernetes[kind]. If what is known of one is older than
	// MaxStaleness, or nothing is, the policy has no answer. One of the Gatekeeper convention declares nothing: it reads, at data.inventory, what
	// inventory.Store.Sync shows, and has no answer while that cannot be relied on.
	Data         []inventory.Kind
	MaxStaleness time.Duration

	Enforcement Enforcement
	// ByOrigin is where Enforcement differs from what is said above; nil: nowhere.
	ByOrigin map[review.Origin]Enforcement
	OnError  OnError
	// Lenient takes a built-in function that fails, as to_number("x"), for undefined, as OPA does; otherwise it is a fault. It is for
	// policies written for OPA, which may count on it.
	Lenient bool

	Notes []string // what is no fault and should be known of it, each a sentence behind file and row
	// Source are the texts of its own package, of a template its libs too, for people; nil where the front end has none. Lines before a text's first that is not empty are not
	// the policy's: in their place is what the file has beside it.
	Source []SourceText
	// Tests are the texts of tests that lie beside it, for people: nobody runs them here.
	Tests []SourceText

	listed bool // it came in a Bundle that is Listed
}

// SourceText is a text as it was read. Nobody changes it.
type SourceText struct {
	File string
	Text []byte
}

// EnforcementBy is what the policy's refusals do to requests of that origin.
func (s Spec) EnforcementBy(origin review.Origin) Enforcement { return s.enforcement(origin) }

// FaultBy is what a fault of the policy does to requests of that origin: what OnError says or, where the enforcement is another than
// elsewhere, what that does.
func (s Spec) FaultBy(origin review.Origin) review.Effect { return s.faultEffect(origin) }

// Off reports whether the policy is never asked, wherever a request comes from.
func (s Spec) Off() bool {
	if s.Enforcement != EnforceOff {
		return false
	}
	for _, e := range s.ByOrigin {
		if e != EnforceOff {
			return false
		}
	}
	return true
}

// enforcement and faultEffect are asked with every request, for which a Spec is too large to be copied.
func (s *Spec) enforcement(origin review.Origin) Enforcement {
	if e, differs := s.ByOrigin[origin]; differs {
		return e
	}
	return s.Enforcement
}

func (s *Spec) faultEffect(origin review.Origin) review.Effect {
	if e, differs := s.ByOrigin[origin]; differs {
		return e.effect()
	}
	switch s.OnError {
	case OnErrorAllow:
		return review.EffectAudit
	case OnErrorWarn:
		return review.EffectWarn
	case OnErrorDeny:
	}
	return review.EffectDeny
}

// effect is what a refusal does.
func (e Enforcement) effect() review.Effect {
	switch e {
	case EnforceAudit, EnforceOff:
		return review.EffectAudit
	case EnforceWarn:
		return review.EffectWarn
	case EnforceDeny:
	}
	return review.EffectDeny
}

// at is the policy's place in messages, "file:row".
func (s Spec) at() string {
	if s.Row == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d", s.File, s.Row)
}
