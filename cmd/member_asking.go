package cmd

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// stand notes how things stand with the registration.
func (c *member) stand(s *registration.Standing) {
	if s != nil {
		s.Err = lasting(s.Err)
	}
	c.mu.Lock()
	same := reflect.DeepEqual(c.standing, s)
	c.standing = s
	c.mu.Unlock()
	if !same && c.status != nil {
		c.status.Wake()
	}
}

// lasting says an error without what differs each time that the same goes wrong: with it statuses were written, and Events made, again and again.
func lasting(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, passing := range []struct{ text, is string }{
		{`\b(read|write) (tcp|udp) \S+->`, "$1 $2 "}, // from a port that was free
		{`\bcurrent time \S+ is\b`, "now is"},
		{`\bportcullis-probe-[a-z0-9]+`, "portcullis-probe"},
	} {
		text = regexp.MustCompile(passing.text).ReplaceAllString(text, passing.is)
	}
	return errors.New(text)
}

// stillAsked is how things stand for a set of policies: what is about to be registered for it is not what was for a policy that it does not
// hold. If that comes back it must be asked about anew.
func stillAsked(standing *registration.Standing, set *policies.Set) *registration.Standing {
	if standing == nil || set == nil {
		return standing
	}
	now := *standing
	now.Asked = map[string]string{}
	for policy, version := range versions(set) {
		if standing.Asked[policy] == version {
			now.Asked[policy] = version
		}
	}
	return &now
}

// asking says whether the API server asks about a policy, at each of its stages; it is a status.Asking.
func (c *member) asking(policy *policies.Policy) status.Asking {
	spec := policy.Spec()
	var out status.Asking
	for _, stage := range stagesOf(spec) {
		next := c.heardAt(stage)
		if c.keeper != nil && stage == review.Validate {
			next = c.registeredFor(spec)
		}
		// No weighs more than not knowing, and that more than yes.
		if out.Reason == "" || next.Status == metav1.ConditionFalse || next.Status == metav1.ConditionUnknown && out.Status == metav1.ConditionTrue {
			out = next
		}
		if out.Status == metav1.ConditionFalse {
			break
		}
	}
	return out
}

// stagesOf are the stages at which a policy is asked; both phases of admission are review.Validate.
func stagesOf(spec policies.Spec) (out []review.Stage) {
	for _, rule := range spec.Rules {
		stage := rule.Stage
		if stage == review.Mutate {
			stage = review.Validate
		}
		out = append(out, stage)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// interests are what a policy wants the API server to ask about, as far as is known which kinds there are.
func (c *member) interests(spec policies.Spec) []registration.Interest {
	resolve := registration.GuessResources
	if c.served != nil && c.served.known() {
		resolve, _ = c.served.resolve()
	}
	c.mu.Lock()
	set := c.loaded.Set
	c.mu.Unlock()
	var parents func([]policies.GroupKind) []policies.GroupKind
	if set != nil {
		parents = set.Parents
	}
	return interests(spec, parents, resolve)
}

// unasked says, in sentences, about what of what a policy wants the API server is not asked; all says that it is asked about nothing else.
func (c *member) unasked(spec policies.Spec) (sentences []string, all bool) {
	sentences, all = registration.Unasked(c.interests(spec), c.exempt)
	if c.served == nil {
		return sentences, all
	}
	if kinds := c.served.unserved(wantedKinds(spec, nil)); len(kinds) > 0 && len(phases(spec)) > 0 {
		sentences = append(sentences, "the cluster does not serve "+strings.Join(kinds, ", ")+
			", or not yet, and is asked about it once it does; correct the spelling of the kind and its group, or install its CRD")
	}
	return sentences, all
}

// registeredFor says whether the registration has the API server ask about a policy at admission.
func (c *member) registeredFor(spec policies.Spec) status.Asking {
	no := func(reason, message string) status.Asking {
		return status.Asking{Status: metav1.ConditionFalse, Reason: reason, Message: message}
	}
	unasked, all := c.unasked(spec)
	if all {
		return no(status.ReasonNeverAsked, strings.Join(unasked, "; "))
	}
	c.mu.Lock()
	standing := c.standing
	c.mu.Unlock()
	switch {
	case standing == nil:
		return status.Asking{Status: metav1.ConditionUnknown, Reason: status.ReasonRegistering}
	case standing.Unlocked != nil:
		return no(status.ReasonUnlocked, fmt.Sprintf("the cluster is unlocked until %s by %s, and nothing is asked about: %s; `portcullis lock` ends it",
			standing.Unlocked.Until.UTC().Format("2006-01-02T15:04:05Z"), standing.Unlocked.By, standing.Unlocked.Reason))
	case standing.Err != nil && standing.Weak:
		return no(status.ReasonWeakened, "requests pass for want of an answer: "+standing.Err.Error())
	case standing.Err != nil:
		return no(status.ReasonUnregistered, "the registration is not known to be in force: "+standing.Err.Error())
	case standing.Asked[spec.ID] != spec.Digest:
		return no(status.ReasonRegistering, "the registration that asks about it was not seen to be in force yet")
	}
	return status.Asking{Status: metav1.ConditionTrue, Reason: status.ReasonAsked, Message: strings.Join(unasked, "; ")}
}

// heardAt says whether the API server has asked at a stage at which its own configuration has it do so.
func (c *member) heardAt(stage review.Stage) status.Asking {
	if c.everHeard(stage) {
		return status.Asking{Status: metav1.ConditionTrue, Reason: status.ReasonHeard}
	}
	return status.Asking{Status: metav1.ConditionFalse, Reason: status.ReasonNotHeard, Message: notHeard(stage)}
}

func notHeard(stage review.Stage) string {
	return fmt.Sprintf("the API server has not asked at stage %s since the servers were started: "+
		"`portcullis setup` prints what it must be started with, and `portcullis doctor` has it ask", stage)
}

// everHeard reports whether any replica was asked at the stage.
func (c *member) everHeard(stage review.Stage) bool {
	if slices.Contains(c.heard.list(), string(stage)) {
		return true
	}
	members, err := c.replicas.Members()
	if err != nil {
		return false
	}
	for _, m := range members {
		if slices.Contains(strings.Split(m.Heard, ","), string(stage)) {
			return true
		}
	}
	return false
}

// hears notes that this server is asked at the stage.
func (c *member) hears(stage review.Stage) {
	if stage == review.Mutate {
		stage = review.Validate
	}
	if c.heard.add(string(stage)) {
		c.tell()
	}
}

// stages remember at which stages the API server has asked.
type stages struct {
	known sync.Map // of true by name
}

// add reports whether the stage is new.
func (s *stages) add(stage string) bool {
	if _, known := s.known.Load(stage); known { // which is nearly always so, and costs nothing
		return false
	}
	_, known := s.known.LoadOrStore(stage, true)
	return !known
}

func (s *stages) list() (out []string) {
	s.known.Range(func(name, _ any) bool {
		if name, ok := name.(string); ok {
			out = append(out, name)
		}
		return true
	})
	slices.Sort(out)
	return out
}

// warnings are what somebody should know who is about to put a policy into the cluster.
func (c *member) warnings(ctx context.Context, policy *policies.Policy) []string {
	spec := policy.Spec()
	if spec.Enforcement == policies.EnforceOff {
		return nil
	}
	var out []string
	for _, stage := range stagesOf(spec) {
		if c.keeper != nil && stage == review.Validate {
			unasked, _ := c.unasked(spec)
			out = append(append(out, unasked...), c.sentinel.Spared(ctx, policy)...)
			if c.gatekeeper.warns() && spec.Convention == policies.Gatekeeper {
				if err := c.sentinel.Check(ctx, policy); err != nil && ctx.Err() == nil {
					out = append(out, "it only warns, because gatekeeper-enforcement is warn; with deny it would not be in force: "+err.Error())
				}
			}
		} else if !c.everHeard(stage) {
			out = append(out, notHeard(stage))
		}
	}
	snapshot := c.store.Snapshot()
	for _, kind := range spec.Data {
		if why := snapshot.Lost(kind); why != nil {
			out = append(out, fmt.Sprintf("nothing is known of %s: %s; until it is known, the policy's onError decides", kind, why))
		}
	}
	return append(out, policy.Lacking(snapshot, time.Now())...)
}
