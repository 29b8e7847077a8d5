package policies

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

func TestWhatSecretsHoldIsNotRead(t *testing.T) {
	rule := func(body string) string { return "package a\ndeny contains \"no\" if {\n\t" + body + "\n}\n" }
	const refused = "a.rego: policy a reads what is in Secrets, and policies see only the names of the keys in their data: " +
		"ask whether a key is there, or judge the Secret itself when it is written"
	for _, c := range []struct{ body, want string }{
		{`data.kubernetes.secrets[_][_].data.password == "x"`, refused},
		{`some secret in data.kubernetes.secrets.shop; base64.decode(secret.data.password) == "x"`, refused},
		{`secret := data.kubernetes.secrets.shop.web; secret.stringData[_] == input.x`, refused},
		{`not data.kubernetes.secrets.shop.web.data.password`, ""},
		{`data.kubernetes.secrets.shop.web.data["tls.crt"]`, ""},
		{`some key, _ in data.kubernetes.secrets.shop.web.data; key == "password"`, ""},
		{`data.kubernetes.secrets.shop.web.metadata.labels.data == "x"`, ""},
		{`data.kubernetes.pods.shop.web.data.password == "x"`, ""},
		{`count(data.kubernetes.secrets.shop) > 1`, ""},
	} {
		_, err := Compile(t.Context(), []Spec{specOf(t, "a", rule(c.body), reading("pods", inventory.Secrets))})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

// readingPolicy is a policy with the fields of Pods that it reads.
type readingPolicy struct{ rego, want string }

func readingPolicies() []readingPolicy {
	rule := func(body string) string { return "package a\ndeny contains \"no\" if {\n\t" + body + "\n}\n" }
	return []readingPolicy{
		{rule(`data.kubernetes.pods[_][_].spec.nodeName == input.x`), "spec.nodeName"},
		{rule(`p := data.kubernetes.pods[_][_]; p.spec.nodeName == p.metadata.name`), "metadata.name, spec.nodeName"},
		{rule(`some ns; some name, p in data.kubernetes.pods[ns]; p.spec.nodeName == name`), "spec.nodeName"},
		{rule(`some p in data.kubernetes.pods[_]; some c in p.spec.containers; c.image == input.x`), "spec.containers[].image"},
		{rule(`all := data.kubernetes.pods; all[_][_].spec.containers[0].image == "x"`), "spec.containers[].image"},
		{rule(`every p in data.kubernetes.pods.shop { p.metadata.labels.app == "x" }`), "metadata.labels.app"},
		{rule(`every p in data.kubernetes.pods.shop { every c in p.spec.containers { c.image } }`), "(spec.containers[].image)"},
		{rule(`data.kubernetes.pods[_][_].metadata.annotations[k] == "x"; k == "y"`), "metadata.annotations[]"},
		{rule(`images := {c.image | c := data.kubernetes.pods[_][_].spec.containers[_]}; images["x"]`), "spec.containers[].image"},
		{rule(`data.kubernetes.pods[_][_].spec.hostNetwork`), "(spec.hostNetwork)"},
		{rule(`not data.kubernetes.pods.shop.web`), "nothing but the names"},
		{rule(`some name; data.kubernetes.pods.shop[name]; name == "x"`), "nothing but the names"},
		// Out of sight: all of it.
		{rule(`count(data.kubernetes.pods) > 1`), "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; object.get(p, "spec", {})`), "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; walk(p.spec, [_, v]); v`), "spec"},
		{rule(`p := data.kubernetes.pods[_][_]; p == input.request.object`), "everything"},
		{rule(`p := input.request.object; p == data.kubernetes.pods[_][_]`), "everything"},
		{rule(`p := input.request.object; data.kubernetes.pods[_][_].spec = p`), "spec"},
		{rule(`p := data.kubernetes.pods[_][_]; q := p; q.spec.nodeName`), "everything"},
		{rule(`{"spec": s} = data.kubernetes.pods[_][_]; s.nodeName`), "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; [p.spec.x, 1] == input.y`), "spec.x"},
		{rule(`p := data.kubernetes.pods[_][_]; input.set[p.spec.x]`), "spec.x"},
		{rule(`p := data.kubernetes.pods[_][_]; input.x with input as p`), "everything"},
		{rule(`x := [p | p := data.kubernetes.pods[_][_]]; x[0].spec.y`), "everything"},
		{rule(`every i, p in data.kubernetes.pods.shop { p == input[i] }`), "everything"},
		{rule(`every i, p in data.kubernetes.pods.shop { i == p.spec.x }`), "spec.x"},
		{rule(`x := upper(input.y); x == data.kubernetes.pods[_][_].spec.x`), "spec.x"},
		{rule(`upper(input.y, x); x = data.kubernetes.pods[_][_].spec.x`), "spec.x"},
		// Into functions of its own.
		{rule(`p := data.kubernetes.pods[_][_]; f(p)`) + "f(o) if o.spec.x == 1\nf(o) if g(o.metadata)\ng(m) if m.labels.app", "(metadata.labels.app), spec.x"},
		{rule(`f(data.kubernetes.pods[_][_].spec)`) + "f(s) := s.x", "spec.x"},
		{rule(`p := data.kubernetes.pods[_][_]; f(p).spec`) + "f(o) := o", "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; f(p)`) + "f({\"spec\": s}) if s.x", "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; f(p)`) + "f(o) if o.x else := true if o.y", "everything"},
		{rule(`p := data.kubernetes.pods[_][_]; f(p, input.x)`) + "f(o, y) if o.spec == y", "spec"},
		{rule(`p := data.kubernetes.pods[_][_]; f(p)`) + "f(o) if { o = input.x; o.spec.y }", "everything"},
		// Through rules.
		{"package a\ndeny contains p.spec.x if some p in pods\npods contains p if p := data.kubernetes.pods[_][_]", "everything"},
		{"package a\ndeny contains x if some x in images\nimages contains c.image if c := data.kubernetes.pods[_][_].spec.containers[_]", "spec.containers[].image"},
		{"package a\ndeny contains msg if msg := data.kubernetes.pods[_][_].metadata.name", "metadata.name"},
		{"package a\ndeny contains \"x\" if y\ny if input.x else := data.kubernetes.pods.shop.web.spec.x", "spec.x"},
	}
}

func TestWhatPoliciesRead(t *testing.T) {
	for _, c := range readingPolicies() {
		policy, err := CompilePolicy(t.Context(), specOf(t, "a", c.rego, reading("pods")))
		if err != nil {
			t.Errorf("%s: %v", c.rego, err)
			continue
		}
		if got := policy.needs["pods"].Fields.Of(true).String(); got != c.want {
			t.Errorf("%s: read is %s, want %s", c.rego, got, c.want)
		}
	}
}

// Whatever a policy reads, it says of pruned objects what it says of whole ones.
func TestPruningChangesNoAnswer(t *testing.T) {
	var objects []map[string]any
	for i, text := range []string{
		`{"metadata": {"name": "x"}, "spec": {"x": 1, "y": true, "nodeName": "x", "hostNetwork": true, "containers": [{"image": "x"}, {"image": "y"}]}}`,
		`{"metadata": {"labels": {"app": "x"}, "annotations": {"y": "x"}}, "spec": {"x": "x", "nodeName": "y", "containers": []}}`,
		`{"metadata": {"labels": {}}, "spec": {"x": false, "hostNetwork": false, "containers": [{}, "x", {"image": "z"}]}}`,
		`{"spec": {"x": {"y": 1}, "containers": "x"}}`,
		`{"spec": null}`,
	} {
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, map[string]any{"metadata": map[string]any{"namespace": "shop", "name": fmt.Sprint("p", i)}, "of": object})
	}
	objects[0]["metadata"].(map[string]any)["name"] = "web"
	req := podCreate(t, `{"spec": {"x": 1}}`)
	req.Body = review.Raw(`{"x": "x", "y": ["x", 1], "set": {"x": true}, "name": "web", ` + string(req.Body[1:]))
	whole := &inventory.Fields{}
	whole.Add(nil, true)
	differ := 0
	for _, c := range readingPolicies() {
		set, store := withInventory(t, specOf(t, "a", c.rego, reading("pods")))
		var last string
		for only := range 1 << len(objects) { // every selection of the objects
			var answers []string
			for _, fields := range []*inventory.Fields{whole, set.Needs()["pods"].Fields.Of(true)} {
				list := inventory.List{Namespaced: true, Fields: fields, Fixed: true}
				builder := inventory.NewBuilder(ingresses, fields)
				for i, object := range objects {
					if only>>i&1 == 0 {
						continue
					}
					value, err := builder.Build(object["of"].(map[string]any))
					if err != nil {
						t.Fatal(err)
					}
					name := object["metadata"].(map[string]any)["name"].(string)
					list.Objects = append(list.Objects, inventory.Object{Namespace: "shop", Name: name, Value: value})
				}
				store.Replace("pods", list)
				answers = append(answers, said(t, set, req))
			}
			if answers[0] != answers[1] {
				t.Errorf("%s: of whole objects it says %s, of pruned ones %s", c.rego, answers[0], answers[1])
			}
			if only > 0 && answers[0] != last {
				differ++
			}
			last = answers[0]
		}
	}
	if differ < 100 {
		t.Errorf("the objects make a difference only %d times", differ)
	}
}
