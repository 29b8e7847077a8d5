package native

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/review"
)

// builtIn lists the built-in resources of Kubernetes 1.37 by group, so that METADATA may say "deployments" and a plural that is misspelt is
// an error instead of a policy that never matches.
func builtIn() map[string][]string {
	const core = ""
	return map[string][]string{
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
}

// groupsOf tells the groups of a built-in resource.
func groupsOf(plural string) (out []string) {
	for group, plurals := range builtIn() {
		if slices.Contains(plurals, plural) {
			out = append(out, group)
		}
	}
	slices.Sort(out)
	return out
}

// subresourcesOf lists the built-in subresources of a built-in resource. A guard is also asked about some that are only permissions.
func subreadResource(plural string, stage review.Stage) []string {
	out := append([]string{"status"}, map[string][]string{
		"certificatesigningrequests": {"approval"},
		"deployments":                {"scale"},
		"namespaces":                 {"finalize"},
		"nodes":                      {"proxy"},
		"pods":                       {"attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize"},
		"replicasets":                {"scale"},
		"replicationcontrollers":     {"scale"},
		"serviceaccounts":            {"token"},
		"services":                   {"proxy"},
		"statefulsets":               {"scale"},
	}[plural]...)
	if stage != review.Guard && stage != review.Grant {
		return out
	}
	return append(append(out, "finalizers"), map[string][]string{
		"certificatesigningrequests": {"nodeclient", "selfnodeclient", "selfnodeserver"},
		"nodes":                      {"checkpoint", "configz", "flagz", "healthz", "log", "metrics", "pods", "runningpods", "spec", "stats", "statusz"},
		"resourceclaims":             {"binding", "driver"},
	}[plural]...)
}

// connected reports whether a subresource is one that is connected to, and nothing else.
func connected(plural, subresource string) bool {
	return slices.Contains(map[string][]string{
		"nodes": {"proxy"}, "pods": {"attach", "exec", "portforward", "proxy"}, "services": {"proxy"},
	}[plural], subresource)
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

// readResource reads one entry of match.resources. At admission, what covers Pods also covers the subresources through which their
// containers can be changed; a permission on pods means pods alone.
func readResource(text string, stage review.Stage) ([]policies.Resource, error) {
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
		if !strings.Contains(group, ".") && !slices.Contains([]string{"apps", "autoscaling", "batch", "extensions", "policy"}, group) || strings.Contains(group, "*") {
			return nil, fmt.Errorf(`%q is not all of a group, as "apps/*", "core/*" and "example.com/*" are; subresources are named one by one, as "pods/exec"`, text)
		}
		if near := nearGroup(group); near != "" {
			return nil, fmt.Errorf("%q is of a group that is not known; did you mean %q?", text, near+"/*")
		}
		return with(policies.Resource{Group: group}, false), nil
	}
	name, subresource, _ := strings.Cut(text, "/")
	plural, group, grouped := strings.Cut(name, ".")
	if plural == "" || strings.ContainsAny(text, " *") || strings.HasSuffix(text, "/") || strings.ToLower(name) != name {
		return nil, fmt.Errorf(`%q is not a resource; write a plural in lower case such as "pods", "deployments.apps" or "pods/exec", all of a group such as "apps/*", "workloads", or "*"`, text)
	}
	groups := []string{group}
	switch {
	case !grouped:
		if groups = groupsOf(plural); len(groups) == 0 {
			return nil, fmt.Errorf("%q is not a resource built into Kubernetes; if it is a custom resource, write it with its group, %q", plural, plural+".example.com")
		}
	case group == "core":
		groups = []string{""}
	}
	if err := wrongGroup(plural, groups[0], name); err != nil {
		return nil, err
	}
	if err := wrongSubresource(plural, subresource, groups[0], stage); err != nil {
		return nil, err
	}
	var out []policies.Resource
	for _, group := range groups {
		out = append(out, with(policies.Resource{Group: group, Resource: plural, Subresource: subresource},
			group == "" && plural == "pods" && subresource == "")...)
	}
	return out, nil
}

// impersonated are what access reviews call those whom somebody wants to act as. Nobody can create them, so admission has none.
func impersonated() []string {
	return []string{"users", "groups", "serviceaccounts", "nodes", "uids", "userextras"}
}

// wrongGroup returns an error for a plural with a group in which there can be no such resource.
func wrongGroup(plural, group, written string) error {
	version, rest, _ := strings.Cut(group, ".")
	right := groupsOf(plural)
	var suggestion string
	if len(right) > 0 {
		suggestion = strings.Trim(plural+"."+right[0], ".")
	}
	switch known := builtIn()[group]; {
	case isVersion(version):
		if suggestion == "" || rest != "" {
			suggestion = strings.Trim(plural+"."+rest, ".")
		}
		return fmt.Errorf("%q has a version; resources are named without, write %q", written, suggestion)
	case slices.Contains(known, plural), group == "authentication.k8s.io" && slices.Contains(impersonated(), plural):
		return nil
	case spelling.Nearest(plural, known...) != "":
		return fmt.Errorf("%q is not a resource built into Kubernetes; did you mean %q?", written, strings.Trim(spelling.Nearest(plural, known...)+"."+group, "."))
	case suggestion != "" && (known != nil || !strings.Contains(group, ".") || nearGroup(group) != ""):
		return fmt.Errorf("%q is not a resource built into Kubernetes; did you mean %q?", written, suggestion)
	case nearGroup(group) != "":
		return fmt.Errorf("%q is of a group that is not known; did you mean %q?", written, plural+"."+nearGroup(group))
	case known == nil && !strings.Contains(group, "."):
		return fmt.Errorf("%q is of a group that is not built into Kubernetes, and those of custom resources have a dot; write %q", written, plural+"."+group+".example.com")
	}
	return nil
}

// nearGroup returns the built-in group that another is most likely a slip of, or "".
func nearGroup(group string) string {
	groups := slices.Sorted(maps.Keys(builtIn()))
	groups = slices.DeleteFunc(groups, func(g string) bool { return g == "" })
	if slices.Contains(groups, group) {
		return ""
	}
	return spelling.Nearest(group, groups...)
}

// isVersion reports whether a name is that of a version, "v1" or "v2beta1".
func isVersion(name string) bool {
	rest, ok := strings.CutPrefix(name, "v")
	for _, stage := range []string{"alpha", "beta"} {
		rest = strings.Replace(rest, stage, "", 1)
	}
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// wrongSubresource returns an error for a subresource that a built-in resource does not have.
func wrongSubresource(plural, subresource, group string, stage review.Stage) error {
	known := subreadResource(plural, stage)
	if subresource == "" || slices.Contains(known, subresource) || !slices.Contains(builtIn()[group], plural) {
		return nil
	}
	if near := spelling.Nearest(subresource, known...); near != "" {
		return fmt.Errorf("%q is not a subresource built into Kubernetes; did you mean %q?", plural+"/"+subresource, plural+"/"+near)
	}
	slices.Sort(known)
	return fmt.Errorf("%q is not a subresource built into Kubernetes; those of %s are %s", plural+"/"+subresource, plural, spelling.Listed(known, "and"))
}
