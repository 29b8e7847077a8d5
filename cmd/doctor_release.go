package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// clockSkew is how far apart the clocks of this machine and the replicas' may be: here, a Lease is seen but once.
const clockSkew = 15 * time.Second

// replicas looks at who is alive, and whether all serve the same.
func (d *doctor) replicas(ctx context.Context) ([]check, error) {
	list, err := d.client.CoordinationV1().Leases(d.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.Set{replicas.ReleaseLabel: d.name}.String(),
	})
	if err != nil {
		return nil, err
	}
	revisions, bundles := map[string][]string{}, map[string][]string{}
	live := 0
	for _, lease := range list.Items {
		if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil ||
			d.now.Sub(lease.Spec.RenewTime.Time) > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second+clockSkew {
			continue
		}
		live++
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

// policies looks at the status of all Policies.
func (d *doctor) policies(ctx context.Context) ([]check, error) {
	list, err := d.dynamic.Resource(v1alpha1.GroupVersion().WithResource("policies")).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return []check{{"policies", checkWarn, "the cluster does not serve the kind Policy", "install the CRDs that come with Portcullis, if policies shall be objects"}}, nil
	}
	if err != nil {
		return nil, err
	}
	var out []check
	for _, u := range list.Items {
		var policy v1alpha1.Policy
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &policy); err != nil {
			return out, fmt.Errorf("read Policy %s: %w", u.GetName(), err)
		}
		if c, ok := judgePolicy(policy); ok {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		out = append(out, check{"policies", checkOK, fmt.Sprintf("all %d are in force", len(list.Items)), ""})
	}
	return out, nil
}

// judgePolicy returns what is wrong with a Policy, if anything is.
func judgePolicy(policy v1alpha1.Policy) (check, bool) {
	conditions := policy.Status.Conditions
	switch {
	case policy.Status.ObservedGeneration != policy.Generation:
		return check{
			"policies", checkWarn, fmt.Sprintf("Policy %s has not been looked at since it was changed", policy.Name),
			"look again in a moment; if it stays so, see that a Portcullis leads",
		}, true
	case meta.IsStatusConditionFalse(conditions, v1alpha1.PolicyCompiled):
		return check{"policies", checkFail, policy.Status.Message, "mend it"}, true
	case !meta.IsStatusConditionTrue(conditions, v1alpha1.PolicyReady):
		message := "nothing is known of it"
		if ready := meta.FindStatusCondition(conditions, v1alpha1.PolicyReady); ready != nil {
			message = ready.Message
		}
		return check{"policies", checkWarn, fmt.Sprintf("Policy %s is not ready: %s", policy.Name, message), "look again in a moment"}, true
	}
	return check{}, false
}
