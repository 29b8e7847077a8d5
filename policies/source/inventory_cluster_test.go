package source

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// An Inventory as it is served with, against a real API server.
func TestInventoryOfARealCluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"nobody": {"nobodies"}}})
	t.Run("a policy sees other objects", func(t *testing.T) { seesOthers(t, c) })
	t.Run("metadata alone", func(t *testing.T) { seesMetadata(t, c) })
	t.Run("a kind comes and goes", func(t *testing.T) { comesAndGoes(t, c) })
	t.Run("without permission", func(t *testing.T) { mayNot(t, c) })
	t.Run("quiet is not stale, silent is", func(t *testing.T) { quietAndSilent(t, c) }) // the last: it ends the API server
}

// inventoryOf runs an Inventory as a user for the time of the test.
func inventoryOf(t *testing.T, c *cluster.Cluster, user string) (*Inventory, *inventory.Store) {
	t.Helper()
	config, err := c.UserRESTConfig(user)
	if err != nil {
		t.Fatal(err)
	}
	store := &inventory.Store{}
	i, err := NewInventory(config, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- i.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return i, store
}

// apply has the administrator apply a manifest.
func apply(t *testing.T, c *cluster.Cluster, manifest string) {
	t.Helper()
	if _, _, err := c.Kubectl(t.Context(), "", strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func kubectl(t *testing.T, c *cluster.Cluster, args ...string) {
	t.Helper()
	if _, _, err := c.Kubectl(t.Context(), "", nil, args...); err != nil {
		t.Fatal(err)
	}
}

// engineOf puts policies in force the way a server does.
func engineOf(t *testing.T, i *Inventory, store *inventory.Store, specs []policies.Spec) *policies.Engine {
	t.Helper()
	engine := &policies.Engine{}
	loaded := make(chan policies.Load, 1)
	loader := &policies.Loader{
		Engine: engine,
		Sources: []policies.Source{policies.SourceFunc(func(ctx context.Context, yield func(policies.Bundle)) error {
			yield(policies.Bundle{Specs: specs})
			<-ctx.Done()
			return nil
		})},
		Options: []policies.Option{policies.WithInventory(store)},
		Prepare: func(ctx context.Context, set *policies.Set) { i.Prepare(ctx, set.Needs()) },
		Report: func(load policies.Load) {
			i.Follow(load.Set.Needs())
			loaded <- load
		},
	}
	go func() {
		if err := loader.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if load := <-loaded; len(load.Faults) > 0 {
		t.Fatal(load.Faults)
	}
	return engine
}

func theLibrarys(t *testing.T, name string) []policies.Spec {
	t.Helper()
	var files []native.File
	for _, file := range append(library.Helpers(), library.File(name)) {
		text, err := fs.ReadFile(library.FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, native.File{Name: path.Join("library", file), Text: text})
	}
	reader, err := native.NewReader(files)
	if err != nil {
		t.Fatal(err)
	}
	specs, faults := reader.Use(name)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return specs
}

func anIngress(namespace, name, host string) string {
	return fmt.Sprintf(`{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": %q, "namespace": %q},
		"spec": {"rules": [{"host": %q, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}}`,
		name, namespace, host)
}

// verdictOn asks about the creation of an Ingress.
func verdictOn(t *testing.T, engine *policies.Engine, namespace, name, host string) func() string {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE",
		"kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}, "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
		"namespace": %q, "name": %q, "userInfo": {"username": "jane"}, "object": %s}}`, namespace, name, anIngress(namespace, name, host))
	return func() string {
		req, _, err := review.DialectValidate([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		d, err := engine.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return d.Verdict.String() + " " + d.Refusal()
	}
}

func seesOthers(t *testing.T, c *cluster.Cluster) {
	apply(t, c, anIngress("default", "first", "shop.example.com"))
	i, store := inventoryOf(t, c, "")
	engine := engineOf(t, i, store, theLibrarys(t, "ingresses.unique_host"))
	const refused = "deny ingresses.unique_host: the host shop.example.com belongs to the Ingress %s in the namespace default; choose another one (spec.rules[0].host)"
	taken := verdictOn(t, engine, "kube-public", "second", "shop.example.com")
	if got, want := taken(), fmt.Sprintf(refused, "first"); got != want {
		t.Errorf("at once: %s\nwant %s", got, want)
	}
	if got := verdictOn(t, engine, "default", "first", "shop.example.com")(); got != "allow " {
		t.Errorf("its own host: %s", got)
	}
	kubectl(t, c, "delete", "ingress", "first")
	eventually(t, "allow ", taken)
	apply(t, c, anIngress("default", "third", "shop.example.com"))
	eventually(t, fmt.Sprintf(refused, "third"), taken)
	apply(t, c, anIngress("default", "third", "other.example.com"))
	eventually(t, "allow ", taken)
	status := store.Snapshot().Status(time.Now())
	if len(status) != 1 || status[0].Kept != "metadata.labels[], spec.ingressClassName, spec.rules[].host" || status[0].Objects != 1 {
		t.Errorf("%+v", status)
	}
}

// fieldsRead are fields below each object of a kind with namespaces.
func fieldsRead(depth int, names ...string) *inventory.Fields {
	f := &inventory.Fields{}
	path := make([]inventory.Step, depth, depth+len(names))
	for i := range depth {
		path[i].Any = true
	}
	for _, name := range names {
		path = append(path, inventory.Step{Name: name})
	}
	f.Add(path, true)
	return f
}

// look prints a kind.
func look(t *testing.T, store *inventory.Store, kind inventory.Kind) func() string {
	t.Helper()
	return func() string {
		value, err := store.Snapshot().Read(t.Context(), nil, []string{"kubernetes", string(kind)})
		if err != nil {
			return fmt.Sprint(store.Snapshot().Lost(kind))
		}
		return strings.ReplaceAll(fmt.Sprint(value), " ", "")
	}
}

func seesMetadata(t *testing.T, c *cluster.Cluster) {
	apply(t, c, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default", "labels": {"team": "x"}}, "data": {"secret": "y"}}`)
	i, store := inventoryOf(t, c, "")
	need := &inventory.Need{Fields: fieldsRead(2, "metadata", "labels"), MaxStaleness: time.Minute}
	i.Prepare(t.Context(), map[inventory.Kind]*inventory.Need{"configmaps": need})
	seen := look(t, store, "configmaps")
	if got := seen(); !strings.Contains(got, `"a":{"metadata":{"labels":{"team":"x"}}}`) {
		t.Errorf("got %s", got)
	}
	kubectl(t, c, "label", "configmap", "a", "team=z", "--overwrite")
	eventually(t, "true", func() string { return fmt.Sprint(strings.Contains(seen(), `"a":{"metadata":{"labels":{"team":"z"}}}`)) })
}

const widgets = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
	"spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
	"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}`

// Looking for a kind that is not there takes up to half a minute in service; here it is asked for anew, as a change of policies does.
func comesAndGoes(t *testing.T, c *cluster.Cluster) {
	i, store := inventoryOf(t, c, "")
	needs := map[inventory.Kind]*inventory.Need{"widgets.example.com": {Fields: fieldsRead(1, "size"), MaxStaleness: time.Minute}}
	seen := look(t, store, "widgets.example.com")
	i.Prepare(t.Context(), needs)
	eventually(t, "the cluster has no such kind", seen)
	apply(t, c, widgets)
	kubectl(t, c, "wait", "--for=condition=Established", "crd/widgets.example.com")
	apply(t, c, `{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "size": 7}`)
	i.Follow(nil)
	eventually(t, "<nil>", seen)
	i.Prepare(t.Context(), needs)
	eventually(t, `{"one":{"size":7}}`, seen)
	kubectl(t, c, "delete", "crd", "widgets.example.com")
	eventually(t, "the cluster has no such kind", seen)
}

func mayNot(t *testing.T, c *cluster.Cluster) {
	i, store := inventoryOf(t, c, "nobody")
	engine := engineOf(t, i, store, theLibrarys(t, "ingresses.unique_host"))
	eventually(t, "deny ingresses.unique_host: the policy could not be evaluated: nothing is known of ingresses.networking.k8s.io: "+
		"this server may not list and watch it; its service account needs a role with these two verbs, which the chart's value rbac.inventory gives it",
		verdictOn(t, engine, "default", "new", "new.example.com"))
}

// In a kind in which nothing happens the API server is heard of all the same, and when it is gone, what is known grows old.
func quietAndSilent(t *testing.T, c *cluster.Cluster) {
	i, store := inventoryOf(t, c, "")
	need := &inventory.Need{Fields: fieldsRead(2, "spec"), MaxStaleness: 4 * time.Second}
	i.Prepare(t.Context(), map[inventory.Kind]*inventory.Need{"limitranges": need})
	age := func() time.Duration { return store.Snapshot().Status(time.Now())[0].Age }
	for before, heard := age(), 0; heard < 4; <-time.After(10 * time.Millisecond) {
		now := age()
		if now < before {
			heard++
		}
		if before = now; now > 20*time.Second {
			t.Fatalf("nothing happens, and nothing was heard for %s", now)
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "true", func() string {
		err := store.Snapshot().Check("limitranges", need, time.Now())
		return fmt.Sprint(err != nil && strings.HasPrefix(err.Error(), "what is known of limitranges is ") &&
			strings.HasSuffix(err.Error(), " old, and the policy takes no more than 4s"))
	})
	status := store.Snapshot().Status(time.Now())
	if !status[0].Listed || status[0].Why != "the cluster cannot be asked for it now" {
		t.Errorf("%+v", status)
	}
}
