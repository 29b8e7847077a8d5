package library

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes/scheme"
)

// removal is when an API version goes, and what to use then: apiVersion, or nothing.
type removal struct {
	In  int    `json:"in"`
	Use string `json:"use"`
}

// removals has group, version and kind of what goes.
type removals map[string]map[string]map[string]removal

func (r removals) add(gvk schema.GroupVersionKind, what removal) {
	if r[gvk.Group] == nil {
		r[gvk.Group] = map[string]map[string]removal{}
	}
	if r[gvk.Group][gvk.Version] == nil {
		r[gvk.Group][gvk.Version] = map[string]removal{}
	}
	r[gvk.Group][gvk.Version][gvk.Kind] = what
}

// forgotten are the API versions that went before k8s.io/api, and those of other modules.
func forgotten() removals {
	out := removals{}
	for _, of := range []struct {
		group, version, kind string
		removal
	}{
		{"apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition", removal{22, "apiextensions.k8s.io/v1"}},
		{"apiregistration.k8s.io", "v1beta1", "APIService", removal{22, "apiregistration.k8s.io/v1"}},
		{"autoscaling", "v2beta1", "HorizontalPodAutoscaler", removal{25, "autoscaling/v2"}},
		{"autoscaling", "v2beta2", "HorizontalPodAutoscaler", removal{26, "autoscaling/v2"}},
		{"batch", "v2alpha1", "CronJob", removal{21, "batch/v1"}},
		{"extensions", "v1beta1", "PodSecurityPolicy", removal{16, ""}},
		{"flowcontrol.apiserver.k8s.io", "v1alpha1", "FlowSchema", removal{21, "flowcontrol.apiserver.k8s.io/v1"}},
		{"flowcontrol.apiserver.k8s.io", "v1alpha1", "PriorityLevelConfiguration", removal{21, "flowcontrol.apiserver.k8s.io/v1"}},
		{"node.k8s.io", "v1alpha1", "RuntimeClass", removal{24, "node.k8s.io/v1"}},
		{"policy", "v1beta1", "PodSecurityPolicy", removal{25, ""}},
		{"rbac.authorization.k8s.io", "v1alpha1", "ClusterRole", removal{22, "rbac.authorization.k8s.io/v1"}},
		{"rbac.authorization.k8s.io", "v1alpha1", "ClusterRoleBinding", removal{22, "rbac.authorization.k8s.io/v1"}},
		{"rbac.authorization.k8s.io", "v1alpha1", "Role", removal{22, "rbac.authorization.k8s.io/v1"}},
		{"rbac.authorization.k8s.io", "v1alpha1", "RoleBinding", removal{22, "rbac.authorization.k8s.io/v1"}},
		{"scheduling.k8s.io", "v1alpha1", "PriorityClass", removal{22, "scheduling.k8s.io/v1"}},
	} {
		out.add(schema.GroupVersionKind{Group: of.group, Version: of.version, Kind: of.kind}, of.removal)
	}
	return out
}

// unwatched are the groups that the policy does not match, since people do not write them, and what does must not wait for a webhook.
func unwatched() []string {
	return []string{"authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"}
}

// goes tells from which minor version on a kind is no longer served; 0 is never.
func goes(gvk schema.GroupVersionKind) int {
	object, err := scheme.Scheme.New(gvk)
	if err != nil {
		return 0
	}
	if ends, ok := object.(interface{ APILifecycleRemoved() (int, int) }); ok {
		_, minor := ends.APILifecycleRemoved()
		return minor
	}
	return 0
}

// successor is the API version to use in place of one that goes, "" if there is none: the one that Kubernetes names, or else the best one that
// outlives it.
func successor(gvk schema.GroupVersionKind) string {
	object, err := scheme.Scheme.New(gvk)
	if err != nil {
		return ""
	}
	if named, ok := object.(interface {
		APILifecycleReplacement() schema.GroupVersionKind
	}); ok {
		next := named.APILifecycleReplacement()
		next.Kind = gvk.Kind // that of one of them is a List
		if goes(next) == 0 {
			return next.GroupVersion().String()
		}
		return successor(next)
	}
	var others []string
	for _, gv := range scheme.Scheme.PrioritizedVersionsForGroup(gvk.Group) {
		other := gv.WithKind(gvk.Kind)
		if scheme.Scheme.Recognizes(other) && (goes(other) == 0 || goes(other) > goes(gvk)) {
			others = append(others, gv.Version)
		}
	}
	if len(others) == 0 {
		return ""
	}
	best := slices.MaxFunc(others, version.CompareKubeAwareVersionStrings)
	return schema.GroupVersion{Group: gvk.Group, Version: best}.String()
}

// The table of apis.deprecated is what Kubernetes' own packages say of each other's end. With UPDATE=1 in the environment it is written anew.
func TestRemovedAPIs(t *testing.T) {
	want := forgotten()
	for gvk := range scheme.Scheme.AllKnownTypes() {
		minor := goes(gvk)
		if minor == 0 || strings.HasSuffix(gvk.Kind, "List") || slices.Contains(unwatched(), gvk.Group) {
			continue
		}
		want.add(gvk, removal{minor, successor(gvk)})
	}
	at := slices.IndexFunc(policies(t), func(p policy) bool { return p.name == "apis.deprecated" })
	p := policies(t)[at]
	for group := range want {
		if !slices.Contains(p.said.Match.Resources, group+"/*") {
			t.Errorf("APIs of the group %s go, and match.resources does not have it; people who write them should hear of it", group)
		}
	}
	var got removals
	for _, rule := range p.module.Rules {
		if rule.Head.Name != "gone" {
			continue
		}
		value, err := ast.JSON(rule.Head.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if same := maps.EqualFunc(got, want, func(a, b map[string]map[string]removal) bool { return maps.EqualFunc(a, b, maps.Equal) }); same {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the table of apis.deprecated is not what Kubernetes says; UPDATE=1 go test ./policies/library writes it:\n got %v\nwant %v", got, want)
	}
	write(t, want)
}

func write(t *testing.T, table removals) {
	t.Helper()
	const begins, ends = "# begin\n", "# end\n"
	file := path.Join("apis", "deprecated", "rule.rego")
	before, rest, found := strings.Cut(string(source(t, file)), begins)
	_, after, ended := strings.Cut(rest, ends)
	if !found || !ended {
		t.Fatalf("%s has no lines %q and %q", file, begins, ends)
	}
	var lines strings.Builder
	lines.WriteString("gone := {\n")
	for _, group := range slices.Sorted(maps.Keys(table)) {
		fmt.Fprintf(&lines, "%q: {\n", group)
		for _, v := range slices.Sorted(maps.Keys(table[group])) {
			fmt.Fprintf(&lines, "%q: {\n", v)
			for _, kind := range slices.Sorted(maps.Keys(table[group][v])) {
				one := table[group][v][kind]
				fmt.Fprintf(&lines, "%q: {\"in\": %d, \"use\": %q},\n", kind, one.In, one.Use)
			}
			lines.WriteString("},\n")
		}
		lines.WriteString("},\n")
	}
	lines.WriteString("}\n")
	text, err := format.SourceWithOpts(file, []byte(before+begins+lines.String()+ends+after), format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
