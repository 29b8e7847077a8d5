package registration

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// aCluster is what discovery tells of one; each resource is "name Kind", and "group/version" where that is not the list's.
func aCluster() []*metav1.APIResourceList {
	var out []*metav1.APIResourceList
	for _, list := range []struct{ version, resources string }{
		{"v1", "pods Pod, pods/ephemeralcontainers Pod, pods/resize Pod, pods/status Pod, pods/exec PodExecOptions, pods/eviction Eviction policy/v1, " +
			"pods/binding Binding, services Service, services/status Service, services/proxy ServiceProxyOptions, replicationcontrollers/scale Scale autoscaling/v1"},
		{"apps/v1", "deployments Deployment, deployments/status Deployment, deployments/scale Scale autoscaling/v1"},
		{"apps/v1beta1", "deployments Deployment, scales Scale"},
		{"extensions/v1beta1", "ingresses Ingress"},
		{"networking.k8s.io/v1", "ingresses Ingress, ingresses/status Ingress"},
		{"a/b/c", "pods Pod"},
	} {
		served := &metav1.APIResourceList{GroupVersion: list.version}
		for entry := range strings.SplitSeq(list.resources, ", ") {
			words := append(strings.Fields(entry), "")
			r := metav1.APIResource{Name: words[0], Kind: words[1]}
			if words[2] != "" {
				r.Group, r.Version, _ = strings.Cut(words[2], "/")
			}
			served.APIResources = append(served.APIResources, r)
		}
		out = append(out, served)
	}
	return out
}

func TestResources(t *testing.T) {
	for name, test := range map[string]struct {
		kinds                    string // "group/Kind", a core one "/Kind"
		want, missing, withoutIt string
	}{
		"nothing":            {"", "", "", ""},
		"all kinds":          {"*/*", "/pods/ephemeralcontainers /pods/resize */*", "", "/pods/ephemeralcontainers /pods/resize */*"},
		"all of the core":    {"/*", "/* /pods/ephemeralcontainers /pods/resize", "", "/* /pods/ephemeralcontainers /pods/resize"},
		"all of a group":     {"apps/*", "apps/*", "", "apps/*"},
		"of an unknown one":  {"example.com/*", "example.com/*", "", "example.com/*"},
		"Pods":               {"/Pod", "/pods /pods/ephemeralcontainers /pods/resize", "", "/pods /pods/ephemeralcontainers /pods/resize"},
		"twice, two kinds":   {"/Pod /Pod apps/Deployment", "/pods /pods/ephemeralcontainers /pods/resize apps/deployments", "", "/pods /pods/ephemeralcontainers /pods/resize apps/deployments"},
		"Services":           {"/Service", "/services /services/status", "", "/services"},
		"of a subresource":   {"/PodExecOptions policy/Eviction", "/pods/eviction /pods/exec", "", "/podexecoptionses policy/evictions"},
		"of many resources":  {"autoscaling/Scale", "/replicationcontrollers/scale apps/deployments/scale", "", "autoscaling/scales"},
		"of any group":       {"*/Ingress", "extensions/ingresses networking.k8s.io/ingresses", "", "*/ingresses"},
		"Pods of any group":  {"*/Pod", "/pods /pods/ephemeralcontainers /pods/resize", "", "/pods/ephemeralcontainers /pods/resize */pods"},
		"not served":         {"example.com/Widget apps/Deployment */Gadget", "apps/deployments", "example.com/Widget */Gadget", "*/gadgets apps/deployments example.com/widgets"},
		"only in another":    {"apps/Ingress", "", "apps/Ingress", "apps/ingresses"},
		"nothing but status": {"/Namespace", "", "/Namespace", "/namespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			var kinds []schema.GroupKind
			for text := range strings.FieldsSeq(test.kinds) {
				group, kind, _ := strings.Cut(text, "/")
				kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
			}
			spelt := func(list []Resource) string {
				var out []string
				for _, r := range list {
					out = append(out, r.Group+"/"+r.name())
				}
				return strings.Join(out, " ")
			}
			got, missing := Resources(kinds, aCluster())
			if got == nil {
				t.Error("no list is a list of everything")
			}
			var absent []string
			for _, kind := range missing {
				absent = append(absent, fmt.Sprintf("%s/%s", kind.Group, kind.Kind))
			}
			if spelt(got) != test.want || strings.Join(absent, " ") != test.missing {
				t.Errorf("got  %s, without %v\nwant %s, without %s", spelt(got), absent, test.want, test.missing)
			}
			guessed := GuessResources(kinds)
			if guessed == nil || spelt(guessed) != test.withoutIt {
				t.Errorf("guessed %s\nwant    %s", spelt(guessed), test.withoutIt)
			}
		})
	}
}

func TestGuessPlural(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod.": "pods", "Ingress.networking.k8s.io": "ingresses.networking.k8s.io", "NetworkPolicy.networking.k8s.io": "networkpolicies.networking.k8s.io",
		"Gateway.gateway.networking.k8s.io": "gateways.gateway.networking.k8s.io", "Endpoints.": "endpoints",
	} {
		if got := GuessPlural(schema.ParseGroupKind(kind)).String(); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}
