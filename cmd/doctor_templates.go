package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// templates returns what our replicas say in the status of Gatekeeper's ConstraintTemplates is wrong with them, or with what their constraints read.
func (d *doctor) templates(ctx context.Context) (out []check, err error) {
	at := schema.GroupVersionResource{Group: "templates.gatekeeper.sh", Version: "v1", Resource: "constrainttemplates"}
	if _, err := d.client.Discovery().ServerResourcesForGroupVersion(at.GroupVersion().String()); apierrors.IsNotFound(err) {
		return nil, nil // the cluster has none
	} else if err != nil {
		return nil, fmt.Errorf("the kinds of %s: %w", at.GroupVersion(), err)
	}
	list, err := d.dynamic.Resource(at).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err): // as to a release that has nothing to do with them
		return []check{{
			"policies", checkWarn, "what became of Gatekeeper's ConstraintTemplates is not known, because they may not be listed",
			"if Portcullis takes them from the cluster, give whoever runs doctor the right to list constrainttemplates.templates.gatekeeper.sh",
		}}, nil
	case err != nil:
		return nil, fmt.Errorf("ConstraintTemplates: %w", err)
	}
	for _, template := range list.Items {
		for _, text := range d.errorsOf(template) {
			out = append(out, check{
				"policies", checkFail, fmt.Sprintf("ConstraintTemplate %s: %s", template.GetName(), text),
				"mend it; where a kind is missing, add it to the chart's rbac.inventory, or take it out of the Config or SyncSet",
			})
		}
	}
	return out, nil
}

// errorsOf are the errors that our replicas have written at an object, each once.
func (d *doctor) errorsOf(object unstructured.Unstructured) (out []string) {
	entries, _, _ := unstructured.NestedSlice(object.Object, "status", "byPod")
	for _, one := range entries {
		entry, _ := one.(map[string]any)
		if id, _ := entry["id"].(string); !strings.HasPrefix(id, d.name+"/") {
			continue
		}
		errs, _, _ := unstructured.NestedSlice(entry, "errors")
		for _, one := range errs {
			err, _ := one.(map[string]any)
			if text, _ := err["message"].(string); text != "" && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}
