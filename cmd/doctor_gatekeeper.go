package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	theirstatus "github.com/portcullis-dev/portcullis/policies/gatekeeper/status"
)

// gatekeeper returns what is wrong with Gatekeeper's objects, by what the leader wrote at them, and how many there are. While it has written at
// none, the release leaves them to somebody else.
func (d *doctor) gatekeeper(ctx context.Context) (out []check, n int, err error) {
	kinds, err := d.theirKinds()
	if err != nil {
		return nil, 0, err
	}
	var silent []check
	var hidden []string
	for _, at := range kinds {
		list, err := d.dynamic.Resource(at).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue // its template went meanwhile
		}
		if apierrors.IsForbidden(err) { // as to a release that has nothing to do with them
			hidden = append(hidden, at.GroupResource().String())
			continue
		}
		if err != nil {
			return out, n, fmt.Errorf("the %s: %w", at.GroupResource(), err)
		}
		for _, u := range list.Items {
			name, word := calledByKind(&u), theirstatus.Read(&u, d.name)
			switch {
			case !word.Said && (at.Group == "config.gatekeeper.sh" || at.Group == "syncset.gatekeeper.sh"):
				continue // of which Gatekeeper's own definitions may keep no status
			case !word.Said:
				silent = append(silent, check{"policies", checkWarn, name + " has not been looked at since it was changed", lookAgainSoon})
				continue
			case word.Fault != "" && word.Passing:
				out = append(out, check{"policies", checkWarn, name + " is not ready: " + word.Fault, lookAgainSoon})
			case word.Fault != "":
				out = append(out, check{"policies", checkFail, name + " is faulty: " + word.Fault, "mend it"})
			case word.Lacking != "" && at.Group != "constraints.gatekeeper.sh": // which is told of the template, and not of each of its constraints
				out = append(out, check{
					"policies", checkFail, name + ": " + word.Lacking,
					"where a kind may not be listed, add it to the chart's rbac.inventory, or take it out of the Config or SyncSet; it is looked for again every half minute",
				})
			}
			n++
		}
	}
	if len(hidden) > 0 {
		out = append(out, check{
			"policies", checkWarn, "what became of " + strings.Join(hidden, ", ") + " is not known, because they may not be listed",
			"if Portcullis takes Gatekeeper's objects from the cluster, give whoever runs doctor the right to list them",
		})
	}
	if n == 0 {
		return out, 0, nil
	}
	return append(out, silent...), n, nil
}

func calledByKind(u *unstructured.Unstructured) string {
	return u.GetKind() + " " + strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
}

// theirKinds are the kinds of Gatekeeper's that the cluster serves, constraints among them, each in the version that the API server prefers.
func (d *doctor) theirKinds() (out []schema.GroupVersionResource, err error) {
	groups, err := d.client.Discovery().ServerGroups()
	if err != nil {
		return nil, fmt.Errorf("the cluster's groups: %w", err)
	}
	for _, group := range groups.Groups {
		if !theirstatus.Has(schema.GroupVersionResource{Group: group.Name}) {
			continue
		}
		known := map[string]bool{}
		for _, version := range append([]metav1.GroupVersionForDiscovery{group.PreferredVersion}, group.Versions...) {
			list, err := d.client.Discovery().ServerResourcesForGroupVersion(version.GroupVersion)
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("the kinds of %s: %w", version.GroupVersion, err)
			}
			for _, r := range list.APIResources {
				if !known[r.Name] && !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "list") {
					known[r.Name] = true
					out = append(out, schema.GroupVersionResource{Group: group.Name, Version: version.Version, Resource: r.Name})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b schema.GroupVersionResource) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
	})
	return out, nil
}
