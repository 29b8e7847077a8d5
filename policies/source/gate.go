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
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// Gate is the Reviewer of Policy and PolicyException objects, asked before the API server accepts one. A Policy is read and compiled beside
// what lies in the cluster, compared with what is in force, and the Rego tests it brings are run; every fault is a finding that names
// file and row; a package without METADATA is warned about. An exception is read, and warned about when a policy it names does not exist or is
// asked elsewhere than at admission.
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
			if len(more) == 0 {
				warnings = append(warnings, asksAboutEverything(spec))
			}
			for _, text := range warnings {
				warn(d, file, text)
			}
			for _, note := range spec.Notes {
				advise(d, note)
			}
		}
	}
	for _, fault := range faults {
		refuse(d, fault)
	}
}

// asksAboutEverything returns what the author of a package without METADATA may not expect of it, if it is asked at admission.
func asksAboutEverything(spec policies.Spec) string {
	if !spec.Lenient || spec.Match.Resources != nil || len(notAtAdmission(spec)) == len(spec.Rules) {
		return ""
	}
	const everything = "give the package METADATA with match.resources: without, the API server asks about every request, subresources included"
	if spec.OnError == policies.OnErrorDeny {
		return everything + ", and, as onError is deny, may refuse all of them while nobody answers"
	}
	return everything
}

// notAtAdmission are the stages, beside admission, at which a policy is asked.
func notAtAdmission(spec policies.Spec) (stages []string) {
	for _, rule := range spec.Rules {
		if rule.Stage != review.Validate && rule.Stage != review.Mutate {
			stages = append(stages, string(rule.Stage))
		}
	}
	return stages
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
			at := slices.IndexFunc(set.Policies(), func(p *policies.Policy) bool { return p.Spec().ID == name })
			if at < 0 {
				what := "until there is one the exception does nothing for it"
				if near := Meant(set, name); len(near) > 0 {
					what = fmt.Sprintf("did you mean %s?", spelling.Listed(near, "or"))
				}
				warn(d, file, fmt.Sprintf("there is no policy %q; %s", name, what))
				continue
			}
			spec := set.Policies()[at].Spec()
			switch others := notAtAdmission(spec); {
			case len(others) == len(spec.Rules):
				warn(d, file, fmt.Sprintf("exceptions hold at admission alone, and policy %q is not asked there; the exception does nothing for it", name))
			case len(others) > 0:
				warn(d, file, fmt.Sprintf("exceptions hold at admission alone, and policy %q is also asked at stage %s, where it refuses as before",
					name, strings.Join(others, ", ")))
			}
		}
	}
}

// warn adds a finding that refuses nothing; an empty text is none.
func warn(d *review.Decision, file native.File, text string) {
	if text != "" {
		advise(d, file.Name+": "+text)
	}
}

// advise adds a finding that refuses nothing and names what it is about itself.
func advise(d *review.Decision, text string) {
	d.Findings = append(d.Findings, review.Finding{Policy: gateName, Effect: review.EffectWarn, Message: review.Sentence(text, review.MaxMessage)})
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
