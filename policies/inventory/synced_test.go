package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
)

// as says what a kind is called at data.inventory.
func as(of Kind, version, kind string) Synced {
	return Synced{GroupVersionKind: schema.FromAPIVersionAndKind(version, kind), Of: of}
}

func theUsual() []Synced {
	return []Synced{
		as("pods", "v1", "Pod"), as("nodes", "v1", "Node"),
		as("networkpolicies.networking.k8s.io", "networking.k8s.io/v1", "NetworkPolicy"),
	}
}

func seen(t testing.TB, s *Snapshot) string {
	t.Helper()
	value := read(t, s, SyncedRoot)
	if value == nil {
		return "nothing"
	}
	return value.String()
}

func listed(namespaced bool, objects ...Object) List {
	return List{Namespaced: namespaced, Fields: everything(), Objects: objects, Fixed: true}
}

func TestDataInventory(t *testing.T) {
	var store Store
	const netpols = Kind("networkpolicies.networking.k8s.io")
	store.Replace("nodes", listed(false, object("", "n", 1)))
	store.Replace("secrets", listed(true, object("a", "not synced", 1)))
	if got := seen(t, store.Snapshot()); got != "nothing" {
		t.Errorf("before anything is synced: %s", got)
	}
	store.Sync(theUsual(), nil)
	store.Replace("pods", listed(true, object("a", "p", 1), object("b", "p", 2)))
	store.Replace(netpols, listed(true, object("a", "q", 3)))
	before := store.Snapshot()
	const all = `{"cluster": {"v1": {"Node": {"n": {"version": 1}}}}, "namespace": {` +
		`"a": {"networking.k8s.io/v1": {"NetworkPolicy": {"q": {"version": 3}}}, "v1": {"Pod": {"p": {"version": 1}}}}, ` +
		`"b": {"v1": {"Pod": {"p": {"version": 2}}}}}}`
	if got := seen(t, before); got != all {
		t.Errorf("got  %s\nwant %s", got, all)
	}
	for path, want := range map[string]string{
		"inventory namespace a networking.k8s.io/v1 NetworkPolicy": `{"q": {"version": 3}}`,
		"inventory namespace b v1 Pod p version":                   `2`,
		"inventory cluster v1 Node n":                              `{"version": 1}`,
	} {
		if got := read(t, before, strings.Fields(path)...); got == nil || got.String() != want {
			t.Errorf("%s: got %v, want %s", path, got, want)
		}
	}
	for _, path := range []string{"inventory namespace c", "inventory cluster v1 Pod", "inventory namespace a v1 Secret", "inventory other", "kubernetes"} {
		if got := read(t, before, strings.Fields(path)...); got != nil {
			t.Errorf("%s: %s", path, got)
		}
	}

	// What goes leaves its place behind.
	store.Update(netpols, time.Now(), Change{Namespace: "a", Name: "q"})
	store.Update("nodes", time.Now(), Change{Name: "n"})
	store.Update("pods", time.Now(), Change(object("b", "r", 4)), Change{Namespace: "b", Name: "p"}, Change{Namespace: "c", Name: "never"})
	const emptied = `{"cluster": {"v1": {"Node": {}}}, "namespace": {` +
		`"a": {"networking.k8s.io/v1": {"NetworkPolicy": {}}, "v1": {"Pod": {"p": {"version": 1}}}}, ` +
		`"b": {"v1": {"Pod": {"r": {"version": 4}}}}}}`
	if got := seen(t, store.Snapshot()); got != emptied {
		t.Errorf("got  %s\nwant %s", got, emptied)
	}
	if got := seen(t, before); got != all {
		t.Errorf("what was seen before has changed: %s", got)
	}

	// Listed again, places stay as well.
	store.Replace("pods", listed(true, object("d", "p", 5)))
	if got, want := seen(t, store.Snapshot()), `"b": {"v1": {"Pod": {}}}, "d": {"v1": {"Pod": {"p": {"version": 5}}}}}}`; !strings.HasSuffix(got, want) {
		t.Errorf("got %s\nwant ...%s", got, want)
	}
	store.Forget("pods")
	store.Lose(netpols, errors.New("why"))
	if got, want := seen(t, store.Snapshot()), `{"cluster": {"v1": {"Node": {}}}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	store.Replace(netpols, listed(true, object("a", "q", 6)))
	store.Sync([]Synced{as(netpols, "networking.k8s.io/v1", "NetworkPolicy"), as(netpols, "extensions/v1beta1", "NetworkPolicy")}, nil)
	const twice = `{"namespace": {"a": {"extensions/v1beta1": {"NetworkPolicy": {"q": {"version": 6}}}, "networking.k8s.io/v1": {"NetworkPolicy": {"q": {"version": 6}}}}}}`
	if got := seen(t, store.Snapshot()); got != twice {
		t.Errorf("got  %s\nwant %s", got, twice)
	}
}

// A kind that was deleted and comes back in another scope leaves nothing of the first behind.
func TestDataInventoryOfAKindThatChangesItsScope(t *testing.T) {
	var store Store
	store.Sync(theUsual(), nil)
	store.Replace("pods", listed(true, object("a", "p", 1)))
	store.Replace("pods", listed(false, object("", "p", 2)))
	if got, want := seen(t, store.Snapshot()), `{"cluster": {"v1": {"Pod": {"p": {"version": 2}}}}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Places are kept although they are empty, but not without end.
func TestEmptyPlacesAreBounded(t *testing.T) {
	var store Store
	store.Sync(theUsual(), nil)
	store.Replace("pods", listed(true, object("stays", "p", 1)))
	var come, gone []Change
	for i := range maxEmpty + 1 {
		come, gone = append(come, Change(object(fmt.Sprint("n", i), "p", 1))), append(gone, Change{Namespace: fmt.Sprint("n", i), Name: "p"})
	}
	store.Update("pods", time.Now(), come...)
	store.Update("pods", time.Now(), gone[:maxEmpty]...)
	namespaces := func() int { return read(t, store.Snapshot(), SyncedRoot, "namespace").(ast.Object).Len() }
	if got := namespaces(); got != maxEmpty+2 {
		t.Errorf("%d namespaces are seen, want %d", got, maxEmpty+2)
	}
	store.Update("pods", time.Now(), gone[maxEmpty:]...)
	if got, want := seen(t, store.Snapshot()), `{"namespace": {"stays": {"v1": {"Pod": {"p": {"version": 1}}}}}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// After any updates data.inventory is what the updates would have made of a tree of maps from which nothing but objects is taken away.
func TestDataInventoryIsATreeOfMaps(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(rt *rapid.T) {
		var store Store
		store.Sync(theUsual(), nil)
		model := map[string]map[string]map[string]any{} // by namespace, kind and name
		store.Replace("pods", listed(true))
		store.Replace("nodes", listed(false))
		for step := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			kind, called := Kind("pods"), "Pod"
			namespace := name.Draw(rt, "namespace")
			if rapid.Bool().Draw(rt, "nodes") {
				kind, called, namespace = "nodes", "Node", ""
			}
			change := Change(object(namespace, name.Draw(rt, "name"), step))
			if rapid.Bool().Draw(rt, "gone") {
				change.Value = nil
				delete(model[namespace][called], change.Name)
			} else {
				if model[namespace] == nil {
					model[namespace] = map[string]map[string]any{}
				}
				if model[namespace][called] == nil {
					model[namespace][called] = map[string]any{}
				}
				model[namespace][called][change.Name] = map[string]any{"version": step}
			}
			store.Update(kind, time.Now(), change)
			want := map[string]any{}
			namespaces := map[string]any{}
			for namespace, kinds := range model {
				if namespace == "" {
					want["cluster"] = map[string]any{"v1": kinds}
				} else {
					namespaces[namespace] = map[string]any{"v1": kinds}
					want["namespace"] = namespaces
				}
			}
			expected := "nothing"
			if len(want) > 0 {
				expected = ast.MustInterfaceToValue(want).String()
			}
			if got := seen(t, store.Snapshot()); got != expected {
				rt.Fatalf("step %d\ngot  %s\nwant %s", step, got, expected)
			}
		}
	})
}

func TestSyncedFromFiles(t *testing.T) {
	var store Store
	store.Replace("pods", listed(true, object("a", "p", 1)))
	s := store.Snapshot().WithSynced(
		Item{"v1", "Pod", object("a", "p", 2)}, Item{"v1", "Pod", object("a", "p", 3)}, Item{"v1", "Namespace", object("", "a", 4)},
		Item{"networking.k8s.io/v1", "Ingress", object("a", "i", 5)})
	const want = `{"cluster": {"v1": {"Namespace": {"a": {"version": 4}}}}, "namespace": {"a": ` +
		`{"networking.k8s.io/v1": {"Ingress": {"i": {"version": 5}}}, "v1": {"Pod": {"p": {"version": 3}}}}}}`
	if got := seen(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := read(t, s, Root, "pods", "a", "p", "version"); got == nil || got.String() != "1" {
		t.Errorf("of the store there is %v", got)
	}
	if got := seen(t, new(Snapshot).WithSynced()); got != "nothing" {
		t.Errorf("without items there is %s", got)
	}
}

func TestCheckSynced(t *testing.T) {
	var store Store
	now := time.Now()
	check := func() string { return fmt.Sprint(store.Snapshot().CheckSynced(now, nil)) }
	if got := check(); got != "<nil>" {
		t.Errorf("where nothing is synced: %s", got)
	}
	store.Sync([]Synced{as("pods", "v1", "Pod")}, nil)
	if got, want := check(), "nothing is known of pods: it has not been listed yet"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	store.Lose("pods", errors.New("not allowed"))
	if got, want := check(), "nothing is known of pods: not allowed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	store.Lose("pods", fmt.Errorf("looked for: %w", ErrNoSuchKind))
	if got := check(); got != "<nil>" {
		t.Errorf("a kind that there is not: %s", got)
	}
	store.Replace("pods", List{Namespaced: true, Fields: fieldsOf("a.b.c"), At: now})
	if got, want := check(), "what the policy reads of pods is still being listed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	store.Replace("pods", List{Namespaced: true, Fields: everything(), At: now.Add(-5 * time.Minute)})
	if got := check(); got != "<nil>" {
		t.Errorf("one of five minutes: %s", got)
	}
	now = now.Add(time.Second)
	if got, want := check(), "what is known of pods is 5m1s old, and the policy takes no more than 5m0s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	store.Sync(nil, nil)
	if got := check(); got != "<nil>" {
		t.Errorf("a kind that is not synced any more: %s", got)
	}
	store.Sync([]Synced{as("pods", "v1", "Pod")}, nil)
	if err := store.Snapshot().WithSynced().CheckSynced(now, nil); err != nil {
		t.Errorf("from files: %v", err)
	}
}

// Who reads some kinds does not rely on the others, and what is lacking is told of each in words that stay.
func TestWhatIsLacking(t *testing.T) {
	var store Store
	now := time.Now()
	store.Sync([]Synced{as("a", "v1", "A"), as("b", "v1", "B"), as("c", "v1", "C"), as("d", "v1", "D"), as("e", "v1", "E"), as("f", "v1", "F")}, nil)
	store.Lose("a", errors.New("not allowed"))
	store.Lose("b", ErrNoSuchKind)
	store.Replace("d", List{Fields: everything(), At: now})
	for _, kind := range []Kind{"e", "f"} {
		store.Replace(kind, List{Fields: everything(), At: now.Add(-6 * time.Minute)})
	}
	store.Fail("f", errors.New("not allowed any more"))
	for _, c := range []struct{ read, check, lacking string }{
		{"", "nothing is known of a: not allowed", "a: not allowed, c: it has not been listed yet, e: nothing was heard of it for longer than 5m0s, f: not allowed any more"},
		{"v1/A", "nothing is known of a: not allowed", "a: not allowed"},
		{"v1/C v1/D", "nothing is known of c: it has not been listed yet", "c: it has not been listed yet"},
		{"v1/B v1/D v2/A apps/v1/D", "<nil>", ""},
		{"none", "<nil>", ""},
	} {
		var reads func(groupVersion, kind string) bool
		if c.read != "" {
			reads = func(groupVersion, kind string) bool {
				return slices.Contains(strings.Fields(c.read), groupVersion+"/"+kind)
			}
		}
		if got := fmt.Sprint(store.Snapshot().CheckSynced(now, reads)); got != c.check {
			t.Errorf("%s: got %s, want %s", c.read, got, c.check)
		}
		for _, later := range []time.Duration{0, time.Second} {
			var lacking []string
			for _, lack := range store.Snapshot().LackingSynced(now.Add(later), reads) {
				lacking = append(lacking, string(lack.Kind)+": "+lack.Why)
			}
			if got := strings.Join(lacking, ", "); got != c.lacking {
				t.Errorf("%s: lacking is %s, want %s", c.read, got, c.lacking)
			}
		}
	}
}

// What is in an excluded namespace is not there, and neither is the Namespace; what is in no namespace is in the one without a name.
func TestExcludedNamespaces(t *testing.T) {
	const namespaces = Kind("v1/Namespace")
	for name, c := range map[string]struct {
		excluded func(string) bool
		want     string
	}{
		"none": {nil, `{"cluster": {"v1": {"Namespace": {"a": {"version": 1}, "b": {"version": 1}}, "Node": {"n": {"version": 1}}}}, ` +
			`"namespace": {"a": {"v1": {"Pod": {"p": {"version": 1}}}}, "b": {"v1": {"Pod": {"p": {"version": 1}, "q": {"version": 2}}}}}}`},
		"a": {func(ns string) bool { return ns == "a" }, `{"cluster": {"v1": {"Namespace": {"b": {"version": 1}}, "Node": {"n": {"version": 1}}}}, ` +
			`"namespace": {"b": {"v1": {"Pod": {"p": {"version": 1}, "q": {"version": 2}}}}}}`},
		"all": {func(string) bool { return true }, `nothing`},
		"nowhere": {func(ns string) bool { return ns == "" }, `{"cluster": {"v1": {"Namespace": {"a": {"version": 1}, "b": {"version": 1}}}}, ` +
			`"namespace": {"a": {"v1": {"Pod": {"p": {"version": 1}}}}, "b": {"v1": {"Pod": {"p": {"version": 1}, "q": {"version": 2}}}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			fill := func(store *Store) {
				store.Replace("nodes", listed(false, object("", "n", 1)))
				store.Replace("pods", listed(true, object("a", "p", 1), object("b", "p", 1)))
				store.Replace(namespaces, listed(false, object("", "a", 1)))
				store.Update("pods", time.Now(), Change(object("b", "q", 2)))
				store.Update(namespaces, time.Now(), Change(object("", "b", 1)))
			}
			kinds := append(theUsual(), as(namespaces, "v1", "Namespace"))
			var before, after Store
			before.Sync(kinds, c.excluded)
			fill(&before)
			fill(&after)
			after.Sync(kinds, c.excluded)
			for _, store := range []*Store{&before, &after} {
				if got := seen(t, store.Snapshot()); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

// Many a Config names kinds that clusters once had: nothing is missing there.
func TestStatusOfKindsThatAreNotThere(t *testing.T) {
	var store Store
	for _, kind := range []Kind{"extensions/v1beta1/Ingress", "ingresses.extensions"} {
		store.Lose(kind, ErrNoSuchKind)
	}
	store.Lose("v1/Pod", errors.New("not allowed"))
	got := fmt.Sprintf("%+v", store.Snapshot().Status(time.Now()))
	const rest = " Listed:false Objects:0 Age:0s Kept: Why:"
	want := "[{Kind:extensions/v1beta1/Ingress" + rest + "} {Kind:ingresses.extensions" + rest + "the cluster has no such kind} {Kind:v1/Pod" + rest + "not allowed}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSyncedKinds(t *testing.T) {
	for want, gvk := range map[Kind]schema.GroupVersionKind{
		"v1/Pod":                       {Version: "v1", Kind: "Pod"},
		"networking.k8s.io/v1/Ingress": {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	} {
		kind := SyncedKind(gvk)
		if back, ok := kind.GroupVersionKind(); kind != want || back != gvk || !ok {
			t.Errorf("%v is %s, and that is %v", gvk, kind, back)
		}
	}
	if gvk, ok := Kind("ingresses.networking.k8s.io").GroupVersionKind(); ok {
		t.Errorf("a plural is %v", gvk)
	}
}

// 1,000 namespaces of ten kinds, one object changing.
func BenchmarkSyncedUpdate(b *testing.B) {
	var store Store
	var synced []Synced
	for k := range 10 {
		kind := Kind(fmt.Sprintf("kind%ds", k))
		synced = append(synced, as(kind, "v1", fmt.Sprint("Kind", k)))
		var objects []Object
		for n := range 1000 {
			for o := range 5 {
				objects = append(objects, object(fmt.Sprint("n", n), fmt.Sprint("o", o), 1))
			}
		}
		store.Replace(kind, listed(true, objects...))
	}
	store.Sync(synced, nil)
	b.ReportAllocs()
	for b.Loop() {
		store.Update("kind3s", time.Now(), Change(object("n500", "o3", 2)))
	}
}
