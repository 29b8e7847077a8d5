package expansion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

func systemOf(t testing.TB, mutators Mutators, text string) *System {
	t.Helper()
	system, faults := (&Reader{Mutators: mutators}).Read(documentsOf(t, text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return system
}

// made lists what an object implies.
func made(t testing.TB, s *System, namespace, object string) (out []string) {
	t.Helper()
	var content map[string]any
	if err := utiljson.Unmarshal([]byte(object), &content); err != nil {
		t.Fatal(err)
	}
	for implied := range s.Expand(t.Context(), &review.Request{ID: "parent"}, namespace, content) {
		text, _ := json.Marshal(implied.Object)
		if implied.Err != nil {
			text = []byte(implied.Err.Error())
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s: %s", implied.By, implied.Enforcement, text)))
	}
	if after, _ := json.Marshal(content); !slices.Equal(after, compact(t, object)) {
		t.Errorf("the object was changed: %s", after)
	}
	return out
}

func compact(t testing.TB, text string) []byte {
	t.Helper()
	var content any
	if err := utiljson.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	out, _ := json.Marshal(content)
	return out
}

const workloads = `
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: pods}
spec:
  applyTo:
  - {groups: [apps], versions: [v1], kinds: [Deployment, StatefulSet]}
  - {groups: [batch], versions: [v1], kinds: [Job]}
  templateSource: spec.template
  generatedGVK: {group: "", version: v1, kind: Pod}
---
apiVersion: expansion.gatekeeper.sh/v1alpha1
kind: ExpansionTemplate
metadata: {name: jobs}
spec:
  applyTo: [{groups: [batch], versions: [v1], kinds: [CronJob]}]
  templateSource: spec.jobTemplate
  generatedGVK: {group: batch, version: v1, kind: Job}
  enforcementAction: dryrun
`

func TestExpand(t *testing.T) {
	s := systemOf(t, nil, workloads)
	for name, c := range map[string]struct {
		namespace, object string
		want              []string
	}{
		"of a kind": {
			"shop", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"Web","namespace":"other"},"spec":{"template":{
				"metadata":{"labels":{"app":"web"},"ownerReferences":[{"name":"x"}],"namespace":"mine"},"spec":{"n":1}}}}`,
			[]string{`pods : {"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web"},"name":"web-pod","namespace":"shop"},"spec":{"n":1}}`},
		},
		"in no namespace, without metadata": {
			"", `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"web"},"spec":{"template":{"metadata":null}}}`,
			[]string{`pods : {"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-pod"}}`},
		},
		"again and again": {
			"shop", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"n"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{}}}}}}`,
			[]string{
				`jobs audit: {"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"n-job","namespace":"shop"},"spec":{"template":{"spec":{}}}}`,
				`pods : {"apiVersion":"v1","kind":"Pod","metadata":{"name":"n-job-pod","namespace":"shop"},"spec":{}}`,
			},
		},
		"of another version": {"shop", `{"apiVersion":"apps/v2","kind":"Deployment","spec":{"template":{}}}`, nil},
		"without a source": {
			"shop", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{}}`,
			[]string{"pods : the Deployment web has no map at spec.template, of which a Pod would be made"},
		},
		"of something else": {
			"shop", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":[]}}`,
			[]string{"pods : the Deployment web has no map at spec.template, of which a Pod would be made"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := made(t, s, c.namespace, c.object); !slices.Equal(got, c.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
	if !s.Expands("batch/v1", "CronJob") || s.Expands("v1", "Pod") {
		t.Error("Expands says otherwise")
	}
}

// byTemplate are mutators that note of what an object is made, and cannot mutate Pods.
type byTemplate string

func (byTemplate) Mutate(_ context.Context, req *review.Request, template string, object *unstructured.Unstructured) error {
	if object.GetKind() == "Pod" {
		return errors.New("not today")
	}
	return unstructured.SetNestedField(object.Object, template+" of "+string(req.ID), "spec", "template", "by")
}

func (b byTemplate) Revision() string { return string(b) }

func TestMutatorsAreInTheRevision(t *testing.T) {
	seen := map[string]bool{}
	for _, mutators := range []Mutators{nil, byTemplate("1"), byTemplate("2"), byTemplate("2")} {
		seen[systemOf(t, mutators, workloads).Revision()] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d revisions of three Systems", len(seen))
	}
}

func TestMutatedBeforeItIsExpanded(t *testing.T) {
	s := systemOf(t, byTemplate("1"), workloads)
	got := made(t, s, "", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"n"},"spec":{"jobTemplate":{"spec":{"template":{}}}}}`)
	want := []string{
		`jobs audit: {"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"n-job"},"spec":{"template":{"by":"jobs of parent"}}}`,
		`pods : the Pod that the object implies cannot be mutated: not today`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// nested is an object of the kind K0 that has, below spec, further objects at that many removes.
func nested(depth int) string {
	return `{"apiVersion":"v1","kind":"K0","metadata":{"name":"n"}` + strings.Repeat(`,"spec":{"x":0`, depth) + strings.Repeat("}", depth+1)
}

func TestBounds(t *testing.T) {
	var chain, diamonds strings.Builder
	for i := range maxDepth + 5 {
		chain.WriteString(templateOf(fmt.Sprintf("t%02d", i), fmt.Sprintf("K%d", i+1), fmt.Sprintf("K%d", i)))
		for _, side := range "ab" {
			diamonds.WriteString(templateOf(fmt.Sprintf("t%02d%c", i, side), fmt.Sprintf("K%d", i+1), fmt.Sprintf("K%d", i)))
		}
	}
	got := made(t, systemOf(t, nil, chain.String()), "", nested(maxDepth+5))
	if last := got[len(got)-1]; len(got) != maxDepth+1 || last != "t30 : the object implies others at more than 30 removes" {
		t.Errorf("%d objects, the last %s", len(got), last)
	}
	got = made(t, systemOf(t, nil, diamonds.String()), "", nested(maxDepth+5))
	if last := got[len(got)-1]; len(got) != maxObjects+1 || !strings.HasSuffix(last, ": the object implies more than 100 others") {
		t.Errorf("%d objects, the last %s", len(got), last)
	}
}

func TestExpansionEndsForEverySetOfTemplates(t *testing.T) {
	kinds := []string{"K0", "K1", "K2", "K3", "K4", "K5"}
	rapid.Check(t, func(r *rapid.T) {
		var text strings.Builder
		for i := range rapid.IntRange(1, 8).Draw(r, "templates") {
			text.WriteString(templateOf(fmt.Sprintf("t%d", i), rapid.SampledFrom(kinds).Draw(r, "makes"),
				rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 3).Draw(r, "of")...))
		}
		docs := documentsOf(t, text.String())
		read := func(docs []policies.Document) (out []*template) {
			for _, d := range docs {
				t, _ := read(d)
				out = append(out, t)
			}
			return out
		}
		// Also where cycles are not refused.
		for _, s := range []*System{newSystem(read(docs), nil), first(new(Reader).Read(docs))} {
			if s == nil {
				continue
			}
			if got := made(t, s, "", nested(60)); len(got) > maxObjects+1 {
				r.Fatalf("%d objects", len(got))
			}
		}
	})
}

func first(s *System, _ policies.Faults) *System { return s }

func TestParents(t *testing.T) {
	s := systemOf(t, nil, workloads)
	for _, c := range []struct {
		of   policies.GroupKind
		want string
	}{
		{policies.GroupKind{Kind: "Pod"}, "[{apps Deployment} {apps StatefulSet} {batch Job} {batch CronJob}]"},
		{policies.GroupKind{Group: "batch", Kind: "*"}, "[{batch CronJob}]"},
		{policies.GroupKind{Group: "*", Kind: "Job"}, "[{batch CronJob}]"},
		{policies.GroupKind{Kind: "Service"}, "[]"},
	} {
		got := s.Parents([]policies.GroupKind{c.of})
		slices.SortFunc(got, func(a, b policies.GroupKind) int { return strings.Compare(a.Group, b.Group) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("parents of %v are %v, want %s", c.of, got, c.want)
		}
	}
}
