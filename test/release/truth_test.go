package release_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/props"
)

// about is a Policy that refuses what is called bad.
func about(name, match string) string {
	return fmt.Sprintf(`
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: %s}
spec:
  rego: |
    # METADATA
    # custom:
    #   portcullis:
    #     match: %s
    package %s

    deny contains "bad" if input.request.name == "bad"
`, name, match, name)
}

func (w *troubled) policies(t *testing.T) dynamic.ResourceInterface {
	t.Helper()
	config, err := w.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "policies"})
}

// condition is one of a Policy's as it is now; nil if it is of an earlier generation.
func condition(ctx context.Context, policies dynamic.ResourceInterface, name, kind string) *metav1.Condition {
	u, err := policies.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	var policy v1alpha1.Policy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &policy); err != nil || policy.Status.ObservedGeneration != policy.Generation {
		return nil
	}
	return meta.FindStatusCondition(policy.Status.Conditions, kind)
}

// What the status of a Policy says is so.
func TestStatusTellsTheTruth(t *testing.T) {
	t.Parallel()
	w := startTroubled(t)
	policies := w.policies(t)
	apply := func(t *testing.T, text string) (warnings string) {
		t.Helper()
		until(t, "it is accepted", func() bool { // the gate is registered when the server is ready
			_, stderr, err := w.Kubectl(t.Context(), "", strings.NewReader(text), "apply", "-f", "-")
			warnings = stderr
			return err == nil
		})
		return warnings
	}
	is := func(t *testing.T, name string, status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		var last *metav1.Condition
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			last = condition(t.Context(), policies, name, v1alpha1.PolicyReady)
			if last != nil && last.Status == status && last.Reason == reason && strings.Contains(last.Message, message) {
				return
			}
		}
		t.Fatalf("%s is not Ready=%s %s %q: %+v", name, status, reason, message, last)
	}
	create := func(ctx context.Context, namespace, name string) error {
		_, err := w.client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	apply(t, about("first", "{resources: [secrets]}"))
	is(t, "first", metav1.ConditionTrue, "ServedByAll", "")
	until(t, "the gate is asked", func() bool {
		v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "portcullis-policies", metav1.GetOptions{})
		return err == nil && len(v.Webhooks) == 1
	})

	t.Run("the moment it is ready it refuses", func(t *testing.T) {
		passed := 0
		for range 20 {
			apply(t, about("second", "{resources: [configmaps]}"))
			for end := time.Now().Add(2 * time.Minute); ; {
				c := condition(t.Context(), policies, "second", v1alpha1.PolicyReady)
				if c != nil && c.Status == metav1.ConditionTrue {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("it never is ready: %+v", c)
				}
			}
			if create(t.Context(), "default", "bad") == nil {
				passed++
			}
			if err := policies.Delete(t.Context(), "second", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			until(t, "it is not asked any more", func() bool { return create(t.Context(), "default", "bad") == nil })
		}
		if passed > 0 {
			t.Errorf("in %d of 20 rounds a request passes after the Policy is Ready", passed)
		}
	})
	t.Run("never asked", func(t *testing.T) {
		for name, match := range map[string]string{"unasked": "{resources: [leases.coordination.k8s.io]}", "system": "{resources: [pods], namespaces: [kube-system]}"} {
			want := map[string]string{
				"unasked": "the API server is never asked about leases.coordination.k8s.io, by which a cluster gets Portcullis back",
				"system":  "the API server is never asked about what is in kube-system, which is exempt",
			}[name]
			if warnings := apply(t, about(name, match)); !strings.Contains(warnings, want) {
				t.Errorf("whoever applies %s is told %q", name, warnings)
			}
			is(t, name, metav1.ConditionFalse, "NeverAsked", want)
			w.told(t, "default", "Policy/"+name, "NeverAsked", want)
		}
		if warnings := apply(t, about("anywhere", "{resources: [configmaps]}")); warnings != "" {
			t.Errorf("whoever applies what is well is told %q", warnings)
		}
	})
	t.Run("at a stage at which the API server does not ask", func(t *testing.T) {
		const want = "the API server has not asked at stage guard since the servers were started"
		text := strings.Replace(about("guards", "{stage: guard}"), `input.request.name == "bad"`, `input.spec.user == "mallory"`, 1)
		if warnings := apply(t, text); !strings.Contains(warnings, want) {
			t.Errorf("whoever applies it is told %q", warnings)
		}
		is(t, "guards", metav1.ConditionFalse, "NotHeard", want)
	})
	t.Run("data that may not be read", func(t *testing.T) {
		const want = "nothing is known of ingresses.networking.k8s.io: this server may not list and watch it; its service account needs a role with " +
			"these two verbs, which the chart's value rbac.inventory gives it"
		hosts := "{apiVersion: portcullis.dev/v1alpha1, kind: Policy, metadata: {name: hosts}, spec: {use: ingresses.unique_host}}"
		apply(t, hosts)
		is(t, "hosts", metav1.ConditionFalse, "DataUnavailable", want)
		w.told(t, "default", "Policy/hosts", "Missing", want)
		if warnings := apply(t, strings.Replace(hosts, "unique_host}", "unique_host, enforcement: warn}", 1)); !strings.Contains(warnings, want) {
			t.Errorf("whoever applies it again is told %q", warnings)
		}
	})
	t.Run("namespaces that have just come", func(t *testing.T) {
		apply(t, about("labelled", `{resources: [configmaps], namespaceLabels: {matchLabels: {guarded: "yes"}}}`))
		is(t, "labelled", metav1.ConditionTrue, "ServedByAll", "")
		refused := 0
		var last error
		for n := range 150 {
			name := fmt.Sprint("fresh-", n)
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if _, err := w.client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := create(t.Context(), name, "good"); err != nil {
				refused, last = refused+1, err
			}
		}
		if refused > 0 {
			t.Errorf("%d of 150 good requests are refused: %v", refused, last)
		}
	})
	t.Run("one replica with other policies does not hold up the rest", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.rego"), []byte("# METADATA\n# custom:\n#   portcullis:\n#     match: {resources: [services]}\n"+
			"package mine\n\ndeny contains \"bad\" if input.request.name == \"bad\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		health := props.FreeAddressT(t)
		w.serve(t, "two", props.FreeAddressT(t), health, "--policies="+dir)
		until(t, "the other is ready", func() bool {
			response, err := http.Get("http://" + health + "/readyz")
			if err != nil {
				return false
			}
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
		revisions := func() (out []string) {
			leases, err := w.client.CoordinationV1().Leases("guard").List(t.Context(), metav1.ListOptions{LabelSelector: "portcullis.dev/release=portcullis"})
			if err != nil {
				t.Fatal(err)
			}
			for _, lease := range leases.Items {
				out = append(out, lease.Annotations["portcullis.dev/revision"])
			}
			slices.Sort(out)
			return slices.Compact(out)
		}
		until(t, "they differ", func() bool { return len(revisions()) == 2 && !slices.Contains(revisions(), "") })
		apply(t, about("pink", "{resources: [serviceaccounts]}"))
		is(t, "pink", metav1.ConditionTrue, "ServedByAll", "")
		_, err := w.client.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "bad"}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "pink: bad") {
			t.Errorf("a new Policy is not enforced: %v", err)
		}
		if len(revisions()) != 2 {
			t.Error("the replicas agree, which proves nothing")
		}
	})
	is(t, "first", metav1.ConditionTrue, "ServedByAll", "") // all the time
	t.Run("unlocked", func(t *testing.T) {
		w.kubectl(t, "", "annotate", "validatingwebhookconfiguration", "portcullis", "portcullis.dev/unlocked-until="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
			"portcullis.dev/unlocked-by=alice", "portcullis.dev/unlocked-reason=a drill")
		is(t, "first", metav1.ConditionFalse, "Unlocked", "by alice, and nothing is asked about: a drill; `portcullis lock` ends it")
		w.kubectl(t, "", "annotate", "validatingwebhookconfiguration", "portcullis", "portcullis.dev/unlocked-until-")
		is(t, "first", metav1.ConditionTrue, "ServedByAll", "")
	})
	t.Run("a registration that cannot be read or written", func(t *testing.T) {
		role, err := w.client.RbacV1().ClusterRoles().Get(t.Context(), "portcullis", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, rule := range role.Rules {
			if slices.Contains(rule.Resources, "validatingwebhookconfigurations") {
				w.kubectl(t, "", "patch", "clusterrole", "portcullis", "--type=json", "-p", fmt.Sprintf(`[{"op":"remove","path":"/rules/%d"}]`, i))
			}
		}
		w.kubectl(t, "", "annotate", "validatingwebhookconfiguration", "portcullis", "drift=yes")
		is(t, "first", metav1.ConditionFalse, "RegistrationFailing", "the registration is not known to be in force: ")
	})
}
