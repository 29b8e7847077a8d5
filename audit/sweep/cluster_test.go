package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// The cluster of this test has an API server whose pages are what they are.
func TestARealCluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"nobody": {"nobodies"}}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("default")
	const objects = 1234
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < objects; i += 4 {
				if _, err := maps.Create(t.Context(), configMap(i, "a"), metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Run("is judged, and what changes", func(t *testing.T) { realChanges(t, c, maps, objects) })
	t.Run("by three, of which one dies", func(t *testing.T) { realShares(t, c, objects) })
	t.Run("as far as it may be listed", func(t *testing.T) { realRefusal(t, c) })
	t.Run("with kinds that come and go", func(t *testing.T) { realKinds(t, c) })
}

func configMap(i int, says string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprint("c-", i)}, "data": map[string]any{"says": says},
	}}
}

// about has policies that refuse what says their name, of some resources.
func about(revision string, versions map[string]string, resources ...string) *Policies {
	p := &Policies{Revision: revision, Judge: audit.JudgeFunc(
		func(_ context.Context, about audit.Object, object json.RawMessage, only func(string) bool) (out audit.Judgement, err error) {
			var read struct {
				APIVersion, Kind string
				Data             struct{ Says string }
			}
			if err := json.Unmarshal(object, &read); err != nil || read.Kind != about.Kind || read.APIVersion != about.APIVersion() {
				return out, fmt.Errorf("not the object: %w", err)
			}
			if about.Name == "kube-root-ca.crt" {
				return audit.Judgement{Skipped: "it is everywhere"}, nil
			}
			for id, version := range versions {
				if only != nil && !only(id) {
					continue
				}
				out.Asked = append(out.Asked, id)
				if strings.Contains(read.Data.Says, id) {
					out.Results = append(out.Results, audit.Result{Policy: id, Object: about, Outcome: audit.Fail, Message: version})
				}
			}
			return out, nil
		})}
	for id, version := range versions {
		p.List = append(p.List, Policy{Policy: audit.Policy{ID: id}, Version: version, Concerns: func(r Resource) bool {
			for _, name := range resources {
				if r.String() == name {
					return true
				}
			}
			return false
		}})
	}
	return p
}

func real(t *testing.T, c *cluster.Cluster, user string, o Options, p *Policies) *Sweep {
	t.Helper()
	config, err := c.UserRESTConfig(user)
	if err != nil {
		t.Fatal(err)
	}
	if o.Cluster, err = NewCluster(config); err != nil {
		t.Fatal(err)
	}
	o.Log = slog.New(slog.DiscardHandler)
	return running(t, o, p)
}

// totals are how many objects of a resource are listed, whether that reconciles, and the counts of policy a.
func totals(resource string, all ...*Sweep) func() string {
	return func() string {
		listed, counts := 0, audit.Counts{}
		for _, s := range all {
			r := s.Report()
			found := false
			for _, cover := range r.Coverage {
				if cover.Resource != resource {
					continue
				}
				found = true
				if !cover.Reconciled() {
					return cover.Trouble
				}
				listed += cover.Listed
			}
			if !found {
				return "not there"
			}
			counts = counts.Plus(r.Counts["a"])
			if len(r.Results) != r.Counts["a"].Fail+r.Counts["b"].Fail {
				return "results are missing"
			}
		}
		return fmt.Sprintf("%d objects, %d pass, %d fail", listed, counts.Pass, counts.Fail)
	}
}

func whole(s *Sweep) bool {
	r := s.Report()
	return r.Whole()
}

func realChanges(t *testing.T, c *cluster.Cluster, maps dynamic.ResourceInterface, objects int) {
	s := real(t, c, "", Options{}, about("1", map[string]string{"a": "1"}, "configmaps"))
	report := func() (listed, skipped int) {
		for _, cover := range s.Report().Coverage {
			listed, skipped = cover.Listed, cover.Skipped["it is everywhere"]
		}
		return listed, skipped
	}
	deadline := time.Now().Add(time.Minute)
	for counts := s.Report().Counts["a"]; counts.Fail < objects && time.Now().Before(deadline); counts = s.Report().Counts["a"] {
		<-time.After(5 * time.Millisecond)
	}
	others, skipped := report()
	others -= objects
	got := func() string {
		counts := s.Report().Counts["a"]
		listed, _ := report()
		return fmt.Sprintf("%d objects, %d pass, %d fail, reconciled %v", listed-others, counts.Pass, counts.Fail, whole(s))
	}
	eventually(t, fmt.Sprintf("%d objects, %d pass, %d fail, reconciled true", objects, others-skipped, objects), got)
	if _, err := maps.Update(t.Context(), configMap(7, "other"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("%d objects, %d pass, %d fail, reconciled true", objects, others-skipped+1, objects-1), got)
	if err := maps.Delete(t.Context(), "c-8", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, fmt.Sprintf("%d objects, %d pass, %d fail, reconciled true", objects-1, others-skipped+1, objects-2), got)
	s.Use(about("2", map[string]string{"a": "2"}, "configmaps"))
	eventually(t, "2", func() string {
		r := s.Report().Results
		if len(r) != objects-2 {
			return fmt.Sprint(len(r), " results")
		}
		for _, one := range r {
			if one.Message != "2" {
				return one.Message
			}
		}
		return "2"
	})
	for _, i := range []int{7, 8} {
		_ = maps.Delete(t.Context(), fmt.Sprint("c-", i), metav1.DeleteOptions{})
		if _, err := maps.Create(t.Context(), configMap(i, "a"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func realShares(t *testing.T, c *cluster.Cluster, objects int) {
	var mu sync.Mutex
	live := []string{"one", "two", "three"}
	members := func() ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, live...), nil
	}
	var all []*Sweep
	for _, own := range live {
		all = append(all, real(t, c, "", Options{Own: own, Members: members}, about("1", map[string]string{"a": "1"}, "configmaps")))
	}
	alone := real(t, c, "", Options{}, about("1", map[string]string{"a": "1"}, "configmaps"))
	eventually(t, "true", func() string { return fmt.Sprint(alone.Report().Counts["a"].Fail == objects && whole(alone)) })
	want := totals("configmaps", alone)()
	eventually(t, want, totals("configmaps", all...))
	mu.Lock()
	live = []string{"one", "three"}
	mu.Unlock()
	eventually(t, want, totals("configmaps", all[0], all[2]))
}

func realRefusal(t *testing.T, c *cluster.Cluster) {
	s := real(t, c, "nobody", Options{}, about("1", map[string]string{"a": "1"}, "secrets"))
	eventually(t, "secrets 0 not reconciled: secrets may not be listed and watched by this server; its service account needs a role with these two verbs, "+
		"which the chart's value audit.rbac gives it.", func() string { return said(s) })
}

const widgets = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
	"spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
	"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}`

func realKinds(t *testing.T, c *cluster.Cluster) {
	kubectl := func(stdin string, args ...string) {
		t.Helper()
		if _, _, err := c.Kubectl(t.Context(), "", strings.NewReader(stdin), args...); err != nil {
			t.Fatal(err)
		}
	}
	s := real(t, c, "", Options{}, about("1", map[string]string{"a": "1"}, "widgets.example.com"))
	eventually(t, "", func() string { return said(s) })
	kubectl(widgets, "apply", "-f", "-")
	kubectl("", "wait", "--for=condition=Established", "crd/widgets.example.com")
	kubectl(`{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "data": {"says": "a"}}`, "apply", "-f", "-")
	eventually(t, "Widget one a: 1; widgets.example.com 1; a 0/1/0", func() string { return said(s) })
	kubectl("", "delete", "crd", "widgets.example.com")
	eventually(t, "", func() string { return said(s) })
}
