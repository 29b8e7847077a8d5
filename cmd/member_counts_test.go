package cmd

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// namedPolicy refuses what is called bad and has no answer for what is called broken.
const namedPolicy = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: named}
spec:
  rego: |
    # METADATA
    # custom:
    #   portcullis: {match: {resources: [configmaps], namespaces: [default]}}
    package named

    deny contains "bad" if input.request.name == "bad"

    deny contains "never" if {
    	input.request.name == "broken"
    	to_number(input.request.name) > 1
    }
`

const letOff = `
apiVersion: portcullis.dev/v1alpha1
kind: PolicyException
metadata: {name: let-off, namespace: default}
spec: {policies: [named], match: {resources: [configmaps], labels: {matchLabels: {excepted: "yes"}}}, reason: a test, expires: %q}
`

// asks sends a review about a ConfigMap several times.
func (s served) asks(t *testing.T, times int, name string, dryRun, excepted bool) {
	t.Helper()
	labels := "{}"
	if excepted {
		labels = `{"excepted":"yes"}`
	}
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE","dryRun":%v,
		"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"userInfo":{"username":"jane"},
		"namespace":"default","name":%q,"object":{"metadata":{"name":%[2]q,"namespace":"default","labels":%s}}}}`, dryRun, name, labels)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	ask := func() bool {
		response, err := client.Post(s.url+"/validate?timeout=5s", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(response.Body).Decode(&review); err != nil || review.Response == nil {
			t.Fatalf("%d: %v", response.StatusCode, err)
		}
		return review.Response.Allowed
	}
	for range times {
		if allowed := ask(); allowed != (excepted || name == "good") {
			t.Fatalf("%s: allowed %v", name, allowed)
		}
	}
}

// Two servers count what a policy finds, the leader adds it up in the status, and neither dry runs nor what is excepted are in it.
func TestCountsInARealCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		stdout, stderr, err := c.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
		if err != nil {
			t.Fatalf("kubectl %s: %s", strings.Join(args, " "), stderr)
		}
		return stdout
	}
	kubectl("", "apply", "-f", "../charts/portcullis/files/crds")
	kubectl("", "wait", "--for=condition=Established", "crd/policies.portcullis.dev", "crd/policyexceptions.portcullis.dev")
	kubectl(namedPolicy, "apply", "-f", "-")
	kubectl(fmt.Sprintf(letOff, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), "apply", "-f", "-")
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	objects := dynamic.NewForConfigOrDie(config).Resource(v1alpha1.GroupVersion().WithResource("policies"))
	status := func() (s v1alpha1.PolicyStatus) {
		u, err := objects.Get(t.Context(), "named", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var p v1alpha1.Policy
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err != nil {
			t.Fatal(err)
		}
		return p.Status
	}
	counts := func() string {
		s := status()
		if s.Findings == nil || s.Faults == nil || s.CountedSince == nil {
			return ""
		}
		return fmt.Sprint(*s.Findings, *s.Faults)
	}
	beside := writeFiles(t, map[string]string{"beside.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [configmaps]}}\npackage beside\n\n" +
		"warn contains \"beside\" if input.request.name == \"bad\"\n"})
	start := func(t *testing.T, name string) served {
		return startServe(t, beside, "--kubeconfig="+c.Kubeconfig, "--cluster-policies", "--namespace=default", "--replica="+name)
	}

	first := start(t, "first")
	eventually(t, "it is counted", func() bool { return counts() == "0 0" })
	t.Run("a server that ends", func(t *testing.T) {
		second := start(t, "second")
		for _, dryRun := range []bool{true, false} {
			first.asks(t, 5, "bad", true, false)
			second.asks(t, 7, "broken", true, false)
			first.asks(t, 2, "bad", dryRun, true)
			second.asks(t, 2, "broken", dryRun, true)
			second.asks(t, 2, "good", dryRun, false)
		}
		first.asks(t, 2, "bad", false, false)
		second.asks(t, 3, "bad", false, false)
		second.asks(t, 1, "broken", false, false)
		eventually(t, "the Lease of the first says what it has counted", func() bool {
			return strings.Contains(kubectl("", "get", "leases", "-o=yaml"), `"findings":[0,2]`)
		})
		second.asks(t, 1, "bad", false, false) // which its Lease says when it ends
	})
	eventually(t, "all of it is added up", func() bool { return counts() == "6 1" })
	if fault := status().LastFault; fault == nil || !strings.HasPrefix(fault.Message, "the policy could not be evaluated: ") {
		t.Errorf("the last fault is %+v", fault)
	}
	if table := kubectl("", "get", "policies"); !strings.Contains(table, "FINDINGS   FAULTS") || !strings.Contains(table, "6          1") {
		t.Errorf("kubectl shows\n%s", table)
	}

	kubectl("", "delete", "policy", "named")
	kubectl(namedPolicy, "apply", "-f", "-")
	eventually(t, "another Policy of that name begins at 0", func() bool { return counts() == "0 0" })
	eventually(t, "it is asked", func() bool {
		first.asks(t, 1, "good", false, false)
		return status().Enforcement == "deny"
	})
	first.asks(t, 1, "bad", false, false)
	eventually(t, "it counts its own alone", func() bool { return counts() == "1 0" })
}
