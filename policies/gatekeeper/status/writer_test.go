package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// stage is a Writer with objects that lie in no cluster.
type stage struct {
	*Writer
	objects  map[schema.GroupVersionResource]*unstructured.Unstructured
	page     Page
	replicas []Replica
	writes   int
	prune    func(*unstructured.Unstructured) // what the definition does not keep
}

func everything(string, string, string) bool { return true }

func nothing(string, string, string) bool { return false }

func newStage(t *testing.T, objects map[schema.GroupVersionResource]*unstructured.Unstructured) *stage {
	t.Helper()
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	s := &stage{
		Writer: NewWriter(client, "guard", slog.New(slog.DiscardHandler)), objects: objects,
		replicas: []Replica{{"a", everything}}, prune: func(*unstructured.Unstructured) {},
	}
	s.page = Page{Versions: source.Versions{}, InForce: map[string]string{}, Served: func(string) bool { return true }}
	s.Followed = func() (out []source.Followed) {
		for at, u := range s.objects {
			out = append(out, source.Followed{Resource: at, List: func() []*unstructured.Unstructured { return []*unstructured.Unstructured{u} }})
		}
		return out
	}
	s.Page = func() Page {
		for _, u := range s.objects {
			s.page.Versions[source.GatekeeperFileName(u.GetKind(), u.GetName())] = source.VersionOf(u)
		}
		return s.page
	}
	s.Replicas = func() ([]Replica, error) { return s.replicas, nil }
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchActionImpl)
		at := patch.GetResource()
		if patch.GetPatchType() != types.MergePatchType || patch.GetSubresource() != "status" {
			return true, nil, fmt.Errorf("%+v", patch)
		}
		var body struct {
			Metadata struct{ ResourceVersion string }
			Status   map[string]any
		}
		if err := json.Unmarshal(patch.GetPatch(), &body); err != nil {
			return true, nil, err
		}
		s.writes++
		now := s.objects[at].DeepCopy()
		if body.Metadata.ResourceVersion != now.GetResourceVersion() {
			return true, nil, errors.New("conflict")
		}
		status, _, _ := unstructured.NestedMap(now.Object, "status")
		if status == nil {
			status = map[string]any{}
		}
		var given unstructured.Unstructured // decodes numbers as the API server's answers are
		text, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "x", "status": body.Status})
		if err := given.UnmarshalJSON(text); err != nil {
			return true, nil, err
		}
		maps.Copy(status, given.Object["status"].(map[string]any))
		now.Object["status"] = status
		s.prune(now)
		now.SetResourceVersion(now.GetResourceVersion() + "1")
		s.objects[at] = now
		return true, now, nil
	})
	s.forget()
	return s
}

func object(at schema.GroupVersionResource, kind, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "metadata": map[string]any{"name": name}, "spec": spec}}
	u.SetAPIVersion(at.GroupVersion().String())
	u.SetUID(types.UID("uid-" + name))
	u.SetGeneration(3)
	u.SetResourceVersion("1")
	return u
}

var (
	constraintsAt = schema.GroupVersionResource{Group: constraints, Version: "v1beta1", Resource: "owner"}
	templatesAt   = schema.GroupVersionResource{Group: "templates.gatekeeper.sh", Version: "v1", Resource: "constrainttemplates"}
	providersAt   = schema.GroupVersionResource{Group: "externaldata.gatekeeper.sh", Version: "v1beta1", Resource: "providers"}
	mutatorsAt    = schema.GroupVersionResource{Group: "mutations.gatekeeper.sh", Version: "v1", Resource: "assign"}
	expansionsAt  = schema.GroupVersionResource{Group: "expansion.gatekeeper.sh", Version: "v1beta1", Resource: "expansiontemplate"}
	syncSetsAt    = schema.GroupVersionResource{Group: "syncset.gatekeeper.sh", Version: "v1alpha1", Resource: "syncsets"}
	podStatusesAt = schema.GroupVersionResource{Group: "status.gatekeeper.sh", Version: "v1beta1", Resource: "configpodstatuses"}
	configsAt     = schema.GroupVersionResource{Group: "config.gatekeeper.sh", Version: "v1alpha1", Resource: "configs"}
)

func one(at schema.GroupVersionResource, kind string, spec map[string]any) map[schema.GroupVersionResource]*unstructured.Unstructured {
	return map[schema.GroupVersionResource]*unstructured.Unstructured{at: object(at, kind, "all", spec)}
}

// status is that of an object, as JSON.
func (s *stage) status(t *testing.T, at schema.GroupVersionResource) string {
	t.Helper()
	text, err := json.Marshal(s.objects[at].Object["status"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestShapes(t *testing.T) {
	faultOf := func(file, text string) policies.Load {
		return policies.Load{Faults: policies.Faults{{File: file, Err: errors.New(text)}}}
	}
	scoped := map[string]any{"scopedEnforcementActions": []any{map[string]any{"enforcementPoints": []any{
		map[string]any{"name": "*"}, map[string]any{"name": "validation.gatekeeper.sh"}, map[string]any{"name": "vap.k8s.io"}, map[string]any{"name": "audit.gatekeeper.sh"},
	}}}}
	const ready = `"lastTransitionTime":"2000-01-01T00:00:00Z","message":"","observedGeneration":3,"reason":"ServedByAll","status":"True","type":"Ready"}]`
	const without, refuses = "without v1/Secret nothing can be judged: no", "; until then a constraint that denies refuses what it is asked about"
	lacking := func(p *Page) { p.InForce["owner/all"], p.Lacking = "v", map[string][]string{"owner/all": {without}} }
	const left = "gatekeeper-enforcement is warn: this mutator is left to Gatekeeper, and changes nothing here"
	for name, c := range map[string]struct {
		at     schema.GroupVersionResource
		kind   string
		spec   map[string]any
		change func(*Page)
		want   string
	}{
		"a constraint": {
			constraintsAt, "Owner", nil, func(p *Page) { p.InForce["owner/all"] = "v" },
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],"conditions":[{` + ready + `}`,
		},
		"one that is not in force": {
			constraintsAt, "Owner", nil, func(p *Page) { p.Load = faultOf("owner/all", "owner/all:4: Owner all: no") },
			`{"byPod":[{"constraintUID":"uid-all","enforced":false,"errors":[{"code":"ingest_error","location":"owner/all:4","message":"Owner all: no"}],` +
				`"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z",` +
				`"message":"Owner all: no","observedGeneration":3,"reason":"Faulty","status":"False","type":"Ready"}]}`,
		},
		"one with scopes": {
			constraintsAt, "Owner", scoped, func(p *Page) { p.InForce["owner/all"] = "v" },
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"enforcementPointsStatus":[` +
				`{"enforcementPoint":"validation.gatekeeper.sh","observedGeneration":3,"state":"active"},` +
				`{"enforcementPoint":"vap.k8s.io","message":"this enforcement point is an API server's own, and not enforced here","observedGeneration":3,"state":"error"}],` +
				`"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],"conditions":[{` + ready + `}`,
		},
		"a template": {
			templatesAt, "ConstraintTemplate", nil, func(*Page) {},
			`{"byPod":[{"id":"guard/a","observedGeneration":3,"operations":["webhook"],"templateUID":"uid-all"}],"conditions":[{` + ready + `,"created":true}`,
		},
		"a template whose kind there is not": {templatesAt, "ConstraintTemplate", nil, func(p *Page) {
			p.Served = func(string) bool { return false }
			p.CRDs = map[string]error{"all": errors.New("make the CRD all: no")}
		}, `{"byPod":[{"errors":[{"code":"create_error","message":"make the CRD all: no"}],"id":"guard/a","observedGeneration":3,"operations":["webhook"],` +
			`"templateUID":"uid-all"}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"make the CRD all: no","observedGeneration":3,` +
			`"reason":"Faulty","status":"False","type":"Ready"}],"created":false}`},
		"a mutator": {
			mutatorsAt, "Assign", nil, func(p *Page) { p.InForce["Assign/all"] = "v" },
			`{"byPod":[{"enforced":true,"id":"guard/a","mutatorUID":"uid-all","observedGeneration":3,"operations":["mutation-webhook"]}],"conditions":[{` + ready + `}`,
		},
		"a mutator that is not in force": {
			mutatorsAt, "Assign", nil, func(*Page) {},
			`{"byPod":[{"enforced":false,"id":"guard/a","mutatorUID":"uid-all","observedGeneration":3,"operations":["mutation-webhook"]}],"conditions":[{` +
				`"lastTransitionTime":"2000-01-01T00:00:00Z","message":"it is in force on 0 of 1 replicas","observedGeneration":3,"reason":"NotInForce","status":"False","type":"Ready"}]}`,
		},
		"a mutator while Gatekeeper decides": {
			mutatorsAt, "Assign", nil, func(p *Page) { p.Warns = true },
			`{"byPod":[{"enforced":false,"errors":[{"message":"` + left + `"}],"id":"guard/a","mutatorUID":"uid-all","observedGeneration":3,` +
				`"operations":["mutation-webhook"]}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"` + left + `",` +
				`"observedGeneration":3,"reason":"NotInForce","status":"False","type":"Ready"}]}`,
		},
		"a constraint while Gatekeeper decides": {
			constraintsAt, "Owner", nil, func(p *Page) { p.InForce["owner/all"], p.Warns = "v", true },
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],"conditions":[{` +
				strings.Replace(ready, `"message":""`, `"message":"gatekeeper-enforcement is warn: what this constraint would refuse passes with a warning"`, 1) + `}`,
		},
		"a constraint that reads what is not known": {
			constraintsAt, "Owner", nil, lacking,
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"errors":[{"code":"data_unavailable","message":"` + without + refuses + `"}],"id":"guard/a",` +
				`"observedGeneration":3,"operations":["webhook"]}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"` + without + refuses + `",` +
				`"observedGeneration":3,"reason":"DataUnavailable","status":"False","type":"Ready"}]}`,
		},
		"one that is faulty, too": {
			constraintsAt, "Owner", nil, func(p *Page) {
				lacking(p)
				p.Load = faultOf("owner/all", "no")
			},
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"errors":[{"code":"ingest_error","message":"no"},` +
				`{"code":"data_unavailable","message":"` + without + refuses + `"}],"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],` +
				`"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"no","observedGeneration":3,"reason":"Faulty","status":"False","type":"Ready"}]}`,
		},
		"one while Gatekeeper decides": {
			constraintsAt, "Owner", nil, func(p *Page) {
				lacking(p)
				p.Warns = true
			},
			`{"byPod":[{"constraintUID":"uid-all","enforced":true,"errors":[{"code":"data_unavailable","message":"` + without + `"}],"id":"guard/a",` +
				`"observedGeneration":3,"operations":["webhook"]}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"` + without + `",` +
				`"observedGeneration":3,"reason":"DataUnavailable","status":"False","type":"Ready"}]}`,
		},
		"a template whose constraints read what is not known": {
			templatesAt, "ConstraintTemplate", nil, func(p *Page) {
				p.Lacking = map[string][]string{"all/b": {"b", without}, "all/a": {without}, "another/a": {"of another"}, "al/l": {"of yet another"}}
			},
			`{"byPod":[{"errors":[{"code":"data_unavailable","message":"b` + refuses + `"},{"code":"data_unavailable","message":"` + without + refuses + `"}],` +
				`"id":"guard/a","observedGeneration":3,"operations":["webhook"],"templateUID":"uid-all"}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z",` +
				`"message":"b` + refuses + `","observedGeneration":3,"reason":"DataUnavailable","status":"False","type":"Ready"}],"created":true}`,
		},
		"an ExpansionTemplate": {
			expansionsAt, "ExpansionTemplate", nil, func(p *Page) { p.Load = faultOf("expansiontemplate/all", "no") },
			`{"byPod":[{"errors":[{"message":"no"}],"id":"guard/a","observedGeneration":3,"operations":["webhook"],"templateUID":"uid-all"}],` +
				`"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"no","observedGeneration":3,"reason":"Faulty","status":"False","type":"Ready"}]}`,
		},
		"a Provider": {
			providersAt, "Provider", nil, func(p *Page) { p.Load = faultOf("provider/all", "no") },
			`{"byPod":[{"active":false,"errors":[{"errorTimestamp":"2000-01-01T00:00:00Z","message":"no","retryable":false,"type":"Conversion"}],"id":"guard/a",` +
				`"lastTransitionTime":"2000-01-01T00:00:00Z","observedGeneration":3,"operations":["webhook"],"providerUID":"uid-all"}],` +
				`"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"no","observedGeneration":3,"reason":"Faulty","status":"False","type":"Ready"}]}`,
		},
		"a Config": {
			configsAt, "Config", nil, func(p *Page) { p.Load = faultOf("config/all", "config/all:1: no") },
			`{"byPod":[{"configUID":"uid-all","errors":[{"message":"no","type":"Conversion"}],"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],` +
				`"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"no","observedGeneration":3,"reason":"Faulty","status":"False","type":"Ready"}]}`,
		},
		"a SyncSet": {
			syncSetsAt, "SyncSet", nil, func(*Page) {}, `{"byPod":[{"id":"guard/a","observedGeneration":3}],"conditions":[{` + ready + `}`,
		},
		"a SyncSet of a kind of which nothing is known": {
			syncSetsAt, "SyncSet",
			map[string]any{"gvks": []any{
				map[string]any{"version": "v1", "kind": "Secret"}, map[string]any{"group": "apps", "version": "v1", "kind": "Deployment"},
			}},
			func(p *Page) { p.Unsynced = map[schema.GroupVersionKind]string{{Version: "v1", Kind: "Secret"}: "no"} },
			`{"byPod":[{"errors":[{"message":"nothing is known of v1/Secret: no` + refuses + `"}],"id":"guard/a","observedGeneration":3}],` +
				`"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"nothing is known of v1/Secret: no` + refuses + `",` +
				`"observedGeneration":3,"reason":"DataUnavailable","status":"False","type":"Ready"}]}`,
		},
		"a Config of one": {
			configsAt, "Config",
			map[string]any{"sync": map[string]any{"syncOnly": []any{map[string]any{"group": "", "version": "v1", "kind": "Secret"}}}},
			func(p *Page) { p.Unsynced = map[schema.GroupVersionKind]string{{Version: "v1", Kind: "Secret"}: "no"} },
			`{"byPod":[{"configUID":"uid-all","errors":[{"message":"nothing is known of v1/Secret: no` + refuses + `","type":"Conversion"}],` +
				`"id":"guard/a","observedGeneration":3,"operations":["webhook"]}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z",` +
				`"message":"nothing is known of v1/Secret: no` + refuses + `","observedGeneration":3,"reason":"DataUnavailable","status":"False","type":"Ready"}]}`,
		},
		"a template whose kind was not changed": {templatesAt, "ConstraintTemplate", nil, func(p *Page) {
			p.CRDs = map[string]error{"all": &source.UpdateError{Err: errors.New("change the CRD all: no")}}
		}, `{"byPod":[{"errors":[{"code":"update_error","message":"change the CRD all: no"}],"id":"guard/a","observedGeneration":3,"operations":["webhook"],` +
			`"templateUID":"uid-all"}],"conditions":[{"lastTransitionTime":"2000-01-01T00:00:00Z","message":"change the CRD all: no","observedGeneration":3,` +
			`"reason":"Faulty","status":"False","type":"Ready"}],"created":true}`},
		"what has none": {podStatusesAt, "ConfigPodStatus", nil, func(*Page) {}, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, one(c.at, c.kind, c.spec))
				c.change(&s.page)
				for range 3 { // what is there is not written again, though time passes
					s.step(t.Context())
					time.Sleep(time.Hour)
				}
				s.forget() // nor by who leads next
				s.step(t.Context())
				if got := s.status(t, c.at); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if s.writes > 1 {
					t.Errorf("it was written %d times", s.writes)
				}
			})
		})
	}
}

// Entries of others, and what an audit has found, stay; replicas that are gone do not, and those that have not read a version yet keep what
// they made of the one before.
func TestOnlyOurEntriesAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, one(constraintsAt, "Owner", nil))
		s.page.InForce["owner/all"] = "v"
		s.objects[constraintsAt].Object["status"] = map[string]any{
			"totalViolations": int64(7), "auditTimestamp": "then", "violations": []any{map[string]any{"name": "x"}},
			"byPod": []any{
				map[string]any{"id": "gatekeeper-audit-1"},
				map[string]any{"id": "guard/gone"},
				map[string]any{"id": "guards/a"},
				map[string]any{"id": "guard/b", "constraintUID": "uid-all", "observedGeneration": int64(2)},
				map[string]any{"id": "guard/c", "constraintUID": "of another"},
			},
		}
		s.replicas = []Replica{{"c", nothing}, {"b", nothing}, {"a", everything}}
		s.step(t.Context())
		const want = `"byPod":[{"id":"gatekeeper-audit-1"},{"id":"guards/a"},` +
			`{"constraintUID":"uid-all","enforced":true,"id":"guard/a","observedGeneration":3,"operations":["webhook"]},` +
			`{"constraintUID":"uid-all","id":"guard/b","observedGeneration":2}]`
		got := s.status(t, constraintsAt)
		for _, part := range []string{want, `"totalViolations":7`, `"auditTimestamp":"then"`, `"violations":[{"name":"x"}]`, "1 of 3 replicas have read it"} {
			if !strings.Contains(got, part) {
				t.Errorf("%s\nhas no %s", got, part)
			}
		}
		s.page.Versions = source.Versions{}
		s.Page = func() Page {
			return Page{Versions: source.Versions{"owner/all": "another"}, InForce: map[string]string{}, Served: s.page.Served}
		}
		if s.step(t.Context()); s.writes != 1 {
			t.Error("a version that is not loaded is judged")
		}
	})
}

// A Gatekeeper beside us writes the whole list whenever an object changes, and never rests. We do.
func TestWhoWritesTheWholeListIsNotFought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, one(constraintsAt, "Owner", nil))
		s.page.InForce["owner/all"] = "v"
		theirs := func() {
			u := s.objects[constraintsAt].DeepCopy()
			_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"id": "gatekeeper-controller-manager-1"}}, "status", "byPod")
			u.SetResourceVersion(u.GetResourceVersion() + "2")
			s.objects[constraintsAt] = u
		}
		for range 24 * 360 {
			s.step(t.Context())
			theirs()
			time.Sleep(10 * time.Second)
		}
		if s.writes > 32 {
			t.Errorf("%d writes in a day", s.writes)
		}
		// What is new is told all the same.
		before := s.writes
		s.page.InForce = map[string]string{}
		if s.step(t.Context()); s.writes != before+1 {
			t.Error("what is new is not written")
		}
	})
}

// What a definition does not keep is written once, and not for ever.
func TestWhatIsNotKeptIsNotWrittenAgain(t *testing.T) {
	for field, want := range map[string]int{"conditions": 1, "byPod": 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, one(templatesAt, "ConstraintTemplate", nil))
			s.prune = func(u *unstructured.Unstructured) { unstructured.RemoveNestedField(u.Object, "status", field) }
			for range 100 {
				s.step(t.Context())
				time.Sleep(time.Hour)
			}
			if s.writes != want {
				t.Errorf("%s: it was written %d times", field, s.writes)
			}
		})
	}
}

// Many changes are written a few at a time.
func TestWritesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := map[schema.GroupVersionResource]*unstructured.Unstructured{}
		for i := range 3 * perStep {
			at := constraintsAt
			at.Resource = fmt.Sprint("owner", i)
			all[at] = object(at, fmt.Sprint("Owner", i), "all", nil)
		}
		s := newStage(t, all)
		for i := range 3 {
			if again := s.step(t.Context()); s.writes != (i+1)*perStep || i < 2 && again != quiet {
				t.Errorf("step %d: %d writes, again in %s", i, s.writes, again)
			}
		}
		if again := s.step(t.Context()); s.writes != 3*perStep || again != look {
			t.Errorf("in the end: %d writes, again in %s", s.writes, again)
		}
		s.Replicas = func() ([]Replica, error) { return nil, errors.New("no") }
		if again := s.step(t.Context()); again != retry {
			t.Errorf("while the replicas are not known: %s", again)
		}
	})
}
