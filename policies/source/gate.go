package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// Gate is the Reviewer of Policy and PolicyException objects, asked before the API server accepts one. A Policy is read and compiled beside
// what lies in the cluster, compared with what is in force, and the Rego tests it brings are run; every fault is a finding that names
// file and row. An exception is read, and warned about when a policy it names does not exist.
//
// What does not change an object's spec passes, so that a faulty object can still lose its finalizers. It has no answer before the Objects
// have been listed and policies are in force.
type Gate struct {
	Objects *Objects
	Engine  *policies.Engine
	Now     func() time.Time // nil means time.Now
	// Check, if it is not nil, judges a Policy that compiles, as Loader.Gate will; the error is why it is refused.
	Check func(context.Context, *policies.Policy) error
	// Warn, if it is not nil, says what whoever applies a Policy that is not refused should know, a sentence each.
	Warn func(context.Context, *policies.Policy) []string
}

// gateName is the policy that a Gate's findings are of.
const gateName = "portcullis"

// Review judges one object. Objects that are not Portcullis' are an error: to let them pass would say that they were judged.
func (g *Gate) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	t := req.Target
	if t.Group != v1alpha1.Group || req.Stage != review.Validate {
		return review.Decision{}, fmt.Errorf("the gate of %s is asked to %s %s", v1alpha1.Group, req.Stage, t)
	}
	if t.Subresource != "" || req.Verb != "create" && req.Verb != "update" {
		return review.Decision{Verdict: review.Allow}, nil
	}
	object, err := decodeObject(req.Object)
	if err != nil {
		return review.Decision{}, err
	}
	if len(req.OldObject) > 0 {
		old, err := decodeObject(req.OldObject)
		if err != nil {
			return review.Decision{}, err
		}
		if same, err := sameSpec(old, object); err != nil || same {
			return review.Decision{Verdict: review.Allow}, err
		}
	}
	set := g.Engine.Set()
	present, listed := g.Objects.read()
	if set == nil || !listed {
		return review.Decision{}, review.Unavailable("the cluster's policies are not in force yet")
	}
	d := review.Decision{Verdict: review.Allow, Revision: set.Revision()}
	switch t.Resource {
	case "policies":
		g.policy(ctx, &d, set, present, object)
	case "policyexceptions":
		g.exception(&d, set, object)
	default:
		return review.Decision{}, fmt.Errorf("the gate of %s does not know %s", v1alpha1.Group, t.Resource)
	}
	return d, nil
}

// policy judges a Policy.
func (g *Gate) policy(ctx context.Context, d *review.Decision, set *policies.Set, present []native.File, object *unstructured.Unstructured) {
	file := policyFile(object)
	files := slices.DeleteFunc(slices.Clone(present), func(f native.File) bool { return f.Name == file.Name })
	specs, faults := g.Objects.Reader.Read(append(files, file))
	faults = slices.DeleteFunc(faults, func(f policies.Fault) bool { return f.File != file.Name })
	for _, spec := range specs {
		if spec.File == file.Name {
			more, warnings := g.try(ctx, set, spec)
			faults = append(faults, more...)
			for _, text := range warnings {
				warn(d, file.Name+": "+text)
			}
		}
	}
	for _, fault := range faults {
		refuse(d, fault)
	}
}

// try compiles a policy, runs its tests and has it checked.
func (g *Gate) try(ctx context.Context, set *policies.Set, spec policies.Spec) (faults policies.Faults, warnings []string) {
	if faults = set.Try(ctx, spec); len(faults) > 0 || g.Check == nil && g.Warn == nil {
		return faults, nil
	}
	policy, err := policies.CompilePolicy(ctx, spec)
	if err == nil && g.Check != nil {
		err = g.Check(ctx, policy)
	}
	switch {
	case err != nil:
		faults = append(faults, policies.Fault{File: spec.File, Policy: spec.ID, Err: err})
	case g.Warn != nil:
		warnings = g.Warn(ctx, policy)
	}
	return faults, warnings
}

// exception judges a PolicyException.
func (g *Gate) exception(d *review.Decision, set *policies.Set, object *unstructured.Unstructured) {
	file := exceptionFile(object)
	found, faults := g.Objects.Reader.Exceptions([]native.File{file})
	for _, fault := range faults {
		refuse(d, fault)
	}
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	for _, e := range found {
		if !now().Before(e.Expires) {
			refuse(d, policies.Fault{Err: fmt.Errorf("%s: spec.expires is past; an exception that has ended excepts nothing", file.Name)})
		}
		for _, name := range e.Policies {
			if slices.ContainsFunc(set.Policies(), func(p *policies.Policy) bool { return p.Spec().ID == name }) {
				continue
			}
			warn(d, fmt.Sprintf("%s: there is no policy %q; until there is one the exception does nothing for it", file.Name, name))
		}
	}
}

// refuse adds a finding for each line of a fault: a compiler finds several at once.
func refuse(d *review.Decision, fault policies.Fault) {
	d.Verdict = review.Deny
	for line := range strings.SplitSeq(fault.Err.Error(), "\n") {
		d.Findings = append(d.Findings, review.Finding{
			Policy: gateName, Effect: review.EffectDeny, Message: review.Sentence(line, review.MaxMessage),
		})
	}
}

func warn(d *review.Decision, text string) {
	d.Findings = append(d.Findings, review.Finding{Policy: gateName, Effect: review.EffectWarn, Message: review.Sentence(text, review.MaxMessage)})
}

func decodeObject(text []byte) (*unstructured.Unstructured, error) {
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("the object cannot be read: %w", err)
	}
	return out, nil
}

func sameSpec(a, b *unstructured.Unstructured) (bool, error) {
	one, err := json.Marshal(a.Object["spec"])
	if err != nil {
		return false, err
	}
	two, err := json.Marshal(b.Object["spec"])
	return bytes.Equal(one, two), err
}
