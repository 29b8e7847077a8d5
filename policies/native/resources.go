package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// groupsOf tells the groups of every built-in resource of Kubernetes 1.37, so that METADATA may say "deployments" and a plural that is
// misspelt is an error instead of a policy that never matches.
func groupsOf(plural string) []string {
	const core = ""
	groups := map[string][]string{
		"admissionregistration.k8s.io": {"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations"},
		"apiextensions.k8s.io":         {"customresourcedefinitions"},
		"apiregistration.k8s.io":       {"apiservices"},
		"apps":                         {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
		"authentication.k8s.io":        {"selfsubjectreviews", "tokenreviews"},
		"authorization.k8s.io":         {"localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"},
		"autoscaling":                  {"horizontalpodautoscalers"},
		"batch":                        {"cronjobs", "jobs"},
		"certificates.k8s.io":          {"certificatesigningrequests", "clustertrustbundles", "podcertificaterequests"},
		"coordination.k8s.io":          {"leases", "leasecandidates"},
		core:                           {"bindings", "componentstatuses", "configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services"},
		"discovery.k8s.io":             {"endpointslices"},
		"events.k8s.io":                {"events"},
		"flowcontrol.apiserver.k8s.io": {"flowschemas", "prioritylevelconfigurations"},
		"networking.k8s.io":            {"ingressclasses", "ingresses", "ipaddresses", "networkpolicies", "servicecidrs"},
		"node.k8s.io":                  {"runtimeclasses"},
		"policy":                       {"poddisruptionbudgets"},
		"rbac.authorization.k8s.io":    {"clusterrolebindings", "clusterroles", "rolebindings", "roles"},
		"resource.k8s.io":              {"deviceclasses", "devicetaintrules", "resourceclaims", "resourceclaimtemplates", "resourceslices"},
		"scheduling.k8s.io":            {"priorityclasses", "workloads"},
		"storage.k8s.io":               {"csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments", "volumeattributesclasses"},
	}
	var out []string
	for group, plurals := range groups {
		if slices.Contains(plurals, plural) {
			out = append(out, group)
		}
	}
	slices.Sort(out)
	return out
}

// workloads is every built-in kind with a Pod template.
const workloads = "workloads"

// throughPods are the subresources through which a Pod's containers can be changed. Whoever watches over Pods watches over them.
func throughPods() []policies.Resource {
	return []policies.Resource{{Resource: "pods", Subresource: "ephemeralcontainers"}, {Resource: "pods", Subresource: "resize"}}
}

func workloadResources() []policies.Resource {
	return []policies.Resource{
		{Group: "apps", Resource: "daemonsets"},
		{Group: "apps", Resource: "deployments"},
		{Group: "apps", Resource: "replicasets"},
		{Group: "apps", Resource: "statefulsets"},
		{Group: "batch", Resource: "cronjobs"},
		{Group: "batch", Resource: "jobs"},
		{Resource: "podtemplates"},
		{Resource: "replicationcontrollers"},
	}
}

// resource reads one entry of match.resources. At admission, what covers Pods also covers the subresources through which their
// containers can be changed; a permission on pods means pods alone.
func resource(text string, stage review.Stage) ([]policies.Resource, error) {
	admission := stage == review.Validate || stage == review.Mutate
	with := func(r policies.Resource, pods bool) []policies.Resource {
		if admission && pods {
			return append([]policies.Resource{r}, throughPods()...)
		}
		return []policies.Resource{r}
	}
	switch {
	case text == "*":
		return with(policies.Resource{Any: true}, true), nil
	case text == workloads:
		return workloadResources(), nil
	case strings.HasSuffix(text, "/*"):
		group := strings.TrimSuffix(text, "/*")
		if group == "core" {
			return with(policies.Resource{}, true), nil
		}
		if !strings.Contains(group, ".") && !slices.Contains([]string{"apps", "autoscaling", "batch", "policy"}, group) || strings.Contains(group, "*") {
			return nil, fmt.Errorf(`%q is not all of a group, as "apps/*", "core/*" and "example.com/*" are; subresources are named one by one, as "pods/exec"`, text)
		}
		return with(policies.Resource{Group: group}, false), nil
	}
	name, subresource, _ := strings.Cut(text, "/")
	plural, group, grouped := strings.Cut(name, ".")
	if plural == "" || strings.ContainsAny(text, " *") || strings.HasSuffix(text, "/") || strings.ToLower(name) != name {
		return nil, fmt.Errorf(`%q is not a resource; write a plural in lower case such as "pods", "deployments.apps" or "pods/exec", all of a group such as "apps/*", "workloads", or "*"`, text)
	}
	groups := []string{group}
	if !grouped {
		if groups = groupsOf(plural); len(groups) == 0 {
			return nil, fmt.Errorf("%q is not a resource built into Kubernetes; if it is a custom resource, write it with its group, %q", plural, plural+".example.com")
		}
	} else if group == "core" {
		groups = []string{""}
	}
	var out []policies.Resource
	for _, group := range groups {
		out = append(out, with(policies.Resource{Group: group, Resource: plural, Subresource: subresource},
			group == "" && plural == "pods" && subresource == "")...)
	}
	return out, nil
}
