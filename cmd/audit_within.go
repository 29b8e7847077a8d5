package cmd

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portcullis-dev/portcullis/audit/sweep"
)

// allNamespaces is the resource of the namespaces themselves.
func allNamespaces() sweep.Resource {
	return sweep.Resource{Version: "v1", Name: "namespaces", Kind: "Namespace"}
}

// within are the resources as they are listed for some namespaces: in each of them, and of the namespaces themselves these alone. What lies in no
// namespace is not listed. Without namespaces they are as they were.
func within(resources []sweep.Resource, namespaces []string) (out []sweep.Resource) {
	if len(namespaces) == 0 {
		return resources
	}
	only := slices.Compact(slices.Sorted(slices.Values(namespaces)))
	for _, r := range resources {
		if !r.Namespaced && r != allNamespaces() {
			continue
		}
		for _, r.Within = range only {
			out = append(out, r)
		}
	}
	return out
}

// areThere is an error when a namespace that is asked for does not exist, of which a report would be empty. Who may not see it may see what is in it.
func areThere(ctx context.Context, cluster sweep.Cluster, namespaces []string) error {
	for _, name := range namespaces {
		r := allNamespaces()
		r.Within = name
		if _, err := cluster.List(ctx, r, 1, ""); apierrors.IsNotFound(err) {
			return fmt.Errorf("--namespace %s: the cluster has no such namespace", name)
		}
	}
	return ctx.Err()
}

// lackedRight says which right is missing to list a resource.
func lackedRight(r sweep.Resource) string {
	switch {
	case r.Within == "":
		return fmt.Sprintf("You may not list %s: a role that allows the verb list on it is needed.", r)
	case r.Namespaced:
		return fmt.Sprintf("You may not list %s in namespace %s: a role that allows the verb list on it there is needed.", r, r.Within)
	default:
		return fmt.Sprintf("You may not get namespace %s: a role that allows the verb get on namespaces there is needed.", r.Within)
	}
}
