package library

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"

	"github.com/portcullis-dev/portcullis/mutators"
	engine "github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// shops is the namespace of all objects that are made up.
const shops = `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
	"labels": {"team": "shop", "cost-center": "1234"},
	"annotations": {"example.com/contact": "shop@example.com", "scheduler.alpha.kubernetes.io/node-selector": "pool=shop,disk=ssd",
		"scheduler.alpha.kubernetes.io/defaultTolerations": "[{\"key\": \"pool\", \"operator\": \"Equal\", \"value\": \"shop\", \"effect\": \"NoSchedule\"}]"}}}`

// mutations are the policies that edit, by the name they have in force.
func mutations(t testing.TB) map[string]policy {
	t.Helper()
	out := map[string]policy{}
	for _, p := range policies(t) {
		if p.defines("mutate") {
			out[p.name] = p
		}
	}
	return out
}

// inForce is a Set of policies with the parameters of their fixtures. Their order is that of their names with what comes before.
func inForce(t testing.TB, before func(name string) string, used ...policy) *engine.Set {
	t.Helper()
	var files []native.File
	for _, p := range used {
		parameters, err := json.Marshal(p.said.parameters())
		if err != nil {
			t.Fatal(err)
		}
		name := before(p.name) + strings.NewReplacer(".", "-", "_", "-").Replace(p.name)
		files = append(files, native.File{Name: name + ".yaml", Text: fmt.Appendf(nil,
			"apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: %s}\nspec: {use: %s, parameters: %s}\n", name, p.name, parameters)})
	}
	specs, faults := reader(t).Read(files)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var namespace corev1.Namespace
	if err := json.Unmarshal([]byte(shops), &namespace); err != nil {
		t.Fatal(err)
	}
	object := ast.MustParseTerm(shops).Value
	set, err := engine.Compile(t.Context(), specs, engine.WithNamespaces(func(string) (engine.Namespace, bool) {
		return engine.Namespace{Labels: namespace.Labels, Object: object}, true
	}))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func asTheyAre(string) string { return "" }

// thing is an object that is made up, with the question about it.
type thing struct {
	kind, resource, subresource string
	object, old                 map[string]any
}

func (o thing) request(t testing.TB) *review.Request {
	t.Helper()
	operation := "CREATE"
	if o.old != nil {
		operation = "UPDATE"
	}
	group, version := "", "v1"
	if o.kind == "Deployment" {
		group = "apps"
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": map[string]any{
		"uid": "u", "operation": operation, "name": "x", "namespace": "shop", "userInfo": map[string]any{"username": "jane"},
		"kind":     map[string]any{"group": group, "version": version, "kind": o.kind},
		"resource": map[string]any{"group": group, "version": version, "resource": o.resource}, "subResource": o.subresource,
		"object": o.object, "oldObject": o.old,
	}})
	if err != nil {
		t.Fatal(err)
	}
	req, _, err := review.DialectMutate(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return req
}

// edited is the object as a Set makes it, and what is wrong with how it does.
func (o thing) edited(t testing.TB, set *engine.Set) (map[string]any, string) {
	t.Helper()
	d, err := mutators.Chain{mutators.Ask(set)}.Review(t.Context(), o.request(t))
	if err != nil {
		return nil, err.Error()
	}
	for _, finding := range d.Findings {
		return nil, fmt.Sprintf("%s: %s %s", finding.Policy, finding.Message, finding.Cause)
	}
	if d.Patch == nil {
		return o.object, ""
	}
	before, err := json.Marshal(o.object)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(d.Patch)
	if err != nil {
		t.Fatal(err)
	}
	text, err := patch.Apply(before)
	if err != nil {
		return nil, fmt.Sprintf("the patch cannot be made: %v\n%s", err, d.Patch)
	}
	var after map[string]any
	if err := json.Unmarshal(text, &after); err != nil {
		t.Fatal(err)
	}
	return after, ""
}

// again is how a Set fails to leave alone what it made, or "".
func (o thing) again(t testing.TB, set *engine.Set) string {
	t.Helper()
	after, wrong := o.edited(t, set)
	if wrong != "" {
		return wrong
	}
	o.object = after
	d, err := mutators.Chain{mutators.Ask(set)}.Review(t.Context(), o.request(t))
	if err != nil {
		return err.Error()
	}
	if d.Patch != nil {
		return fmt.Sprintf("a second patch: %s", d.Patch)
	}
	return ""
}

// thing makes up a Pod, an update of one, or what else the policies edit.
func (m maker) thing() thing {
	metadata := fieldsOf(map[string]any{
		"name": "x", "namespace": "shop",
		"labels": m.one(map[string]any{"app": "orders"}, map[string]any{"team": "search", "app.kubernetes.io/name": "orders", "pod-template-hash": "5d8f"},
			map[string]any{"portcullis.dev/resource-class": "large"}, map[string]any{}, nil, absent{}),
		"annotations":     m.one(absent{}, nil, map[string]any{"example.com/contact": "search@example.com"}),
		"ownerReferences": m.one(absent{}, []any{map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "x", "uid": "1", "controller": true}}),
	})
	switch m.IntN(10) {
	case 0:
		return thing{kind: "Service", resource: "services", object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": metadata}}
	case 1:
		pod := m.furnished()
		return thing{kind: "Deployment", resource: "deployments", object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": metadata, "spec": map[string]any{"template": map[string]any{"metadata": metadata, "spec": pod}},
		}}
	}
	out := thing{kind: "Pod", resource: "pods", object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": m.furnished()}}
	switch m.IntN(4) {
	case 0:
		out.old = maps.Clone(out.object)
		spec := maps.Clone(out.object["spec"].(map[string]any))
		delete(spec, "ephemeralContainers")
		out.old["spec"] = spec
		out.subresource = m.one("ephemeralcontainers", "").(string)
	case 1:
		out.old = map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": m.furnished()}
	}
	return out
}

// furnished is the specification of a Pod with what the mutations look at.
func (m maker) furnished() map[string]any {
	spec := m.spec()
	token := map[string]any{"name": "kube-api-access-x", "projected": map[string]any{"sources": []any{map[string]any{"serviceAccountToken": map[string]any{"path": "token"}}}}}
	volumes, _ := spec["volumes"].([]any)
	for i, one := range volumes {
		if volume, ok := one.(map[string]any); ok {
			volume["name"] = fmt.Sprintf("v%d", i)
		}
	}
	if m.IntN(3) == 0 {
		volumes = append(slices.Clone(volumes), token)
	}
	if m.IntN(3) == 0 {
		volumes = append(slices.Clone(volumes), map[string]any{"name": "model", "image": fieldsOf(map[string]any{"reference": m.image(), "pullPolicy": m.pulled()})})
	}
	if volumes != nil {
		spec["volumes"] = volumes
	}
	amounts := func() any {
		return m.one(absent{}, nil, map[string]any{}, fieldsOf(map[string]any{
			"cpu": m.one(absent{}, "1", "10m", nil), "memory": m.one(absent{}, "64Mi", "128Mi", "1Gi", nil),
		}))
	}
	for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		list, _ := spec[field].([]any)
		for i, one := range list {
			container, ok := one.(map[string]any)
			if !ok {
				continue
			}
			if _, ok := container["name"]; ok { // Kubernetes takes no two of one name
				container["name"] = fmt.Sprint(container["name"], i)
			}
			container["image"], container["imagePullPolicy"] = m.image(), m.pulled()
			container["volumeMounts"] = m.one(absent{}, []any{map[string]any{"name": "kube-api-access-x", "mountPath": "/x"}, map[string]any{"name": "tmp", "mountPath": "/tmp"}})
			container["resources"] = m.one(absent{}, fieldsOf(map[string]any{"requests": amounts(), "limits": amounts()}), nil)
			fieldsOf(container)
		}
	}
	maps.Copy(spec, fieldsOf(map[string]any{
		"serviceAccountName":           m.one("default", "operator", "", absent{}, nil),
		"automountServiceAccountToken": m.one(absent{}, true, false, nil),
		"nodeName":                     m.one(absent{}, "a", ""),
		"nodeSelector": m.one(absent{}, nil, map[string]any{}, map[string]any{"pool": "shop"}, map[string]any{"disk": "hdd"},
			map[string]any{"kubernetes.io/os": "windows"}),
		"tolerations": m.one(absent{}, nil, []any{}, []any{map[string]any{"key": "pool", "value": "shop", "effect": "NoSchedule"}},
			[]any{map[string]any{"operator": "Exists"}}),
		"topologySpreadConstraints": m.one(absent{}, nil, []any{}, []any{map[string]any{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}}),
		"resources":                 m.one(absent{}, absent{}, nil, fieldsOf(map[string]any{"requests": amounts(), "limits": amounts()})),
	}))
	return spec
}

func (m maker) image() any {
	return m.one("nginx:1.27", "docker.io/library/nginx:1.27", "registry.example.com/shop/app:1.4", "other:2", "other",
		"nginx:1.27@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "registry.example.com/cached/app:1", "No reference", "", absent{}, nil)
}

func (m maker) pulled() any { return m.one("IfNotPresent", "Always", "Never", nil, absent{}) }

// What a policy has edited it leaves alone, by itself and with all others, whatever their order; and none is in the way of another.
// THINGS in the environment is how many objects are made up, and SEED where they begin.
func TestMutationsComeToRest(t *testing.T) {
	count, seed := number(t, "THINGS", 200), number(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d THINGS=%d", seed, count)
	all := mutations(t)
	if len(all) < 10 {
		t.Fatalf("only %d mutations", len(all))
	}
	used := slices.Collect(maps.Values(all))
	sets := map[string]*engine.Set{"all of them": inForce(t, asTheyAre, used...)}
	for _, p := range used {
		sets[p.name] = inForce(t, asTheyAre, p)
	}
	names := slices.Sorted(maps.Keys(sets))
	backwards := inForce(t, func(name string) string { return fmt.Sprintf("m%02d-", len(names)-slices.Index(names, name)) }, used...)
	patched := map[string]int{}
	for i := range count {
		r := rand.New(rand.NewPCG(seed+i, seed+i))
		o := maker{r}.thing()
		for _, name := range names {
			wrong := func() string { return o.again(t, sets[name]) }
			if wrong() != "" {
				shrink(o.object, func() bool { return wrong() != "" })
				t.Fatalf("SEED=%d THINGS=1 go test -run %s ./policies/library\n%s: %s\n%s", seed+i, t.Name(), name, wrong(), shown(t, o.object))
			}
		}
		first, _ := o.edited(t, sets["all of them"])
		second, wrong := o.edited(t, backwards)
		if wrong != "" || shown(t, first) != shown(t, second) {
			t.Fatalf("SEED=%d THINGS=1 go test -run %s ./policies/library\nin another order: %s\n%s\n%s\n%s", seed+i, t.Name(), wrong,
				shown(t, o.object), shown(t, first), shown(t, second))
		}
		if i < 200 {
			for _, name := range names {
				if after, _ := o.edited(t, sets[name]); shown(t, after) != shown(t, o.object) {
					patched[name]++
				}
			}
		}
	}
	for _, name := range names {
		if count >= 200 && patched[name] < 5 {
			t.Errorf("%s edited only %d of 200 objects", name, patched[name])
		}
	}
}

func shown(t testing.TB, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A Pod whose author left open what a mutation is about is as the policy wants it that judges the same.
func TestWhatMutationsMakeIsAccepted(t *testing.T) {
	silent := func(spec map[string]any, fields ...string) {
		for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
			list, _ := spec[field].([]any)
			list = slices.DeleteFunc(slices.Clone(list), func(one any) bool { return one == nil })
			for i, one := range list {
				container := one.(map[string]any)
				container["name"] = fmt.Sprintf("c%d", i)
				for _, name := range fields {
					delete(container, name)
				}
			}
			spec[field] = list
		}
		for _, name := range fields {
			delete(spec, name)
		}
	}
	known := func(spec map[string]any) {
		silent(spec)
		for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
			for _, one := range spec[field].([]any) {
				one.(map[string]any)["image"] = "registry.example.com/shop/app:1.4"
			}
		}
		spec["volumes"] = []any{map[string]any{"name": "a", "image": map[string]any{"reference": "docker.io/nginx:1.27", "pullPolicy": "IfNotPresent"}}}
	}
	all := mutations(t)
	library := policies(t)
	for _, c := range []struct {
		mutation string
		accepts  []string
		leave    func(spec map[string]any)
	}{
		{
			"pods.default_security_context",
			[]string{"pods.capabilities_restricted", "pods.privilege_escalation", "pods.run_as_non_root", "pods.seccomp_restricted"},
			func(spec map[string]any) {
				silent(spec, "securityContext")
				if selector, ok := spec["nodeSelector"].(map[string]any); ok {
					delete(selector, "kubernetes.io/os") // only os says to the standards that it is for Windows
				}
				if os, ok := spec["os"].(map[string]any); ok && os["name"] != "windows" {
					delete(spec, "os")
				}
			},
		},
		{"images.always_pull", []string{"images.pull_policy"}, known},
		{"images.pinned_by_digest", []string{"images.digest_required"}, known},
		{"serviceaccounts.token_off", []string{"serviceaccounts.token_automount"}, func(spec map[string]any) {
			silent(spec, "automountServiceAccountToken", "serviceAccountName")
		}},
		{"resources.classes", []string{"resources.limits_required"}, func(spec map[string]any) {
			silent(spec)
			delete(spec, "resources")
		}},
	} {
		t.Run(c.mutation, func(t *testing.T) {
			var judges []policy
			for _, p := range library {
				if slices.Contains(c.accepts, p.name) {
					judges = append(judges, p)
				}
			}
			if len(judges) == 0 {
				t.Skip("the library has none that judges the same")
			}
			seed := number(t, "SEED", rand.Uint64())
			t.Logf("SEED=%d", seed)
			alone, together := inForce(t, asTheyAre, all[c.mutation]), inForce(t, asTheyAre, slices.Collect(maps.Values(all))...)
			judge := inForce(t, asTheyAre, judges...)
			refused := 0
			for i := range uint64(100) {
				m := maker{rand.New(rand.NewPCG(seed+i, seed+i))}
				spec := m.furnished()
				c.leave(spec)
				o := thing{kind: "Pod", resource: "pods", object: map[string]any{
					"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x", "namespace": "shop"}, "spec": spec,
				}}
				if len(findings(t, judge, o)) > 0 {
					refused++
				}
				for _, set := range []*engine.Set{alone, together} {
					after, wrong := o.edited(t, set)
					if wrong != "" {
						t.Fatal(wrong)
					}
					made := o
					made.object = after
					if found := findings(t, judge, made); len(found) > 0 {
						t.Fatalf("SEED=%d: %s: %s\n%s", seed+i, found[0].Policy, found[0].Message, shown(t, after))
					}
				}
			}
			if refused < 20 {
				t.Errorf("only %d of 100 would have been refused", refused)
			}
		})
	}
}

func findings(t testing.TB, set *engine.Set, o thing) []review.Finding {
	t.Helper()
	req := o.request(t)
	req.Stage = review.Validate
	d, err := set.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return d.Findings
}
