package external

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

// asks is a template that asks the Provider p for the images of a Pod, and one that asks for whatever its parameters say, with a constraint each
// and two for the first.
const asks = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: known}
spec:
  crd: {spec: {names: {kind: Known}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package known

      violation[{"msg": msg}] {
        images := [i | i := input.review.object.spec.containers[_].image]
        response := external_data({"provider": "p", "keys": images})
        msg := sprintf("%v", [response])
      }
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Known, metadata: {name: one}}
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Known, metadata: {name: two}}
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: given}
spec:
  crd: {spec: {names: {kind: Given}, validation: {openAPIV3Schema: {type: object, properties: {request: {x-kubernetes-preserve-unknown-fields: true}}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package given

      violation[{"msg": msg}] { msg := external_data(input.parameters.request).system_error }
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Given, metadata: {name: keys}, spec: {parameters: {request: {provider: p, keys: [1]}}}}
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Given, metadata: {name: list}, spec: {parameters: {request: {provider: p, keys: a}}}}
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Given, metadata: {name: name}, spec: {parameters: {request: {keys: [a]}}}}
---
{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Given, metadata: {name: text}, spec: {parameters: {request: x}}}
`

func specsOf(t testing.TB, text string) []policies.Spec {
	t.Helper()
	docs, err := documents.Split("t.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Specs
}

// judged lists what comes of a Pod with two images.
func judged(ctx context.Context, t testing.TB, set *policies.Set) string {
	t.Helper()
	req, _, err := review.DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE",
		"object":{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"a"},{"image":"bad"}]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := set.Review(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range d.Findings {
		fmt.Fprintf(&out, "%s %v: %s\n", f.Policy, f.Fault, f.Message)
	}
	return out.String()
}

func TestTemplatesAskProviders(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	set, err := policies.Compile(t.Context(), specsOf(t, asks), policies.WithExternal(providersOf(t, Options{TTL: -1}, spelled(server.URL, ca.bundle(), 5))))
	if err != nil {
		t.Fatal(err)
	}
	const known = `{"errors": [["bad", "bad it is"]], "responses": [["a", 1]], "status_code": 200, "system_error": ""}`
	want := `given/keys false: external_data takes texts for keys, not number
given/list false: external_data takes a list of keys, not string
given/name false: external_data takes the name of a Provider under provider
given/text false: external_data takes an object with provider and keys, not string
known/one false: ` + known + `
known/two false: ` + known + "\n"
	if got := judged(t.Context(), t, set); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if calls := server.asked(); !reflect.DeepEqual(calls, [][]string{{"a", "bad"}}) {
		t.Errorf("two constraints that ask for the same made the calls %v", calls)
	}
}

func TestTheTemplateDecidesAboutASilentProvider(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	set, err := policies.Compile(t.Context(), specsOf(t, asks), policies.WithExternal(providersOf(t, Options{}, spelled(server.URL, ca.bundle(), 60))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	got := judged(ctx, t, set)
	for _, name := range []string{"one", "two"} {
		want := "known/" + name + ` false: {"errors": [], "responses": [], "status_code": 500, "system_error": "the Provider p did not answer in time"}`
		if !strings.Contains(got, want) {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestTemplatesThatCallNobodyAreFaulty(t *testing.T) {
	specs := specsOf(t, asks)
	_, err := policies.Compile(t.Context(), specs)
	want := `t.yaml:31: external_data is called, and no Provider is configured; add the Provider that it names, or take the call out
t.yaml:13: external_data is called, and no Provider is configured; add the Provider that it names, or take the call out`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	set, err := policies.Compile(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := set.Try(t.Context(), specs[0]); !strings.HasPrefix(faults.Error(), "t.yaml:13: external_data is called") {
		t.Error(faults)
	}
}

func TestWhatOncePutInForceAsksNobodyAfterItsProviderIsGone(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	reader := NewReader(Options{})
	provider := documentsOf(t, spelled(server.URL, ca.bundle(), 5))
	specs := specsOf(t, asks)
	steps := make(chan policies.Load)
	loader := policies.Loader{
		Engine: &policies.Engine{},
		Sources: []policies.Source{policies.SourceFunc(func(ctx context.Context, yield func(policies.Bundle)) error {
			yield(policies.Bundle{Specs: specs, Documents: provider})
			yield(policies.Bundle{Specs: specs})
			<-ctx.Done()
			return nil
		})},
		Configure: func(_ context.Context, all policies.Bundle) ([]policies.Option, policies.Faults) {
			found, faults := reader.Read(all.Documents)
			if found == nil {
				return nil, faults
			}
			return []policies.Option{policies.WithExternal(found)}, faults
		},
		Report: func(load policies.Load) { steps <- load },
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- loader.Run(ctx) }()
	first := <-steps
	second := <-steps
	cancel()
	if err := <-done; err != nil || len(first.Faults) > 0 {
		t.Fatal(err, first.Faults)
	}
	if len(second.Faults) != 6 || len(second.Kept) != 6 || second.Set.Revision() == first.Set.Revision() {
		t.Errorf("%v; kept are %v", second.Faults, second.Kept)
	}
	want := `known/one false: {"errors": [], "responses": [], "status_code": 400, "system_error": "no Provider is configured"}`
	if got := judged(t.Context(), t, second.Set); !strings.Contains(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
