package policies

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// uniqueIngress is how such templates are written: it looks at every version of the kind in every namespace.
const uniqueIngress = `package template
violation[{"msg": msg}] {
	host := input.review.object.spec.rules[_].host
	other := data.inventory.namespace[ns][version]["Ingress"][name]
	startswith(version, "networking.k8s.io/")
	other.spec.rules[_].host == host
	not same(other)
	msg := sprintf("%s is served by %s/%s", [host, ns, name])
}
same(other) {
	other.metadata.namespace == input.review.namespace
	other.metadata.name == input.review.name
}`

func item(t testing.TB, name, host string) inventory.Item {
	t.Helper()
	value, err := inventory.NewBuilder("ingresses.networking.k8s.io", everything()).Build(ingress(name, host))
	if err != nil {
		t.Fatal(err)
	}
	return inventory.Item{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Object: inventory.Object{Namespace: "shop", Name: name, Value: value}}
}

func everything() *inventory.Fields {
	f := &inventory.Fields{}
	f.Add(nil, true)
	return f
}

func TestDataInventory(t *testing.T) {
	set, store := withInventory(t, violationOf(t, "a", uniqueIngress), violationOf(t, "b", echo))
	store.Sync([]inventory.Synced{{GroupVersionKind: schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, Of: ingresses}}, nil)
	if !set.ReadsInventory() || len(set.Needs()) > 0 {
		t.Fatalf("needs %v", set.Needs())
	}
	if others, _ := withInventory(t, violationOf(t, "b", echo)); others.ReadsInventory() {
		t.Error("a template that does not look there reads the inventory")
	}
	req := reviewOf(t, "web", "a.example.com")
	judged := func() string { return verdict(t, set, req) }
	const asked = "b (deny): seen"
	if got, want := judged(), "deny [a (deny): the policy could not be evaluated: nothing is known of "+string(ingresses)+": it has not been listed yet; this is no judgement of the object: ask whoever looks after the constraint a; "+asked+"]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	store.Lose(ingresses, inventory.ErrNoSuchKind)
	if got, want := judged(), "deny ["+asked+"]"; got != want {
		t.Errorf("a kind that there is not\ngot  %s\nwant %s", got, want)
	}
	list := inventory.List{Namespaced: true, Fields: everything(), At: time.Now().Add(-4 * time.Minute)}
	for _, name := range []string{"web", "old"} {
		list.Objects = append(list.Objects, item(t, name, "a.example.com").Object)
	}
	store.Replace(ingresses, list)
	const served = "a (deny): a.example.com is served by shop/old; "
	if got, want := judged(), "deny ["+served+asked+"]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	store.Fail(ingresses, errors.New("the watch broke"))
	if got, want := judged(), "deny ["+served+asked+"]"; got != want {
		t.Errorf("while the watch is broken\ngot  %s\nwant %s", got, want)
	}
	list.At = time.Now().Add(-6 * time.Minute)
	store.Replace(ingresses, list)
	const old = "a (deny): the policy could not be evaluated: what is known of " + string(ingresses) + " is 6m0s old, and the policy takes no more than 5m0s; this is no judgement of the object: ask whoever looks after the constraint a; "
	if got, want := judged(), "deny ["+old+asked+"]"; got != want {
		t.Errorf("what is too old\ngot  %s\nwant %s", got, want)
	}
	store.Sync(nil, nil)
	if got, want := judged(), "deny ["+asked+"]"; got != want {
		t.Errorf("a kind that is not synced\ngot  %s\nwant %s", got, want)
	}
}

// Where nothing is synced a policy finds what there is.
func TestDataInventoryFromFiles(t *testing.T) {
	spec := violationOf(t, "a", uniqueIngress)
	req := reviewOf(t, "web", "a.example.com")
	policy, err := CompilePolicy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := verdict(t, NewSet([]*Policy{policy}), req), "allow []"; got != want {
		t.Errorf("without objects: got %s, want %s", got, want)
	}
	objects := new(inventory.Snapshot).WithSynced(item(t, "old", "a.example.com"))
	const want = "deny [a (deny): a.example.com is served by shop/old]"
	if got := verdict(t, NewSet([]*Policy{policy}, WithSnapshot(objects)), req); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Both conventions read the same objects at the same moment, each at its own place.
func TestBothConventionsReadOneStore(t *testing.T) {
	set, store := withInventory(t, violationOf(t, "a", uniqueIngress), specOf(t, "b", uniqueHost[:len("package ")]+"b"+uniqueHost[len("package a"):], reading(ingresses)))
	store.Sync([]inventory.Synced{{GroupVersionKind: schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, Of: ingresses}}, nil)
	store.Replace(ingresses, inventory.List{
		Namespaced: true, Fields: everything(), At: time.Now(), Objects: []inventory.Object{item(t, "old", "a.example.com").Object},
	})
	got := verdict(t, set, reviewOf(t, "web", "a.example.com"))
	if want := "deny [a (deny): a.example.com is served by shop/old; b (deny): a.example.com is served by old]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
