// Package chart tests the Helm chart: what it renders for every file of values in charts/portcullis/ci, and what its roles allow.
package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"

	"github.com/portcullis-dev/portcullis/test/release"
)

const root = "../.."

// values are the files of values, by their names.
func values(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "charts", "portcullis", "ci", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no files of values: %v", err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[strings.TrimSuffix(filepath.Base(path), ".yaml")] = path
	}
	return files
}

func render(t *testing.T, files ...string) string {
	t.Helper()
	text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", Values: files}.Render(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	all, err := release.Objects(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// golden compares text with a file of testdata, or writes the file with UPDATE=1.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run `make chart UPDATE=1`", err)
	}
	if string(want) == text {
		return
	}
	wanted, got := strings.Split(string(want), "\n"), strings.Split(text, "\n")
	for i := range max(len(wanted), len(got)) {
		if i >= len(wanted) || i >= len(got) || wanted[i] != got[i] {
			t.Fatalf("%s:%d is no longer what is rendered; look at what `make chart UPDATE=1` changes\nwas: %s\nnow: %s",
				path, i+1, strings.Join(wanted[min(i, len(wanted)):min(i+3, len(wanted))], "\n     "), strings.Join(got[min(i, len(got)):min(i+3, len(got))], "\n     "))
		}
	}
}

// TestRenderedIsAsBefore leaves out the definitions of our own kinds, which have tests where they are made.
func TestRenderedIsAsBefore(t *testing.T) {
	for name, file := range values(t) {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for document := range strings.SplitSeq("\n"+render(t, file), "\n---\n") {
				if !strings.Contains(document, "\nkind: CustomResourceDefinition") {
					text.WriteString("---\n" + strings.TrimSpace(document) + "\n")
				}
			}
			golden(t, name+".yaml", text.String())
		})
	}
}

// strict decodes what the API server would, and refuses unknown fields.
func strict(t *testing.T) runtime.Decoder {
	t.Helper()
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(kinds, serializer.EnableStrict).UniversalDeserializer()
}

func TestEveryFieldIsKnown(t *testing.T) {
	decoder := strict(t)
	for name, file := range values(t) {
		for _, object := range objects(t, render(t, file)) {
			text, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := decoder.Decode(text, nil, nil); err != nil {
				t.Errorf("%s: %s %s: %v", name, object.GetKind(), object.GetName(), err)
			}
		}
	}
	misspelt := `{"apiVersion": "v1", "kind": "Service", "spec": {"portz": []}}`
	if _, _, err := decoder.Decode([]byte(misspelt), nil, nil); err == nil {
		t.Error("an unknown field passes")
	}
}

// pods are the Pods which objects bring, by what they are part of.
func pods(t *testing.T, all []*unstructured.Unstructured) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, object := range all {
		content, ok, err := unstructured.NestedMap(object.Object, "spec", "template")
		if object.GetKind() == "Pod" {
			content, ok = object.Object, true
		}
		if err != nil || !ok {
			continue
		}
		var pod corev1.PodTemplateSpec
		content = runtime.DeepCopyJSON(content)
		delete(content, "apiVersion")
		delete(content, "kind")
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, &pod, true); err != nil {
			t.Fatal(err)
		}
		found[object.GetKind()+" "+object.GetName()] = pod
	}
	return found
}

func TestEveryPodIsRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	judge := func(pod corev1.PodTemplateSpec) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	}
	for name, file := range values(t) {
		all := pods(t, objects(t, render(t, file)))
		want := 2 // the server's and the test's
		if name == "everything" {
			want++ // the one that unlocks
		}
		if len(all) != want {
			t.Errorf("%s: there should be Pods of %d kinds, not %d", name, want, len(all))
		}
		for what, pod := range all {
			if result := judge(pod); !result.Allowed {
				t.Errorf("%s: %s is not restricted: %s", name, what, result.ForbiddenDetail())
			}
			pod.Spec.Containers[0].SecurityContext = nil
			if judge(pod).Allowed {
				t.Errorf("%s: %s is restricted even without a security context", name, what)
			}
		}
	}
}

// TestEveryPodRunsWhereTheServerDoes: one that no node takes would keep `helm test` and `helm uninstall` waiting.
func TestEveryPodRunsWhereTheServerDoes(t *testing.T) {
	for name, file := range values(t) {
		all := pods(t, objects(t, render(t, file)))
		var server corev1.PodSpec
		for what, pod := range all {
			if strings.HasPrefix(what, "Deployment ") {
				server = pod.Spec
			}
		}
		if name == "everything" && (len(server.Tolerations) == 0 || len(server.NodeSelector) == 0 || server.Affinity == nil) {
			t.Errorf("%s: the server's Pods run anywhere, and so nothing is compared", name)
		}
		for what, pod := range all {
			got := pod.Spec
			if !reflect.DeepEqual(got.Tolerations, server.Tolerations) || !reflect.DeepEqual(got.NodeSelector, server.NodeSelector) ||
				got.PriorityClassName != server.PriorityClassName {
				t.Errorf("%s: %s runs elsewhere than the server: %+v", name, what, got)
			}
			if server.Affinity != nil && (got.Affinity == nil || !reflect.DeepEqual(got.Affinity.NodeAffinity, server.Affinity.NodeAffinity)) {
				t.Errorf("%s: %s prefers or needs other nodes than the server: %+v", name, what, got.Affinity)
			}
			if requests := got.Containers[0].Resources.Requests; requests.Cpu().IsZero() || requests.Memory().IsZero() {
				t.Errorf("%s: %s requests nothing, which a quota refuses", name, what)
			}
		}
	}
}

// TestPodsOfHooksEnd: they have what the user gives the server's Pods, nothing that would keep them running, and an end before Helm's.
func TestPodsOfHooksEnd(t *testing.T) {
	all := pods(t, objects(t, render(t, values(t)["everything"])))
	for _, name := range []string{"Pod gate-uninstall", "Pod gate-test"} {
		pod, ok := all[name]
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		if pod.Labels["tier"] != "control" || pod.Annotations["example.com/scrape"] != "no" ||
			!slices.ContainsFunc(pod.Spec.Containers[0].Env, func(e corev1.EnvVar) bool { return e.Name == "HTTPS_PROXY" }) {
			t.Errorf("%s lacks what the server's Pods have: %+v", name, pod)
		}
		if pod.Labels["sidecar.istio.io/inject"] != "false" || pod.Annotations["sidecar.istio.io/inject"] != "false" || pod.Annotations["linkerd.io/inject"] != "disabled" {
			t.Errorf("%s has sidecars: %v, %v", name, pod.Labels, pod.Annotations)
		}
		if end := pod.Spec.ActiveDeadlineSeconds; end == nil || *end >= 300 { // which is how long Helm waits
			t.Errorf("%s may run for %v seconds", name, end)
		}
		if pod.Annotations["helm.sh/hook"] == "" {
			t.Errorf("%s is no hook", name)
		}
	}
}

// TestTheOwnerIsTheSame whoever makes the roles: what it owns would vanish with another.
func TestTheOwnerIsTheSame(t *testing.T) {
	for _, files := range [][]string{nil, {values(t)["bare"]}} {
		var owners []string
		rendered := objects(t, render(t, files...))
		for _, object := range rendered {
			if rules, _, _ := unstructured.NestedSlice(object.Object, "rules"); object.GetKind() == "ClusterRole" && len(rules) == 0 {
				owners = append(owners, object.GetName())
			}
		}
		if !slices.Equal(owners, []string{"portcullis-owner"}) {
			t.Errorf("%s: the roles that grant nothing are %s", files, owners)
		}
		for name, pod := range pods(t, rendered) {
			if strings.HasPrefix(name, "Deployment ") && !slices.Contains(pod.Spec.Containers[0].Args, "--owner=portcullis-owner") {
				t.Errorf("%s: the server is told of another owner: %s", files, pod.Spec.Containers[0].Args)
			}
		}
	}
}

func TestRolesAreAsBefore(t *testing.T) {
	for name, file := range values(t) {
		var text strings.Builder
		for _, object := range objects(t, render(t, file)) {
			if object.GetKind() != "ClusterRole" && object.GetKind() != "Role" {
				continue
			}
			var role rbacv1.ClusterRole
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "%s %s\n", object.GetKind(), object.GetName())
			for _, rule := range role.Rules {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						fmt.Fprintf(&text, "  %s %s", resource, strings.Join(rule.Verbs, ","))
						if group != "" {
							fmt.Fprintf(&text, " in %s", group)
						}
						if len(rule.ResourceNames) > 0 {
							fmt.Fprintf(&text, " named %s", strings.Join(rule.ResourceNames, ","))
						}
						text.WriteString("\n")
					}
				}
				// Nobody knows the kinds of constraints before there are templates; they are read, and their status is written.
				theirs := slices.Equal(rule.APIGroups, []string{"constraints.gatekeeper.sh"}) &&
					(slices.Equal(rule.Resources, []string{"*"}) && slices.Equal(rule.Verbs, []string{"get", "list", "watch"}) ||
						slices.Equal(rule.Resources, []string{"*/status"}) && slices.Equal(rule.Verbs, []string{"patch"}))
				all := strings.Join(slices.Concat(rule.Verbs, rule.Resources, rule.APIGroups, rule.NonResourceURLs), " ")
				if !theirs && strings.Contains(all, "*") {
					t.Errorf("%s: %s has a wildcard", name, object.GetName())
				}
			}
		}
		golden(t, name+".roles", text.String())
	}
}

// A label of the user's that an object has already is said once.
func TestNothingIsSaidTwice(t *testing.T) {
	text, err := release.Release{Root: root, Name: "portcullis", Namespace: "guard", JSON: []string{
		`commonLabels={"team":"one"}`, `podLabels={"team":"two"}`, `dashboards={"enabled":true,"labels":{"team":"three"}}`,
	}}.Render(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		if _, err := yaml.YAMLToJSONStrict([]byte(document)); err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
	}
	if got := pods(t, objects(t, text))["Deployment portcullis"].Labels["team"]; got != "two" {
		t.Errorf("the Pods are of team %s", got)
	}
}

func TestDefinitionsStayWithTheirPolicies(t *testing.T) {
	for name, keep := range map[string]string{"default": "keep", "existing-secret": ""} {
		count := 0
		for _, object := range objects(t, render(t, values(t)[name])) {
			if object.GetKind() == "CustomResourceDefinition" {
				count++
				if got := object.GetAnnotations()["helm.sh/resource-policy"]; got != keep {
					t.Errorf("%s: %s has the resource policy %q", name, object.GetName(), got)
				}
			}
		}
		files, err := filepath.Glob(filepath.Join(root, "charts", "portcullis", "files", "crds", "*.yaml"))
		if err != nil || count != len(files) {
			t.Errorf("%s: there are %d definitions of %d files: %v", name, count, len(files), err)
		}
	}
	if text := render(t, values(t)["bare"]); strings.Contains(text, "CustomResourceDefinition") {
		t.Error("there are definitions although they are switched off")
	}
}

func TestEverythingIsInTheNamespaceOfTheRelease(t *testing.T) {
	clusterWide := []string{
		"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	}
	for name, file := range values(t) {
		for _, object := range objects(t, render(t, file)) {
			extra := strings.HasSuffix(object.GetName(), "-extra")
			if wide := slices.Contains(clusterWide, object.GetKind()); !extra && wide != (object.GetNamespace() == metav1.NamespaceNone) {
				t.Errorf("%s: %s %s is in the namespace %q", name, object.GetKind(), object.GetName(), object.GetNamespace())
			}
		}
	}
}

// TestNothingIsRegistered: the server registers its webhooks itself, so that they vanish with it.
func TestNothingIsRegistered(t *testing.T) {
	for name, file := range values(t) {
		if text := render(t, file); strings.Contains(text, "kind: ValidatingWebhookConfiguration") || strings.Contains(text, "kind: MutatingWebhookConfiguration") {
			t.Errorf("%s registers a webhook", name)
		}
	}
}
