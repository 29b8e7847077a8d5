package source

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

const crds = "../../charts/portcullis/files/crds"

// inCluster is a real API server with a source that follows it, begun before the CRDs were there.
type inCluster struct {
	*cluster.Cluster
	client  dynamic.Interface
	objects *Objects
	bundles <-chan policies.Bundle
}

func newInCluster(t *testing.T) inCluster {
	t.Helper()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	log := make(logged, 64)
	o := &Objects{Client: client, Reader: newFiles(t).Reader, ConfigMaps: []string{"default"}, Log: slog.New(log)}
	bundles := following(t, o)
	for told := range log {
		if strings.Contains(told, "the cluster does not serve the kind") {
			break
		}
		t.Logf("on the way: %s", told)
	}
	out := inCluster{Cluster: c, client: client, objects: o, bundles: bundles}
	out.kubectl(t, "apply", "-f", crds)
	out.kubectl(t, "wait", "--for=condition=Established", "crd/policies.portcullis.dev", "crd/policyexceptions.portcullis.dev")
	return out
}

func (c inCluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, _, err := c.Kubectl(t.Context(), "", nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refused creates a manifest and returns what the API server says against it first.
func (c inCluster) refused(t *testing.T, manifest string) string {
	t.Helper()
	_, stderr, err := c.Kubectl(t.Context(), "", strings.NewReader(manifest), "create", "-f", "-")
	if err == nil {
		return ""
	}
	_, said, _ := strings.Cut(stderr, ": ")
	first, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return strings.TrimPrefix(first, "* ")
}

func TestInARealCluster(t *testing.T) {
	t.Parallel()
	c := newInCluster(t)
	expect(t, c.bundles, "")
	if err := c.objects.Ready(); err != nil {
		t.Error(err)
	}
	t.Run("what the schema refuses", c.testSchema)
	t.Run("policies come and go", c.testPolicies)
	t.Run("the types fit the schema", c.testTypes)
	t.Run("what kubectl prints", c.testColumns)
	t.Run("the kind is deleted", c.testDeletedKind)
}

func (c inCluster) testSchema(t *testing.T) {
	policy := func(spec string) string {
		return "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec: " + spec
	}
	exception := func(spec string) string {
		return "apiVersion: portcullis.dev/v1alpha1\nkind: PolicyException\nmetadata: {name: mine, namespace: default}\nspec: " + spec
	}
	for _, row := range []struct{ name, manifest, want string }{
		{"neither", policy(`{enforcement: deny}`), `spec: Invalid value: give either use, the name of a policy, or rego, its source`},
		{"both", policy(`{use: a, rego: b}`), `spec: Invalid value: give either use, the name of a policy, or rego, its source`},
		{"enforcement", policy(`{use: a, enforcement: block}`), `spec.enforcement: Unsupported value: "block": supported values: "deny", "warn", "audit", "off"`},
		{"onError", policy(`{use: a, onError: audit}`), `spec.onError: Unsupported value: "audit": supported values: "deny", "warn", "allow"`},
		{"stage", policy(`{use: a, match: {stage: [admision]}}`), `spec.match.stage[0]: Unsupported value: "admision": supported values: "admission", "guard", "grant", "image"`},
		{"one stage", policy(`{use: a, match: {stage: guard}}`), `spec.match.stage: Invalid value: "string": spec.match.stage in body must be of type array: "string"`},
		{"parameters", policy(`{use: a, parameters: [1]}`), `spec.parameters: Invalid value: "array": spec.parameters in body must be of type object: "array"`},
		{"misspelt", policy(`{use: a, parametres: {}}`), `error when creating "STDIN": Policy in version "v1alpha1" cannot be handled as a Policy: strict decoding error: unknown field "spec.parametres"`},
		{"no policies", exception(`{policies: [], match: {names: [web]}, reason: r, expires: "2027-01-01T00:00:00Z"}`), `spec.policies: Invalid value: 0: spec.policies in body should have at least 1 items`},
		{"no condition", exception(`{policies: [a], match: {operations: [CREATE]}, reason: r, expires: "2027-01-01T00:00:00Z"}`), `spec.match: Invalid value: give at least one of resources, names and labels`},
		{"no end", exception(`{policies: [a], match: {names: [web]}, reason: r}`), `spec.expires: Required value`},
		{"no time", exception(`{policies: [a], match: {names: [web]}, reason: r, expires: soon}`), `spec.expires: Invalid value: "soon": spec.expires in body must be of type date-time: "soon"`},
		{"twice", exception(`{policies: [a, a], match: {names: [web]}, reason: r, expires: "2027-01-01T00:00:00Z"}`), `spec.policies[1]: Duplicate value: "a"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := c.refused(t, row.manifest); got != row.want {
				t.Errorf("%s", got)
			}
		})
	}
}

func (c inCluster) testPolicies(t *testing.T) {
	policies := c.client.Resource(resource("policies"))
	mine := policyObject(t, "mine", rule("one"))
	if _, err := policies.Create(t.Context(), mine, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, c.bundles, `mine "one"`)
	c.kubectl(t, "create", "configmap", "old", "--from-literal=main=package kubernetes.admission\n\ndeny[msg] { msg := \"old\" }\n")
	c.kubectl(t, "label", "configmap", "old", ConfigMapSelector)
	expect(t, c.bundles, `kubernetes.admission msg; mine "one"`)
	c.kubectl(t, "label", "configmap", "old", "openpolicyagent.org/policy-")
	expect(t, c.bundles, `mine "one"`)
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"rego": "package team.rule\n\ndeny contains if {\n"}})
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "patch", "policy", "mine", "--type=merge", "-p", string(patch))
	expect(t, c.bundles, `policy/mine:3: unexpected if keyword`)
	c.kubectl(t, "delete", "policy", "mine")
	expect(t, c.bundles, ``)
}

// What the Go types say can be written and read back, so that nothing of it is pruned.
func (c inCluster) testTypes(t *testing.T) {
	now := metav1.NewTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	condition := []metav1.Condition{{Type: v1alpha1.PolicyReady, Status: metav1.ConditionTrue, Reason: "Served", LastTransitionTime: now}}
	for _, row := range []struct {
		plural, namespace string
		object            any
	}{
		{"policies", "", &v1alpha1.Policy{
			Spec: v1alpha1.PolicySpec{
				Use: "a.b", Enforcement: "off", OnError: "allow",
				Match: &v1alpha1.Match{
					Stage: v1alpha1.Stages{"admission", "image"}, Resources: []string{"pods"}, Operations: []string{"CREATE"}, Namespaces: []string{"a-*"},
					ExcludeNamespaces: []string{"b"}, Labels: selector, NamespaceLabels: selector, Users: []string{"jane"}, Groups: []string{"dev"},
				},
			},
			Status: v1alpha1.PolicyStatus{
				ObservedGeneration: 1, Conditions: condition, Stage: "admission", Enforcement: "off", Revision: "abc", Replicas: "2/3",
				Message: "policy/typed:1: a fault", Findings: new(int64(7)), Faults: new(int64(2)), CountedSince: &now,
				LastFault: &v1alpha1.PolicyFault{Time: now, Message: "rule deny has no answer"},
			},
		}},
		{"policyexceptions", "default", &v1alpha1.PolicyException{
			Spec: v1alpha1.PolicyExceptionSpec{
				Policies: []string{"a"}, Reason: "r", Expires: now,
				Match: v1alpha1.ExceptionMatch{Resources: []string{"pods"}, Operations: []string{"CREATE"}, Names: []string{"web-*"}, Labels: selector},
			},
			Status: v1alpha1.PolicyExceptionStatus{ObservedGeneration: 1, Conditions: condition},
		}},
	} {
		text, err := json.Marshal(row.object)
		if err != nil {
			t.Fatal(err)
		}
		given := &unstructured.Unstructured{}
		if err := json.Unmarshal(text, &given.Object); err != nil {
			t.Fatal(err)
		}
		given.SetAPIVersion("portcullis.dev/v1alpha1")
		given.SetKind(map[string]string{"policies": "Policy", "policyexceptions": "PolicyException"}[row.plural])
		given.SetName("typed")
		given.SetNamespace(row.namespace)
		client := c.client.Resource(resource(row.plural)).Namespace(row.namespace)
		written, err := client.Create(t.Context(), given.DeepCopy(), metav1.CreateOptions{FieldValidation: "Strict"})
		if err != nil {
			t.Fatal(err)
		}
		written.Object["status"] = given.Object["status"]
		if written, err = client.UpdateStatus(t.Context(), written, metav1.UpdateOptions{FieldValidation: "Strict"}); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"spec", "status"} {
			want, _ := json.Marshal(given.Object[part])
			if got, _ := json.Marshal(written.Object[part]); string(got) != string(want) {
				t.Errorf("%s %s:\n%s\nwas\n%s", row.plural, part, got, want)
			}
		}
	}
}

func (c inCluster) testColumns(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "pol"}, `NAME +STAGE +ENFORCEMENT +READY +FINDINGS +FAULTS +AGE\ntyped +admission +off +True +7 +2 +\d+s\n`},
		{[]string{"get", "polex"}, `NAME +POLICIES +ACTIVE +WHY +EXPIRES +AGE\ntyped +\["a"\] +2027-01-01T00:00:00Z +\d+s\n`},
		{[]string{"get", "portcullis"}, `(?s:.*)policy.portcullis.dev/typed(?s:.+)policyexception.portcullis.dev/typed(?s:.+)`},
	} {
		if got := c.kubectl(t, row.args...); !regexp.MustCompile("^" + row.want + "$").MatchString(got) {
			t.Errorf("%v:\n%s", row.args, got)
		}
	}
	c.kubectl(t, "delete", "pol,polex", "typed")
}

// testDeletedKind comes last: the CRD is gone then, and comes back without objects.
func (c inCluster) testDeletedKind(t *testing.T) {
	if _, err := c.client.Resource(resource("policies")).Create(t.Context(), policyObject(t, "mine", rule("one")), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, c.bundles, `mine "one"`)
	c.kubectl(t, "delete", "crd", "policies.portcullis.dev")
	for b := range c.bundles {
		got := said(b)
		if !strings.HasPrefix(got, `mine "one"; policies.portcullis.dev: `) {
			t.Fatal(got)
		}
		if slices.Contains([]string{
			`mine "one"; policies.portcullis.dev: its CRD was deleted, and all objects with it; what was read stays in force until it is installed again`,
			`mine "one"; policies.portcullis.dev: the cluster does not serve the kind; install the CRDs that come with Portcullis; what was read before stays in force`,
		}, got) && c.gone(t.Context()) {
			break
		}
	}
	c.kubectl(t, "apply", "-f", crds)
	expect(t, c.bundles, ``)
}

func (c inCluster) gone(ctx context.Context) bool {
	resources := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	_, err := c.client.Resource(resources).Get(ctx, "policies.portcullis.dev", metav1.GetOptions{})
	return err != nil
}
