package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// clockSkew is how far apart the clocks of this machine and the replicas' may be: here, a Lease is seen but once.
const clockSkew = 15 * time.Second

// alive are the Leases of the replicas that live.
func (d *doctor) alive(ctx context.Context) ([]coordinationv1.Lease, error) {
	list, err := d.client.CoordinationV1().Leases(d.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{replicas.ReleaseLabel: d.name}.String(),
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(lease coordinationv1.Lease) bool {
		return lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil ||
			d.now.Sub(lease.Spec.RenewTime.Time) > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second+clockSkew
	}), nil
}

// replicas looks at who is alive, and whether all serve the same.
func (d *doctor) replicas(ctx context.Context) ([]check, error) {
	alive, err := d.alive(ctx)
	if err != nil {
		return nil, err
	}
	revisions, bundles := map[string][]string{}, map[string][]string{}
	live := len(alive)
	for _, lease := range alive {
		revision := lease.Annotations[replicas.RevisionAnnotation]
		name := strings.TrimPrefix(lease.Name, d.name+"-replica-")
		revisions[revision] = append(revisions[revision], name)
		bundle := lease.Annotations[replicas.CertificateAnnotation]
		bundles[bundle] = append(bundles[bundle], name)
	}
	switch {
	case live == 0:
		return []check{{
			"replicas", checkFail, fmt.Sprintf("no replica of %s is alive in namespace %s", d.name, d.namespace),
			"see that the Pods of the release run; if it is in another namespace, give it with --namespace",
		}}, nil
	case len(revisions[""]) > 0:
		return []check{{"replicas", checkFail, fmt.Sprintf("%s of %d have no policies in force", strings.Join(revisions[""], ", "), live), "look at their logs"}}, nil
	case len(revisions) > 1:
		return []check{{"replicas", checkWarn, "replicas serve different policies: " + whoHasWhat(revisions), behind}}, nil
	case len(bundles) > 1:
		return []check{{"replicas", checkWarn, "replicas would have callers trust different authorities: " + whoHasWhat(bundles), behind}}, nil
	}
	revision := slices.Collect(maps.Keys(revisions))[0]
	return []check{{"replicas", checkOK, fmt.Sprintf("%d alive, all serve %s", live, revision), ""}}, nil
}

const behind = "look again in a moment; if it stays so, look at the logs of those that are behind"

func whoHasWhat(names map[string][]string) string {
	var each []string
	for _, what := range slices.Sorted(maps.Keys(names)) {
		each = append(each, what+": "+strings.Join(names[what], ", "))
	}
	return strings.Join(each, "; ")
}

func (d *doctor) list(ctx context.Context) ([]v1alpha1.Policy, error) {
	list, err := d.dynamic.Resource(v1alpha1.GroupVersion().WithResource("policies")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	out := make([]v1alpha1.Policy, len(list.Items))
	for n, u := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &out[n]); err != nil {
			return nil, fmt.Errorf("read Policy %s: %w", u.GetName(), err)
		}
	}
	return out, nil
}

// wantsAdmission reports whether a Policy is served that the API server should ask about at admission.
func wantsAdmission(policy v1alpha1.Policy) bool {
	registered := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.PolicyRegistered)
	return policy.Status.Enforcement != "" && policy.Status.Enforcement != string(policies.EnforceOff) &&
		slices.Contains(strings.Split(policy.Status.Stage, ","), "admission") &&
		(registered == nil || registered.Reason != status.ReasonNeverAsked)
}

// wantsFail reports whether a Policy refuses what it cannot judge, as far as its spec says so.
func wantsFail(policy v1alpha1.Policy) bool {
	return wantsAdmission(policy) && policy.Status.Enforcement == string(policies.EnforceDeny) && (policy.Spec.OnError == "" || policy.Spec.OnError == "deny")
}
