package reports

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// Choice says which kinds of reports are written.
type Choice string

// The choices. Auto is OpenReports where the cluster serves it, and else WGPolicy: not both, since what shows reports would show all of them twice.
const (
	Auto        Choice = "auto"
	OpenReports Choice = "openreports" // openreports.io/v1alpha1
	WGPolicy    Choice = "wgpolicy"    // wgpolicyk8s.io/v1alpha2
	None        Choice = "none"
)

// Choices are all, as people are told of them.
func Choices() []Choice { return []Choice{Auto, OpenReports, WGPolicy, None} }

// api is a version of the kinds of reports.
type api struct {
	schema.GroupVersion
	kind, plural               string
	clusterKind, clusterPlural string
	sourced                    bool // its objects have a source and a configuration
}

func openReports() api {
	return api{schema.GroupVersion{Group: "openreports.io", Version: "v1alpha1"}, "Report", "reports", "ClusterReport", "clusterreports", true}
}

func wgPolicy() api {
	return api{schema.GroupVersion{Group: "wgpolicyk8s.io", Version: "v1alpha2"}, "PolicyReport", "policyreports", "ClusterPolicyReport", "clusterpolicyreports", false}
}

// resources are both of an api.
func (a api) resources() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{a.WithResource(a.plural), a.WithResource(a.clusterPlural)}
}

// of is the resource of an object.
func (a api) of(namespace string) schema.GroupVersionResource {
	if namespace == "" {
		return a.WithResource(a.clusterPlural)
	}
	return a.WithResource(a.plural)
}

// as is an object in the words of an api.
func (a api) as(o Object) Object {
	o.APIVersion, o.Kind = a.String(), a.kind
	if o.Metadata.Namespace == "" {
		o.Kind = a.clusterKind
	}
	if !a.sourced {
		o.Source, o.Configuration = "", nil
	}
	return o
}

// served are the apis that a cluster has.
func served(ctx context.Context, kinds discovery.ServerResourcesInterfaceWithContext) ([]api, error) {
	var out []api
	for _, one := range []api{openReports(), wgPolicy()} {
		list, err := kinds.ServerResourcesForGroupVersionWithContext(ctx, one.String())
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the cluster does not tell whether it serves %s: %w", one, err)
		}
		both := map[string]bool{}
		for _, r := range list.APIResources {
			both[r.Name] = true
		}
		if both[one.plural] && both[one.clusterPlural] { // CRDs are made one after the other
			out = append(out, one)
		}
	}
	return out, nil
}

// choose is the api to write; the zero value if the cluster serves none that is wanted.
func (c Choice) choose(served []api) api {
	for _, one := range served {
		if c == Auto || c == OpenReports && one == openReports() || c == WGPolicy && one == wgPolicy() {
			return one
		}
	}
	return api{}
}
