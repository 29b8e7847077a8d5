package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// policies looks at what became of all Policies, of the ConfigMaps with policies in the release's namespace, and of Gatekeeper's objects. A status is what the leader
// last wrote: while nobody serves, or nobody is asked, none of it holds.
func (d *doctor) policies(ctx context.Context) ([]check, error) {
	out, open, err := d.outOfForce(ctx)
	if err != nil {
		return out, err
	}
	list, err := d.list(ctx)
	switch {
	case apierrors.IsNotFound(err):
		out = append(out, check{
			"policies", checkWarn, "the cluster does not serve the kind Policy", "install the CRDs that come with Portcullis, if policies shall be objects",
		})
	case err != nil:
		return out, err
	}
	for _, policy := range list {
		if open && readiness(policy) == status.ReasonUnlocked {
			continue // which is said once
		}
		if c, ok := judgePolicy(policy, d.now); ok {
			out = append(out, c)
		}
	}
	theirs, err := d.templates(ctx)
	if out = append(out, theirs...); err != nil {
		return out, err
	}
	faulty, configMaps, err := d.configMaps(ctx)
	out = append(out, faulty...)
	if err != nil {
		return out, err
	}
	theirs, objects, err := d.gatekeeper(ctx)
	out = append(out, theirs...)
	if err != nil || len(out) > 0 {
		return out, err
	}
	well := fmt.Sprintf("all %d Policies are in force", len(list))
	if len(list) == 0 {
		well = "there is no Policy"
	}
	if configMaps > 0 {
		well += fmt.Sprintf(", and what the %d ConfigMaps with policies in namespace %s hold is without fault", configMaps, d.namespace)
	}
	if objects > 0 {
		well += fmt.Sprintf("; so are the %d objects of Gatekeeper's", objects)
	}
	return []check{{"policies", checkOK, well, ""}}, nil
}

// outOfForce says why no policy can be in force, if none can, and whether the cluster is unlocked.
func (d *doctor) outOfForce(ctx context.Context) (out []check, open bool, err error) {
	alive, err := d.alive(ctx)
	if err != nil {
		return nil, false, err
	}
	if len(alive) == 0 {
		out = append(out, check{
			"policies", checkFail, fmt.Sprintf("no policy is in force, because no replica of %s is alive in namespace %s", d.name, d.namespace),
			"see that the Pods of the release run; if it is in another namespace, give it with --namespace",
		})
	}
	ours, err := d.own(ctx)
	if err != nil {
		return out, false, err
	}
	until, _, open := ours.unlocked(d.now)
	if open {
		out = append(out, check{
			"policies", checkFail, "no policy is in force at admission, because the cluster is unlocked until " + until.Format(time.RFC3339),
			"when it is no longer needed, `portcullis lock` ends it before that time",
		})
	}
	return out, open, nil
}

// configMaps returns what is wrong with the ConfigMaps with policies in the release's namespace, and how many there are.
func (d *doctor) configMaps(ctx context.Context) (out []check, n int, err error) {
	list, err := d.client.CoreV1().ConfigMaps(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: source.ConfigMapSelector})
	if err != nil {
		return nil, 0, fmt.Errorf("ConfigMaps with policies in namespace %s: %w", d.namespace, err)
	}
	for _, configMap := range list.Items {
		name := configMap.Namespace + "/" + configMap.Name
		said := configMap.Annotations[status.KubeMgmtStatus]
		if said == "" {
			out = append(out, check{
				"policies", checkWarn, fmt.Sprintf("ConfigMap %s has not been looked at", name),
				"see that a Portcullis leads that takes policies from the cluster, with --cluster-policies",
			})
			continue
		}
		if fault, ok := faultOf(said); ok {
			out = append(out, check{"policies", checkFail, fmt.Sprintf("ConfigMap %s is faulty: %s", name, fault), "mend it"})
		}
	}
	return out, len(list.Items), nil
}

// faultOf is the first fault that the annotation of a ConfigMap tells of.
func faultOf(annotation string) (string, bool) {
	var said struct {
		Status string `json:"status"`
		Error  struct {
			Message string `json:"message"`
			Errors  []struct {
				Message  string `json:"message"`
				Location struct {
					File string `json:"file"`
					Row  int    `json:"row"`
				} `json:"location"`
			} `json:"errors"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(annotation), &said); err != nil {
		return "its annotation " + status.KubeMgmtStatus + " cannot be read", true
	}
	if said.Status == "ok" {
		return "", false
	}
	if len(said.Error.Errors) == 0 {
		return said.Error.Message, true
	}
	first := said.Error.Errors[0]
	if first.Location.File == "" {
		return first.Message, true
	}
	return fmt.Sprintf("%s:%d: %s", first.Location.File, first.Location.Row, first.Message), true
}

// registeringTime is how long it may take until every replica serves a policy, and until its registration was seen to be in force.
const registeringTime = time.Minute

// lookAgainSoon is the remedy for what passes by itself, where a leader writes it.
const lookAgainSoon = "look again in a moment; if it stays so, see that a Portcullis leads"

// readiness is the reason why a Policy is ready, or not; empty if nothing is known of it.
func readiness(policy v1alpha1.Policy) string {
	if ready := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.PolicyReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// judgePolicy returns what is wrong with a Policy, if anything is.
func judgePolicy(policy v1alpha1.Policy, now time.Time) (check, bool) {
	conditions := policy.Status.Conditions
	ready := meta.FindStatusCondition(conditions, v1alpha1.PolicyReady)
	switch {
	case policy.Status.ObservedGeneration != policy.Generation:
		return check{"policies", checkWarn, fmt.Sprintf("Policy %s has not been looked at since it was changed", policy.Name), lookAgainSoon}, true
	case meta.IsStatusConditionFalse(conditions, v1alpha1.PolicyCompiled):
		return check{"policies", checkFail, policy.Status.Message, "mend it"}, true
	case ready == nil:
		return check{"policies", checkWarn, fmt.Sprintf("Policy %s is not ready: nothing is known of it", policy.Name), lookAgainSoon}, true
	case ready.Status == metav1.ConditionTrue:
		return check{}, false
	}
	c := check{"policies", checkWarn, fmt.Sprintf("Policy %s is not ready: %s", policy.Name, ready.Message), lookAgainSoon}
	switch ready.Reason {
	case status.ReasonUnregistered, status.ReasonWeakened:
		c.Status, c.Remedy = checkFail, "see what registration and admission say above, and the leader's log"
	case status.ReasonNeverAsked:
		c.Remedy = "have its match name what the API server asks about; or delete the policy, which does nothing"
	case status.ReasonNotHeard:
		c.Remedy = "if doctor does not say ok of its stage (guard, grant, tokens), set that up as `portcullis setup` says; about images the API server asks when a Pod is created"
	case status.ReasonRollingOut, status.ReasonUnknown:
		if now.Sub(ready.LastTransitionTime.Time) > registeringTime {
			c.Status, c.Remedy = checkFail, "look at the logs of the replicas that are behind: it is not registered before all serve it"
		}
	case status.ReasonUninformed:
		c.Status, c.Remedy = checkFail, "see that the server may read that kind, as with the chart's rbac.inventory"
	case status.ReasonRegistering:
		since := ready.LastTransitionTime
		if registered := meta.FindStatusCondition(conditions, v1alpha1.PolicyRegistered); registered != nil {
			since = registered.LastTransitionTime
		}
		if now.Sub(since.Time) > registeringTime {
			c.Status, c.Remedy = checkFail, "see that a Portcullis leads, and what its log says of the registration"
		}
	}
	return c, true
}
