package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// uniqueHost refuses a host that another Ingress has, and namespaces that are not labelled open.
const uniqueHost = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquehost}
spec:
  crd: {spec: {names: {kind: UniqueHost}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquehost

      violation[{"msg": msg}] {
        host := input.review.object.spec.rules[_].host
        other := data.inventory.namespace[ns]["networking.k8s.io/v1"].Ingress[name]
        other.spec.rules[_].host == host
        not same(other)
        msg := sprintf("%s is served by %s/%s", [host, ns, name])
      }

      violation[{"msg": msg}] {
        data.inventory.cluster["v1"].Namespace[input.review.namespace].metadata.labels.closed
        msg := sprintf("%s is closed", [input.review.namespace])
      }

      same(other) {
        other.metadata.namespace == input.review.namespace
        other.metadata.name == input.review.name
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueHost
metadata: {name: all}
spec: {match: {kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}]}}
`

// syncing spells a SyncSet of the kinds the template looks for, and of one in a version that the API server does not prefer.
const syncing = `apiVersion: syncset.gatekeeper.sh/v1alpha1
kind: SyncSet
metadata: {name: all}
spec:
  gvks:
  - {group: networking.k8s.io, version: v1, kind: Ingress}
  - {group: "", version: v1, kind: Namespace}
  - {group: autoscaling, version: v1, kind: HorizontalPodAutoscaler}
  - {group: example.com, version: v1, kind: NoSuchKind}
`

// excluding spells a Config that excludes one namespace from one process.
func excluding(process string) string {
	return "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\nspec: {match: [{processes: [" + process + "], excludedNamespaces: [defau*]}]}\n"
}

// anIngress is what JSON says of one.
func anIngress(namespace, name, host string) string {
	return fmt.Sprintf(`{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": %q, "namespace": %q},
		"spec": {"rules": [{"host": %q, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]}}]}}`,
		name, namespace, host)
}

// looking asks an engine about the creation of an Ingress, again and again until it says what is wanted.
func looking(t *testing.T, engine *policies.Engine, namespace, name, want string) {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE",
		"kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}, "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
		"namespace": %q, "name": %q, "userInfo": {"username": "jane"}, "object": %s}}`, namespace, name, anIngress(namespace, name, "a.example.com"))
	for deadline := time.Now().Add(2 * time.Minute); ; <-time.After(10 * time.Millisecond) {
		req, _, err := review.DialectValidate([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		d, err := engine.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Verdict.String()
		for _, f := range d.Findings {
			got += " " + f.Message
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// What a template sees at data.inventory is what lies in a cluster, of the kinds that a SyncSet says, as long as it says so.
func TestDataInventoryOfARealCluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	kubectl := func(manifest string, args ...string) {
		t.Helper()
		if _, _, err := c.Kubectl(t.Context(), "", strings.NewReader(manifest), args...); err != nil {
			t.Fatal(err)
		}
	}
	const first, hpa = "first", `{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a", "namespace": "default"},
		"spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
		"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}}`
	kubectl(anIngress("default", first, "a.example.com"), "apply", "-f", "-")
	kubectl(hpa, "apply", "-f", "-")

	dir := writeFiles(t, map[string]string{"policies.yaml": uniqueHost, "sync.yaml": syncing})
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	engine, store, loads := serving(t, c, dir)

	const served = "deny a.example.com is served by default/first"
	looking(t, engine, "kube-public", "second", served) // at once: nothing comes into force before it can see
	looking(t, engine, "default", first, "allow")
	value, err := store.Snapshot().Read(t.Context(), nil, []string{"inventory", "namespace", "default", "autoscaling/v1", "HorizontalPodAutoscaler", "a", "spec", "targetCPUUtilizationPercentage"})
	if fmt.Sprint(value) != "70" {
		t.Errorf("of version v1 there is %v, %v", value, err)
	}
	kubectl("", "label", "namespace", "kube-public", "closed=yes")
	looking(t, engine, "kube-public", "second", served+" kube-public is closed")
	kubectl("", "delete", "ingress", first)
	looking(t, engine, "kube-public", "second", "deny kube-public is closed")
	kubectl(anIngress("default", first, "a.example.com"), "apply", "-f", "-")
	looking(t, engine, "kube-public", "second", served+" kube-public is closed")

	// What is in an excluded namespace is not there; in one that is excluded from another process it is.
	write("config.yaml", excluding("sync"))
	looking(t, engine, "kube-public", "second", "deny kube-public is closed")
	write("config.yaml", excluding("webhook"))
	looking(t, engine, "kube-public", "second", served+" kube-public is closed")
	looking(t, engine, "default", "second", "allow")
	// A Config that cannot be read is no reason to forget what it said.
	write("config.yaml", "kind: [")
	for load := range loads {
		if len(load.Faults) > 0 {
			break
		}
	}
	looking(t, engine, "default", "second", "allow")
	remove("config.yaml")
	looking(t, engine, "default", "second", served)

	remove("sync.yaml")
	looking(t, engine, "kube-public", "second", "allow")
	if value, err := store.Snapshot().Read(t.Context(), nil, []string{"inventory"}); err == nil {
		t.Errorf("after the SyncSet is gone there is %v", value)
	}
	write("sync.yaml", syncing)
	looking(t, engine, "kube-public", "second", served+" kube-public is closed")
}

// serving puts the policies of a directory in force as a server does that has a cluster.
func serving(t *testing.T, c *cluster.Cluster, dir string) (*policies.Engine, *inventory.Store, <-chan policies.Load) {
	t.Helper()
	config, err := c.UserRESTConfig("")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	store, engine := &inventory.Store{}, &policies.Engine{}
	objects, err := source.NewInventory(config, store, log)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	beside := newBeside(&Mutators{log: slog.New(slog.DiscardHandler)}, external.Options{}, log)
	loads := make(chan policies.Load, 1000)
	loader := &policies.Loader{
		Engine: engine, Sources: []policies.Source{&source.Files{Reader: reader, Paths: []string{dir}}},
		Options: []policies.Option{policies.WithInventory(store)}, Configure: beside.configure,
		Prepare: func(ctx context.Context, set *policies.Set) { objects.Prepare(ctx, set.Needs()) },
		Report: func(load policies.Load) {
			objects.Follow(load.Set.Needs())
			loads <- load
		},
	}
	beside.settings.sync(loader, objects)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- objects.Run(ctx) }()
	go func() { ended <- loader.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	<-loads
	return engine, store, loads
}

// told is a syncer that writes down what it is told.
type told []string

func (s *told) Sync(_ context.Context, kinds []schema.GroupVersionKind, excluded []match.Wildcard) {
	*s = append(*s, fmt.Sprint(kinds, excluded))
}

// settledBy loads the policies of files once, with a syncer or, if that is nil, without a cluster.
func settledBy(t *testing.T, files map[string]string, objects syncer) (*policies.Engine, policies.Load) {
	t.Helper()
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	from := source.Files{Reader: reader, Paths: []string{writeFiles(t, files)}}
	bundle, err := from.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out policies.Load
	beside := newBeside(&Mutators{log: slog.New(slog.DiscardHandler)}, external.Options{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	loader := &policies.Loader{
		Engine: &policies.Engine{}, Configure: beside.configure, Prepare: func(context.Context, *policies.Set) {},
		Sources: []policies.Source{policies.SourceFunc(func(_ context.Context, yield func(policies.Bundle)) error { yield(bundle); return nil })},
		Report: func(load policies.Load) {
			out = load
			cancel()
		},
	}
	beside.settings.alone = objects == nil
	if objects != nil {
		beside.settings.sync(loader, objects)
	}
	beside.settings.report(loader)
	if err := loader.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return loader.Engine, out
}

// Objects are only listed for policies that look at them.
func TestNothingIsSyncedForNobody(t *testing.T) {
	blind := strings.NewReplacer("data.inventory.namespace", "input.namespace", "data.inventory.cluster", "input.cluster").Replace(uniqueHost)
	off := strings.Replace(uniqueHost, "spec: {match", "spec: {enforcementAction: scoped, scopedEnforcementActions: [], match", 1)
	const all = "[/v1, Kind=Namespace autoscaling/v1, Kind=HorizontalPodAutoscaler example.com/v1, Kind=NoSuchKind networking.k8s.io/v1, Kind=Ingress]"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		note  string
	}{
		"who looks":           {map[string]string{"p.yaml": uniqueHost, "s.yaml": syncing}, all + " []", ""},
		"with exclusions":     {map[string]string{"p.yaml": uniqueHost, "s.yaml": syncing, "c.yaml": excluding("sync")}, all + " [defau*]", ""},
		"with others'":        {map[string]string{"p.yaml": uniqueHost, "s.yaml": syncing, "c.yaml": excluding("webhook")}, all + " []", ""},
		"who does not":        {map[string]string{"p.yaml": blind, "s.yaml": syncing}, "[] []", ""},
		"who is off":          {map[string]string{"p.yaml": off, "s.yaml": syncing}, "[] []", ""},
		"nothing to look at":  {map[string]string{"p.yaml": uniqueHost}, "[] []", "no Config or SyncSet says what is at data.inventory; there is nothing for these, which read it: uniquehost/all"},
		"nothing and nobody ": {map[string]string{"p.yaml": blind}, "[] []", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var objects told
			_, load := settledBy(t, c.files, &objects)
			if len(objects) != 1 || objects[0] != c.want {
				t.Errorf("got %v, want %s", objects, c.want)
			}
			if got := strings.Join(load.Notes, "\n"); got != c.note {
				t.Errorf("noted %q, want %q", got, c.note)
			}
		})
	}
}

// Without a cluster nobody knows what is there, and that is no answer.
func TestDataInventoryWithoutACluster(t *testing.T) {
	engine, load := settledBy(t, map[string]string{"p.yaml": uniqueHost, "s.yaml": syncing}, nil)
	looking(t, engine, "default", "a", "deny the policy could not be evaluated: nothing is known of networking.k8s.io/v1/Ingress: "+
		"this server has no cluster; start it with --kubeconfig FILE or --in-cluster; this is no judgement of the object: "+
		"ask whoever looks after the constraint uniquehost/all")
	if got, want := strings.Join(load.Notes, "\n"), "what is at data.inventory comes of a cluster, and this server has none; these have no answer until it is started "+
		"with --kubeconfig FILE or --in-cluster: uniquehost/all"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	engine, _ = settledBy(t, map[string]string{"p.yaml": uniqueHost}, nil)
	looking(t, engine, "default", "a", "allow")
}
