package cmd

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

const uiRoles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: viewer}
rules: [{apiGroups: [portcullis.dev], resources: [findings, decisions, policies], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: auditor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{kind: ServiceAccount, name: auditor, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{kind: ServiceAccount, name: developer, namespace: shop}]
`

// uiWorld is a cluster with somebody who may see all, somebody who may see one namespace, and somebody who may see nothing.
type uiWorld struct {
	*cluster.Cluster
	tokens map[string]string
	client *http.Client
}

func newUIWorld(t *testing.T) *uiWorld {
	t.Helper()
	w := &uiWorld{Cluster: cluster.StartT(t, cluster.Options{NoControllerManager: true}), tokens: map[string]string{"nobody": "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"}}
	for _, namespace := range []string{"shop", "bank"} {
		w.kubectl(t, "", "create", "namespace", namespace)
		w.kubectl(t, "", "create", "configmap", "in-"+namespace, "--namespace", namespace)
	}
	for _, name := range []string{"auditor", "developer", "stranger"} {
		w.kubectl(t, "", "create", "serviceaccount", name, "--namespace", "shop")
		w.tokens[name] = strings.TrimSpace(w.kubectl(t, "", "create", "token", name, "--namespace", "shop"))
	}
	w.kubectl(t, uiRoles, "apply", "-f", "-")
	w.client = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

func (w *uiWorld) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, said, err := w.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
	if err != nil {
		t.Fatal(said)
	}
	return out
}

// get asks the pages at an address.
func (w *uiWorld) get(t *testing.T, listen, who, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listen+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if who != "" {
		request.Header.Set("Authorization", "Bearer "+w.tokens[who])
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// uiAsks is a request that the policies of these tests refuse.
const uiAsks = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"d-1","kind":{"group":"","version":"v1","kind":"ConfigMap"},` +
	`"resource":{"group":"","version":"v1","resource":"configmaps"},"name":"in-shop","namespace":"shop","operation":"CREATE","userInfo":{"username":"jane"},` +
	`"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"in-shop","namespace":"shop"}}}}`

func (w *uiWorld) ask(t *testing.T, s served) {
	t.Helper()
	answer, err := w.client.Post(s.url+"/validate", "application/json", strings.NewReader(uiAsks))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
}

// uiPolicies are a policy and its tests.
func uiPolicies(t *testing.T) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"named.rego": "# METADATA\n# title: No such name\n# custom:\n#   portcullis: {match: {resources: [configmaps]}}\npackage named\n\n" +
			"deny contains \"the name begins with in-\" if startswith(input.request.object.metadata.name, \"in-\")\n",
		"named_test.rego": "package named_test\n\ntest_in if data.named.deny with input.request.object.metadata.name as \"in-x\"\n",
	})
}

// A real API server says whose tokens they are, and what each may see.
func TestServeShowsPages(t *testing.T) {
	t.Parallel()
	w := newUIWorld(t)
	listen := address(t)
	s := startServe(t, uiPolicies(t), "--kubeconfig="+w.Kubeconfig, "--audit", "--ui", "--ui-listen="+listen, "--namespace=default", "--replica=one")
	get := func(who, path string) (int, string) { return w.get(t, listen, who, path) }
	eventually(t, "everything was looked at", func() bool {
		status, body := get("auditor", "/ui/violations")
		return status == http.StatusOK && strings.Contains(body, "2 results")
	})
	for _, want := range []struct {
		who, path string
		status    int
		has, not  string
	}{
		{"auditor", "/ui/violations", 200, "in-bank", ""},
		{"developer", "/ui/violations", 200, "in-shop", "in-bank"},
		{"developer", "/ui/violations.csv", 200, "in-shop", "in-bank"},
		{"developer", "/ui/policies", 403, "You may not see policies.", "named"},
		{"stranger", "/ui/violations", 403, "You may not see what was found", "in-shop"},
		{"nobody", "/ui/violations", 401, "The cluster does not know whose token this is", "in-shop"},
		{"", "/ui/violations", 303, "/ui/sign-in?next=", "in-shop"},
		{"auditor", "/ui/policies/named", 200, "startswith(input.request.object.metadata.name", ""},
		{"auditor", "/ui/policies/named", 200, "named_test.rego</h2>", ""},
		{"auditor", "/ui/", 200, "one is ready", ""},
	} {
		status, body := get(want.who, want.path)
		if status != want.status || !strings.Contains(body, want.has) || want.not != "" && strings.Contains(body, want.not) {
			t.Errorf("%s at %s: %d, want %d with %q and without %q\n%s", want.who, want.path, status, want.status, want.has, want.not, body)
		}
	}
	w.ask(t, s)
	eventually(t, "the decision is shown", func() bool {
		status, body := get("developer", "/ui/decisions/d-1")
		return status == http.StatusOK && strings.Contains(body, "the name begins with in-") && strings.Contains(body, "jane: create")
	})
	if _, body := get("auditor", "/ui/decisions/d-1"); !strings.Contains(body, `deny at <a href="/ui/policies/named#L7">`) {
		t.Errorf("the rule that said it is not there:\n%s", body)
	}
	if status, body := get("stranger", "/ui/decisions/d-1"); status != http.StatusForbidden || strings.Contains(body, "jane") {
		t.Errorf("a stranger sees the decision: %d\n%s", status, body)
	}
	if _, metrics := s.get(t, "/metrics"); !strings.Contains(metrics, `portcullis_ui_requests_total{code="403",page="GET /ui/policies"} 1`) {
		t.Errorf("the pages are not counted:\n%s", metrics)
	}
	for name, token := range w.tokens {
		if strings.Contains(s.log.String(), token) {
			t.Errorf("the log has the token of %s", name)
		}
	}
}
