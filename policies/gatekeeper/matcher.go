package gatekeeper

import (
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// matcher is the match of a constraint as the engine asks it.
type matcher struct{ *match.Match }

// ByLabels reports whether it depends on labels of the object, so that who does not know them cannot tell.
func (m matcher) ByLabels() bool { return m.LabelSelector != nil || m.NamespaceSelector != nil }

// Covers implements policies.Matcher.
func (m matcher) Covers(req *review.Request, namespace func() (policies.Namespace, error)) (bool, error) {
	object, old, err := req.Heads()
	if err != nil {
		return false, err
	}
	r := match.Review{
		Object: objectOf(object), Old: objectOf(old), Source: match.Original, Process: "webhook",
		Labels: func() (map[string]string, error) {
			found, err := namespace()
			return found.Labels, err
		},
	}
	if req.ImpliedBy != "" {
		r.Source = match.Generated
	}
	if req.Origin == review.FromAudit {
		r.Process = "audit"
	}
	if !req.Target.IsNamespace() {
		r.Namespace = req.Target.Namespace
		if req.Origin == review.FromCommandLine {
			// A review that a person wrote may say anything. There, as Gatekeeper has it, it is in the namespace it says if that is among the
			// files, and else in its object's.
			if _, err := namespace(); err != nil {
				r.Namespace = ""
			}
		}
	}
	return m.Holds(r)
}

func objectOf(head *review.Head) *match.Object {
	if head == nil {
		return nil
	}
	return &match.Object{Group: head.Group(), Kind: head.Kind, Namespace: head.Namespace, Name: head.Name, GenerateName: head.GenerateName, Labels: head.Labels}
}
