package cmd

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/review"
)

// provider is a server that says "key!" of a key, how often it was called, and the document that names it.
func provider(t *testing.T, idempotent bool) (document string, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var asked struct {
			Request struct{ Keys []string }
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		var items []map[string]string
		for _, key := range asked.Request.Keys {
			items = append(items, map[string]string{"key": key, "value": key + "!"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderResponse",
			"response": map[string]any{"idempotent": idempotent, "items": items},
		})
	}))
	t.Cleanup(server.Close)
	bundle := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return fmt.Sprintf("apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {name: p}\nspec: {url: %q, timeout: 3, caBundle: %s}\n---\n",
		server.URL, bundle), calls
}

const (
	byProvider = "apiVersion: mutations.gatekeeper.sh/v1\nkind: AssignMetadata\nmetadata: {name: by}\nspec:\n  location: metadata.labels.by\n" +
		"  parameters: {assign: {externalData: {provider: p, dataSource: Username}}}\n---\n"
	expansionOfDeployments = "apiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\nmetadata: {name: pods}\nspec:\n" +
		"  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]\n  templateSource: spec.template\n" +
		"  generatedGVK: {group: \"\", version: v1, kind: Pod}\n---\n"
	tellsLabels = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: labels}
spec:
  crd: {spec: {names: {kind: Labels}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package labels
      violation[{"msg": msg}] { input.review.object.kind == "Pod"; msg := sprintf("%v", [object.get(input.review.object.metadata, "labels", {})]) }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Labels
metadata: {name: pods}
---
`
)

// configured is a Set of the policies of files with what lies beside them, as b takes it up, and who answers with it.
func configured(t *testing.T, b *beside, files map[string]string) (*policies.Engine, policies.Faults) {
	t.Helper()
	found := readingOf(t, files)
	options, faults := b.configure(t.Context(), found)
	set, err := policies.Compile(t.Context(), found.Specs, options...)
	if err != nil {
		t.Fatal(err)
	}
	engine := &policies.Engine{}
	engine.Use(set)
	return engine, faults
}

func newTestBeside() *beside {
	silent := slog.New(slog.DiscardHandler)
	return newBeside(&Mutators{log: silent}, external.Options{TTL: -1}, silent)
}

func deploymentRequest(t *testing.T) *review.Request {
	t.Helper()
	req, _, err := review.DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",
		"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},"namespace":"shop",
		"name":"web","userInfo":{"username":"jane"},"object":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},
		"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// A mutator asks its Provider once in a review, about what is sent and about what that implies.
func TestMutatorsAskProviders(t *testing.T) {
	for name, test := range map[string]struct {
		idempotent bool
		patch      string // of the Pod
		implied    string // what is told of the implied Pod
	}{
		"idempotent": {true, `[{"op":"add","path":"/metadata/labels","value":{"by":"u!"}}]`, `[Implied by pods] {"a": "b", "by": "jane!"}`},
		"not":        {false, `the Provider p does not say that it will say the same again (idempotent), as it must for mutators`, `what the object implies could not be judged`},
	} {
		t.Run(name, func(t *testing.T) {
			document, calls := provider(t, test.idempotent)
			b := newTestBeside()
			engine, faults := configured(t, b, map[string]string{"p.yaml": document + byProvider + expansionOfDeployments + tellsLabels})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			d, err := Answers(engine, b.mutators)(review.Mutate).Review(t.Context(), podRequest(t))
			got := string(d.Patch)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.patch) || calls.Load() != 1 {
				t.Errorf("the patch is %s, after %d calls", got, calls.Load())
			}
			d, err = Answers(engine, b.mutators)(review.Validate).Review(t.Context(), deploymentRequest(t))
			if err != nil || !strings.Contains(d.Refusal(), test.implied) || calls.Load() != 2 {
				t.Errorf("%s, %v, after %d calls", d.Refusal(), err, calls.Load())
			}
		})
	}
}

// Where there is no Provider nobody is called: a mutator that asks one is a fault, and what was in force says so when it is asked.
func TestMutatorsWithoutTheirProvider(t *testing.T) {
	document, calls := provider(t, true)
	b := newTestBeside()
	if _, faults := configured(t, b, map[string]string{"p.yaml": document, "m.yaml": byProvider}); len(faults) > 0 {
		t.Fatal(faults)
	}
	engine, faults := configured(t, b, map[string]string{"m.yaml": byProvider})
	want := "m.yaml:1: AssignMetadata by: spec.parameters.assign.externalData: it asks the Provider p, and no Provider is configured; " +
		"add that one, or give the value itself"
	if len(faults) != 1 || !strings.HasSuffix(faults[0].Err.Error(), want) {
		t.Errorf("faults %v", faults)
	}
	_, err := Answers(engine, b.mutators)(review.Mutate).Review(t.Context(), podRequest(t))
	if err == nil || !strings.Contains(err.Error(), "there is no Provider") || calls.Load() != 0 {
		t.Errorf("%v, after %d calls", err, calls.Load())
	}
}

// The revision is what replicas agree by: it names the mutators that are in force, whichever are in the files.
func TestMutatorsAreInTheRevision(t *testing.T) {
	first, second := labelling("a", "a", "first"), labelling("a", "a", "second")
	faulty := strings.Replace(first, "location", "locations", 1)
	revision := func(steps ...string) string {
		b := newTestBeside()
		var engine *policies.Engine
		for _, text := range steps {
			engine, _ = configured(t, b, map[string]string{"a.yaml": text})
		}
		return engine.Set().Revision()
	}
	for _, c := range []struct {
		a, b []string
		same bool
	}{
		{[]string{first}, []string{first}, true},
		{[]string{first}, []string{second, first}, true},
		{[]string{first}, []string{second}, false},
		{[]string{first}, []string{""}, false},
		{[]string{first, faulty}, []string{second, faulty}, false},
		{[]string{first, faulty}, []string{first}, true},
		{[]string{first + expansionOfDeployments}, []string{second + expansionOfDeployments}, false},
	} {
		if same := revision(c.a...) == revision(c.b...); same != c.same {
			t.Errorf("the same revision: %v\n%q\n%q", same, c.a, c.b)
		}
	}
}

// What lies in a file that cannot be read any more stays, and what is taken out of one that can is gone.
func TestWhatLiesBesideStaysWhenItsFileIsTorn(t *testing.T) {
	document, _ := provider(t, true)
	good := map[string]string{"p.yaml": document, "e.yaml": expansionOfDeployments, "m.yaml": byProvider, "t.yaml": tellsLabels}
	torn := map[string]string{"p.yaml": "a: [", "e.yaml": "a: [", "m.yaml": "a: [", "t.yaml": tellsLabels}
	for name, test := range map[string]struct {
		steps []map[string]string
		want  string
	}{
		"torn":        {[]map[string]string{good, torn}, `[Implied by pods] {"a": "b", "by": "jane!"}`},
		"still torn":  {[]map[string]string{good, torn, torn}, `[Implied by pods] {"a": "b", "by": "jane!"}`},
		"gone":        {[]map[string]string{good, {"t.yaml": tellsLabels}}, ""},
		"gone, after": {[]map[string]string{good, torn, {"t.yaml": tellsLabels, "e.yaml": "{}"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBeside()
			var engine *policies.Engine
			for _, files := range test.steps {
				engine, _ = configured(t, b, files)
			}
			d, err := engine.Review(t.Context(), deploymentRequest(t))
			if err != nil || !strings.Contains(d.Refusal(), test.want) || (d.Verdict == review.Deny) != (test.want != "") {
				t.Errorf("%s, %v", d.Refusal(), err)
			}
		})
	}
}
