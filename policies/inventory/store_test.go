package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"pgregory.net/rapid"
)

func everything() *Fields { return fieldsOf("") }

func object(namespace, name string, version int) Object {
	return Object{Namespace: namespace, Name: name, Value: ast.NewObject([2]*ast.Term{ast.StringTerm("version"), ast.InternedTerm(version)})}
}

func read(t testing.TB, s *Snapshot, path ...string) ast.Value {
	t.Helper()
	value, err := s.Read(t.Context(), nil, path)
	if storage.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return value.(ast.Value)
}

// After any updates whatever a store looks like a map that was given the same, and a snapshot that was taken like the map did then.
func TestAStoreIsAMap(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(rt *rapid.T) {
		var store Store
		model := map[Kind]map[string]map[string]int{}
		namespaced := map[Kind]bool{"pods": true, "nodes": false}
		type moment struct {
			snapshot *Snapshot
			want     map[string]string
		}
		look := func() map[string]string {
			out := map[string]string{}
			for kind, namespaces := range model {
				all := map[string]any{}
				for namespace, objects := range namespaces {
					for name, version := range objects {
						value := map[string]any{"version": version}
						if !namespaced[kind] {
							all[name] = value
							continue
						}
						if all[namespace] == nil {
							all[namespace] = map[string]any{}
						}
						all[namespace].(map[string]any)[name] = value
					}
				}
				out[string(kind)] = ast.MustInterfaceToValue(all).String()
			}
			return out
		}
		taken := []moment{{store.Snapshot(), look()}}
		for step := range rapid.IntRange(1, 25).Draw(rt, "steps") {
			kind := rapid.SampledFrom([]Kind{"pods", "nodes"}).Draw(rt, "kind")
			draw := func() (string, string) {
				if !namespaced[kind] {
					return "", name.Draw(rt, "name")
				}
				return name.Draw(rt, "namespace"), name.Draw(rt, "name")
			}
			put := func(namespace, name string) {
				if model[kind][namespace] == nil {
					model[kind][namespace] = map[string]int{}
				}
				model[kind][namespace][name] = step
			}
			switch rapid.SampledFrom([]string{"replace", "update", "update", "update", "forget"}).Draw(rt, "what") {
			case "replace":
				model[kind] = map[string]map[string]int{}
				var objects []Object
				for range rapid.IntRange(0, 5).Draw(rt, "objects") {
					namespace, name := draw()
					put(namespace, name)
					objects = append(objects, object(namespace, name, step))
				}
				store.Replace(kind, List{Namespaced: namespaced[kind], Fields: everything(), Objects: objects, Fixed: true})
			case "update":
				var changes []Change
				for range rapid.IntRange(0, 4).Draw(rt, "changes") {
					namespace, name := draw()
					change := Change(object(namespace, name, step))
					gone := rapid.Bool().Draw(rt, "gone")
					if gone {
						change.Value = nil
					}
					if changes = append(changes, change); model[kind] == nil {
						continue
					}
					if gone {
						delete(model[kind][namespace], name)
					} else {
						put(namespace, name)
					}
				}
				store.Update(kind, time.Now(), changes...)
			case "forget":
				delete(model, kind)
				store.Forget(kind)
			}
			taken = append(taken, moment{store.Snapshot(), look()})
		}
		for _, m := range taken {
			got := map[string]string{}
			for _, kind := range m.snapshot.Kinds() {
				got[string(kind)] = read(t, m.snapshot, "kubernetes", string(kind)).String()
			}
			if !maps.Equal(got, m.want) {
				rt.Fatalf("got %v, want %v", got, m.want)
			}
			for _, status := range m.snapshot.Status(time.Now()) {
				if want := strings.Count(m.want[string(status.Kind)], "version"); status.Objects != want {
					rt.Fatalf("%s: %d objects, want %d", status.Kind, status.Objects, want)
				}
			}
		}
	})
}

func TestRead(t *testing.T) {
	var store Store
	store.Replace("pods", List{Namespaced: true, Fields: everything(), Fixed: true, Objects: []Object{object("shop", "web", 1), {
		Namespace: "shop", Name: "list", Value: ast.MustInterfaceToValue([]any{"first", "second"}),
	}}})
	s := store.Snapshot()
	for path, want := range map[string]string{
		"":                              "undefined",
		"kubernetes":                    "undefined", // there is no reading of all kinds
		"other/pods":                    "undefined",
		"kubernetes/nodes":              "undefined",
		"kubernetes/pods/shop/web":      `{"version": 1}`,
		"kubernetes/pods/shop/list/1":   `"second"`,
		"kubernetes/pods/shop/list/2":   "undefined",
		"kubernetes/pods/shop/list/x":   "undefined",
		"kubernetes/pods/shop/web/no":   "undefined",
		"kubernetes/pods/shop/web/no/a": "undefined",
		"kubernetes/pods/none":          "undefined",
	} {
		got := "undefined"
		if value := read(t, s, strings.FieldsFunc(path, func(r rune) bool { return r == '/' })...); value != nil {
			got = value.String()
		}
		if got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if _, err := s.NewTransaction(t.Context(), storage.WriteParams); err == nil {
		t.Error("it may be written")
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	begun := time.Unix(1_000_000, 0)
	var store Store
	need := func(paths ...string) *Need { return &Need{Fields: fieldsOf(paths...), MaxStaleness: 5 * time.Minute} }
	check := func(at time.Duration, n *Need, want string) {
		t.Helper()
		got := ""
		if err := store.Snapshot().Check("pods", n, begun.Add(at)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("after %s: got %q, want %q", at, got, want)
		}
	}
	check(0, need(), "nothing is known of pods: it has not been listed yet")
	store.Update("pods", begun, Change(object("shop", "web", 1)))
	check(0, need(), "nothing is known of pods: it has not been listed yet") // a change alone is not all there is
	store.Replace("pods", List{Namespaced: true, Fields: fieldsOf("spec.nodeName"), At: begun})
	check(5*time.Minute, need("[][].spec.nodeName"), "")
	check(5*time.Minute+time.Second, need("[][].spec.nodeName"), "what is known of pods is 5m1s old, and the policy takes no more than 5m0s")
	check(0, need("[][].spec"), "what the policy reads of pods is still being listed")
	check(-time.Hour, need(), "") // a clock that was set back
	store.Heard("pods", begun.Add(time.Minute))
	check(6*time.Minute, need(), "")
	widened := need("[][].spec")
	store.Replace("pods", List{Namespaced: true, Fields: fieldsOf("spec"), At: begun})
	check(0, widened, "")
	store.Replace("pods", List{Namespaced: true, Fields: fieldsOf("spec.nodeName"), At: begun})
	check(0, widened, "what the policy reads of pods is still being listed")
	store.Lose("pods", errors.New("the cluster has no such kind"))
	check(0, need(), "nothing is known of pods: the cluster has no such kind")
	store.Replace("pods", List{Namespaced: true, Fields: everything(), Fixed: true})
	check(1000*time.Hour, need(), "")
}

func TestStatus(t *testing.T) {
	begun := time.Unix(1_000_000, 0)
	var store Store
	store.Replace("pods", List{Namespaced: true, Fields: fieldsOf("spec.nodeName"), At: begun, Objects: []Object{object("shop", "web", 1)}})
	store.Lose("widgets.example.com", errors.New("the cluster has no such kind"))
	got := fmt.Sprintf("%+v", store.Snapshot().Status(begun.Add(time.Minute)))
	want := "[{Kind:pods Listed:true Objects:1 Age:1m0s Kept:spec.nodeName Why:} " +
		"{Kind:widgets.example.com Listed:false Objects:0 Age:0s Kept: Why:the cluster has no such kind}]"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Readers see whole updates: in each snapshot all objects of a namespace have one version.
func TestReadersSeeWholeUpdates(t *testing.T) {
	var store Store
	store.Replace("pods", List{Namespaced: true, Fields: everything(), Fixed: true})
	update := func(version int) {
		var changes []Change
		for i := range 20 {
			changes = append(changes, Change(object("shop", fmt.Sprint("p", i), version)))
		}
		store.Update("pods", time.Now(), changes...)
	}
	update(0)
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
				versions := map[string]bool{}
				all := read(t, store.Snapshot(), "kubernetes", "pods", "shop").(ast.Object)
				all.Foreach(func(_, object *ast.Term) { versions[object.Value.String()] = true })
				if all.Len() != 20 || len(versions) != 1 {
					t.Errorf("%d objects of versions %v", all.Len(), versions)
					return
				}
			}
		})
	}
	for version := range 200 {
		update(version)
	}
	close(stop)
	wg.Wait()
}

func benchmarkStore(objects, namespaces int) *Store {
	var list []Object
	for i := range objects {
		list = append(list, object(fmt.Sprintf("n%04d", i%namespaces), fmt.Sprintf("o%06d", i), i))
	}
	var store Store
	store.Replace("pods", List{Namespaced: true, Fields: everything(), Objects: list, Fixed: true})
	return &store
}

// What a list of 10,000 Ingresses costs, pruned to their hosts and whole.
func BenchmarkReplace(b *testing.B) {
	var ingress map[string]any
	if err := json.Unmarshal([]byte(`{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"shop",
		"labels":{"app":"web","tier":"front"},"annotations":{"a":"b"}},"spec":{"rules":[{"host":"a.example.com","http":{"paths":[
		{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}}`), &ingress); err != nil {
		b.Fatal(err)
	}
	for name, fields := range map[string]*Fields{"hosts": fieldsOf("spec.rules[].host"), "whole": everything()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				builder := NewBuilder("pods", fields)
				var store Store
				list := List{Namespaced: true, Fields: fields, Fixed: true}
				for i := range 10_000 {
					value, err := builder.Build(ingress)
					if err != nil {
						b.Fatal(err)
					}
					list.Objects = append(list.Objects, Object{Namespace: fmt.Sprintf("n%02d", i%100), Name: fmt.Sprintf("i%05d", i), Value: value})
				}
				store.Replace("ingresses.networking.k8s.io", list)
			}
		})
	}
}

// What one changed object costs, among 10,000: in a hundred namespaces, and all in one.
func BenchmarkUpdate(b *testing.B) {
	for _, namespaces := range []int{100, 1} {
		b.Run(fmt.Sprintf("10000 objects in %d namespaces", namespaces), func(b *testing.B) {
			store := benchmarkStore(10_000, namespaces)
			change := Change(object("n0000", "o000000", 1))
			b.ReportAllocs()
			for b.Loop() {
				store.Update("pods", time.Now(), change)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	snapshot := benchmarkStore(10_000, 100).Snapshot()
	path := storage.Path{"kubernetes", "pods", "n0042", "o000042"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := snapshot.Read(b.Context(), nil, path); err != nil {
			b.Fatal(err)
		}
	}
}
