package policies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

func reading(kinds ...inventory.Kind) func(*Spec) {
	return func(s *Spec) { s.Data, s.MaxStaleness = kinds, 5*time.Minute }
}

const uniqueHost = `package a
deny contains msg if {
	some ns, name
	other := data.kubernetes["ingresses.networking.k8s.io"][ns][name]
	some theirs in other.spec.rules
	some ours in input.request.object.spec.rules
	theirs.host == ours.host
	not same(other)
	msg := sprintf("%s is served by %s", [ours.host, other.metadata.name])
}
same(o) if {
	o.metadata.namespace == input.request.namespace
	o.metadata.name == input.request.name
}
`

const ingresses = inventory.Kind("ingresses.networking.k8s.io")

// ingress is one of namespace shop.
func ingress(name, host string) map[string]any {
	return map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"name": name, "namespace": "shop"},
		"spec": map[string]any{"rules": []any{map[string]any{"host": host, "http": map[string]any{"paths": []any{"many"}}}}},
	}
}

func objectOf(t testing.TB, need *inventory.Need, object map[string]any) inventory.Object {
	t.Helper()
	value, err := inventory.NewBuilder(ingresses, need.Fields.Of(true)).Build(object)
	if err != nil {
		t.Fatal(err)
	}
	meta := object["metadata"].(map[string]any)
	return inventory.Object{Namespace: meta["namespace"].(string), Name: meta["name"].(string), Value: value}
}

func fill(t testing.TB, store *inventory.Store, set *Set, at time.Time, objects ...map[string]any) {
	t.Helper()
	need := set.Needs()[ingresses]
	list := inventory.List{Namespaced: true, Fields: need.Fields.Of(true), At: at}
	for _, object := range objects {
		list.Objects = append(list.Objects, objectOf(t, need, object))
	}
	store.Replace(ingresses, list)
}

func reviewOf(t testing.TB, name, host string) *review.Request {
	t.Helper()
	object, err := json.Marshal(ingress(name, host))
	if err != nil {
		t.Fatal(err)
	}
	req := podCreate(t, string(object))
	req.Body = review.Raw(strings.Replace(string(req.Body), `"name":"web","userInfo"`, fmt.Sprintf(`"name":%q,"userInfo"`, name), 1))
	return req
}

func withInventory(t testing.TB, specs ...Spec) (*Set, *inventory.Store) {
	t.Helper()
	store := &inventory.Store{}
	set, err := Compile(t.Context(), specs, WithInventory(store))
	if err != nil {
		t.Fatal(err)
	}
	return set, store
}

// said lists what came of a review.
func said(t testing.TB, reviewer review.Reviewer, req *review.Request) string {
	t.Helper()
	d, err := reviewer.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{d.Verdict.String()}
	for _, f := range d.Findings {
		out = append(out, f.Message)
	}
	return strings.Join(out, "; ")
}

func TestAPolicySeesWhatItDeclares(t *testing.T) {
	set, store := withInventory(t, specOf(t, "a", uniqueHost, reading(ingresses)))
	fill(t, store, set, time.Now(), ingress("old", "a.example.com"))
	for req, want := range map[*review.Request]string{
		reviewOf(t, "new", "a.example.com"): "deny; a.example.com is served by old",
		reviewOf(t, "old", "a.example.com"): "allow",
		reviewOf(t, "new", "b.example.com"): "allow",
	} {
		if got := said(t, set, req); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	need := set.Needs()[ingresses]
	if got := need.Fields.Of(true).String(); got != "metadata.name, metadata.namespace, spec.rules[].host" {
		t.Errorf("of an ingress is kept %s", got)
	}
}

func TestWhatIsNotKnownIsAFault(t *testing.T) {
	for _, onError := range []OnError{OnErrorDeny, OnErrorAllow} {
		spec := specOf(t, "a", uniqueHost, reading(ingresses), func(s *Spec) { s.OnError = onError })
		set, store := withInventory(t, spec)
		req := reviewOf(t, "new", "b.example.com")
		verdict := map[OnError]string{OnErrorDeny: "deny", OnErrorAllow: "allow"}[onError]
		expect := func(set *Set, want string) {
			t.Helper()
			if got := said(t, set, req); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		const prefix = "; the policy could not be evaluated: "
		expect(compiled(t, spec), verdict+prefix+"it reads objects of the cluster, and none are known here; "+
			"serve learns of them with --kubeconfig or --in-cluster, review from the files it judges")
		expect(set, verdict+prefix+"nothing is known of ingresses.networking.k8s.io: it has not been listed yet")
		// However long this test takes, it is not seven hours.
		fill(t, store, set, time.Now().Add(-7*time.Hour))
		if got := said(t, set, req); !strings.HasPrefix(got, verdict+prefix+"what is known of ingresses.networking.k8s.io is 7h") ||
			!strings.HasSuffix(got, " old, and the policy takes no more than 5m0s") {
			t.Errorf("got %q", got)
		}
		store.Heard(ingresses, time.Now())
		expect(set, "allow")
		store.Lose(ingresses, errors.New("the cluster has no such kind"))
		expect(set, verdict+prefix+"nothing is known of ingresses.networking.k8s.io: the cluster has no such kind")
	}
}

// What a policy does not see must not look to it as if it was not there.
func TestFieldsThatAreNotKeptAreAFault(t *testing.T) {
	set, store := withInventory(t, specOf(t, "a", uniqueHost, reading(ingresses)))
	fill(t, store, set, time.Now())
	wider, err := Compile(t.Context(), []Spec{specOf(t, "b", `package b
deny contains "no" if data.kubernetes["ingresses.networking.k8s.io"][_][_].spec.tls`, reading(ingresses))}, WithInventory(store))
	if err != nil {
		t.Fatal(err)
	}
	req := reviewOf(t, "new", "a.example.com")
	if got, want := said(t, wider, req), "deny; the policy could not be evaluated: what the policy reads of ingresses.networking.k8s.io is still being listed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	fill(t, store, wider, time.Now())
	if got := said(t, wider, req); got != "allow" {
		t.Errorf("got %q", got)
	}
}

func TestReferencesToDataAreDeclared(t *testing.T) {
	rule := func(body string) string { return "package a\ndeny contains \"no\" if {\n\t" + body + "\n}\n" }
	const dynamic = `a.rego:3: data.kubernetes is read by kind: name the kind here, as in data.kubernetes["pods"], and under data in the METADATA`
	for _, c := range []struct{ rego, want string }{
		{rule(`data.kubernetes["pods"][_][_].spec`), ""},
		{rule(`data.kubernetes.pods[_][_].spec`), ""},
		{rule(`data.kubernetes["ingresses.networking.k8s.io"].shop.web`), ""},
		{rule(`count(data.kubernetes.pods) > 1`), ""},
		{rule(`data.kubernetes["services"][_][_].spec`), `a.rego:3: data.kubernetes["services"] is not declared: add "services" to data in the policy's METADATA`},
		{rule(`data.kubernetes.ingresses.networking.k8s.io[_]`), `a.rego:3: data.kubernetes.ingresses is not a kind: write data.kubernetes["ingresses.networking.k8s.io"]`},
		{rule(`data.kubernetes[input.kind].shop`), dynamic},
		{rule(`some kind; data.kubernetes[kind].shop`), dynamic},
		{rule(`count(data.kubernetes) > 0`), dynamic},
		{rule(`x := data.kubernetes; x.pods`), dynamic},
		{"package a\nimport data.kubernetes as k8s\ndeny contains \"no\" if { x := k8s; x.pods }", dynamic},
		{"package a\nimport data.kubernetes.services\ndeny contains \"no\" if services.shop", `a.rego:3: data.kubernetes["services"] is not declared: add "services" to data in the policy's METADATA`},
		{"package kubernetes.pods\ndeny contains \"no\" if data.kubernetes.pods.shop.web", `a.rego:2: data.kubernetes["pods"] is both a package and a kind under data in the METADATA: give the package another name`},
	} {
		_, err := Compile(t.Context(), []Spec{specOf(t, "a", c.rego, reading("pods", ingresses))})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.rego, got, c.want)
		}
	}
	// Packages of policies written for OPA lie beside the inventory, and go on as they are.
	legacy := "package kubernetes.admission\ndeny contains \"no\" if data.kubernetes.admission.bad\nbad := true"
	if _, err := Compile(t.Context(), []Spec{specOf(t, "a", legacy)}); err != nil {
		t.Error(err)
	}
}

// All policies together need what each of them needs, of those that are asked.
func TestNeedsOfASet(t *testing.T) {
	rego := "package %s\ndeny contains \"no\" if data.kubernetes.pods[_][_].spec.%[1]s == 1"
	set := compiled(t,
		specOf(t, "a", fmt.Sprintf(rego, "a"), reading("pods")),
		specOf(t, "b", fmt.Sprintf(rego, "b"), reading("pods"), func(s *Spec) { s.MaxStaleness = time.Minute }),
		specOf(t, "c", fmt.Sprintf(rego, "c"), reading("pods"), func(s *Spec) { s.Enforcement = EnforceOff }),
		specOf(t, "d", "package d\ndeny contains \"no\" if false"))
	need := set.Needs()["pods"]
	if len(set.Needs()) != 1 || need.Fields.Of(true).String() != "spec.a, spec.b" || need.MaxStaleness != time.Minute {
		t.Errorf("%s %s", need.Fields, need.MaxStaleness)
	}
	if compiled(t, specOf(t, "d", "package d\ndeny contains \"no\" if false")).Needs() != nil {
		t.Error("needs of a set that reads nothing")
	}
}

// However the inventory changes meanwhile, all policies of one review see one inventory, and a steady one does every time it asks.
func TestAReviewSeesOneInventory(t *testing.T) {
	var specs []Spec
	for i := range 5 {
		specs = append(specs, specOf(t, fmt.Sprintf("p%d", i), fmt.Sprintf(`package p%d
deny contains sprintf("%%v", [versions]) if versions := {h | h := data.kubernetes["ingresses.networking.k8s.io"][_][_].spec.rules[_].host}`, i), reading(ingresses)))
	}
	set, store := withInventory(t, specs...)
	update := func(version int) {
		need := set.Needs()[ingresses]
		var changes []inventory.Change
		for i := range 10 {
			changes = append(changes, inventory.Change(objectOf(t, need, ingress(fmt.Sprint("i", i), fmt.Sprint("v", version)))))
		}
		store.Update(ingresses, time.Now(), changes...)
	}
	fill(t, store, set, time.Now())
	update(0)
	twice := Steady(review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		first, err := set.Review(ctx, req)
		if err != nil {
			return first, err
		}
		second, err := set.Review(ctx, req)
		second.Findings = append(second.Findings, first.Findings...)
		return second, err
	}))
	req := reviewOf(t, "new", "a.example.com")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := twice.Review(t.Context(), req)
				if err != nil || len(d.Findings) != 10 {
					t.Errorf("%d findings, %v", len(d.Findings), err)
					return
				}
				for _, f := range d.Findings {
					if f.Message != d.Findings[0].Message || strings.Count(f.Message, "v") != 1 {
						t.Errorf("one saw %s, another %s", d.Findings[0].Message, f.Message)
						return
					}
				}
			}
		})
	}
	for version := range 300 {
		update(version)
	}
	close(stop)
	wg.Wait()
}

func TestWithoutInventory(t *testing.T) {
	bundle := Bundle{Specs: []Spec{
		specOf(t, "a", uniqueHost, reading(ingresses, "pods")), specOf(t, "b", "package b\ndeny contains \"no\""),
	}}
	source := WithoutInventory(SourceFunc(func(_ context.Context, yield func(Bundle)) error { yield(bundle); return nil }))
	err := source.Run(t.Context(), func(got Bundle) {
		want := "a.rego: policy a reads ingresses.networking.k8s.io, pods of a cluster, and this server has none: start it with --kubeconfig FILE or --in-cluster"
		if len(got.Specs) != 1 || got.Specs[0].ID != "b" || got.Faults.Error() != want || got.Faults[0].Policy != "a" {
			t.Errorf("%d specs, %v", len(got.Specs), got.Faults)
		}
	})
	if err != nil || len(bundle.Specs) != 2 {
		t.Error(err)
	}
}

func manyIngresses(t testing.TB, set *Set, store *inventory.Store, count int) {
	t.Helper()
	need := set.Needs()[ingresses]
	list := inventory.List{Namespaced: true, Fields: need.Fields.Of(true), Fixed: true}
	for i := range count {
		object := ingress(fmt.Sprintf("i%06d", i), fmt.Sprintf("h%06d.example.com", i))
		object["metadata"].(map[string]any)["namespace"] = fmt.Sprintf("n%03d", i%100)
		list.Objects = append(list.Objects, objectOf(t, need, object))
	}
	store.Replace(ingresses, list)
}

// A review that looks one object up among many costs what it does among few: nothing is converted or copied.
func TestALookUpDoesNotGrowWithTheInventory(t *testing.T) {
	rego := `package a
deny contains "no" if data.kubernetes["ingresses.networking.k8s.io"][input.request.namespace][input.request.name].spec.rules`
	set, store := withInventory(t, specOf(t, "a", rego, reading(ingresses)))
	req := reviewOf(t, "new", "a.example.com")
	allocations := func(count int) float64 {
		manyIngresses(t, set, store, count)
		return testing.AllocsPerRun(50, func() {
			if _, err := set.Review(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := allocations(100), allocations(10_000)
	if many > few+5 {
		t.Errorf("%v allocations among 100 objects, %v among 10,000", few, many)
	}
}

// A review among 10,000 objects: one looked up, and all looked through.
func BenchmarkInventory(b *testing.B) {
	for name, rego := range map[string]string{
		"look one up":  "package a\ndeny contains \"no\" if data.kubernetes[\"ingresses.networking.k8s.io\"][input.request.namespace][input.request.name].spec.rules",
		"look through": uniqueHost,
		"look through one field": `package a
deny contains msg if {
	all := data.kubernetes["ingresses.networking.k8s.io"]
	host := input.request.object.spec.rules[_].host
	some ns, name
	all[ns][name].spec.rules[_].host == host
	msg := sprintf("%s is served by %s", [host, name])
}`,
	} {
		b.Run(name, func(b *testing.B) {
			set, store := withInventory(b, specOf(b, "a", rego, reading(ingresses)))
			manyIngresses(b, set, store, 10_000)
			req := reviewOf(b, "new", "new.example.com")
			b.ReportAllocs()
			for b.Loop() {
				if d, err := set.Review(b.Context(), req); err != nil || d.Verdict != review.Allow {
					b.Fatal(d, err)
				}
			}
		})
	}
}
