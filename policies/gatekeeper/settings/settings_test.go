package settings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/review"
)

// documentsOf are the documents of a file f.yaml.
func documentsOf(t testing.TB, text string) []policies.Document {
	t.Helper()
	docs, err := documents.Split("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	return reading.Documents
}

const whole = `apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata:
  name: config
  namespace: gatekeeper-system
spec:
  sync:
    syncOnly:
    - {group: "", version: v1, kind: Pod}
    - group: networking.k8s.io
      version: v1
      kind: Ingress
  match:
  - processes: ["*"]
    excludedNamespaces: [kube-*, gatekeeper-system]
  - processes: [webhook, audit]
    excludedNamespaces: ["*-test"]
  validation: {traces: [{user: jane, kind: {version: v1, kind: Pod}, dump: All}]}
  readiness:
    statsEnabled: true
`

// syncing spells a SyncSet.
func syncing(name string, kinds ...string) string {
	text := "\n---\napiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: " + name + "}\nspec:\n  gvks:\n"
	for _, kind := range kinds {
		text += "  - {group: '', version: v1, kind: " + kind + "}\n"
	}
	return text
}

// good reads documents in which nothing is wrong.
func good(t testing.TB, r *Reader, text string) *Settings {
	t.Helper()
	s, faults := r.Read(documentsOf(t, text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return s
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, from, to, want string }{
		"version":         {whole, "sh/v1alpha1", "sh/v1", `f.yaml:1: Config config: version v1 is not v1alpha1, the only one there is`},
		"name":            {whole, "name: config", "name: other", `f.yaml:4: Config other: the name of the Config is config; one of another name would say nothing`},
		"unknown":         {whole, "  match:", "  matches:", `f.yaml:13: Config config: "matches" is not known under spec; correct the spelling, or leave it out`},
		"unknown below":   {whole, "syncOnly:", "synconly:", `f.yaml:8: Config config: "synconly" is not known under spec.sync; correct the spelling, or leave it out`},
		"unknown in list": {whole, "      kind: Ingress", "      kinds: Ingress", `f.yaml:12: Config config: "kinds" is not known under spec.sync.syncOnly[1]; correct the spelling, or leave it out`},
		"type":            {whole, "[kube-*, gatekeeper-system]", "kube-*", `f.yaml:13: Config config: spec.match.excludedNamespaces cannot be a text`},
		"process":         {whole, "[webhook, audit]", "[webhook, webhooks]", `f.yaml:16: Config config: spec.match[1].processes: "webhooks" is none of audit, mutation-webhook, sync, webhook and *`},
		"wildcard":        {whole, "kube-*", "kube-*-x", `f.yaml:15: Config config: spec.match[0].excludedNamespaces: "kube-*-x" is not the name of a namespace; a name has lower case letters, digits and dashes, and may begin and end with an asterisk`},
		"no name":         {whole, "kube-*", "''", `f.yaml:15: Config config: spec.match[0].excludedNamespaces: "" is not the name of a namespace; a name has lower case letters, digits and dashes, and may begin and end with an asterisk`},
		"no kind":         {whole, ", kind: Pod}\n", "}\n", `f.yaml:9: Config config: spec.sync.syncOnly[0] needs a version and a kind, as {group: networking.k8s.io, version: v1, kind: Ingress}; the group of Pods and the like is empty`},
		"any kind":        {whole, "kind: Ingress", "kind: '*'", `f.yaml:10: Config config: spec.sync.syncOnly[1]: "networking.k8s.io/v1/*" is not one kind of objects; name each kind with its group and version`},
		"sync set":        {syncing("pods", "Pod"), "gvks", "GVKs", `f.yaml:7: SyncSet pods: "GVKs" is not known under spec; correct the spelling, or leave it out`},
		"sync set's kind": {syncing("pods", "Pod"), "version: v1, ", "", `f.yaml:8: SyncSet pods: spec.gvks[0] needs a version and a kind, as {group: networking.k8s.io, version: v1, kind: Ingress}; the group of Pods and the like is empty`},
		"two sync sets":   {syncing("pods", "Pod") + syncing("pods", "Node"), "", "", `f.yaml:13: SyncSet pods: it is also defined in f.yaml:3, and not alike; give one of them another name`},
		"two configs":     {whole + "---\n" + strings.Replace(whole, "kind: Pod", "kind: Node", 1), "", "", `f.yaml:25: Config config: it is also defined in f.yaml:1, and not alike; there is one Config`},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := new(Reader).Read(documentsOf(t, strings.Replace(c.text, c.from, c.to, 1)))
			if got := faults.Error(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestUnion(t *testing.T) {
	var r Reader
	if s := good(t, &r, ""); s != nil || s.Synced() != nil || s.Excluded(Webhook) != nil || s.Excludes(Webhook, "kube-system") {
		t.Errorf("of nothing comes %v", s)
	}
	for _, c := range []struct{ text, want string }{
		{whole, "[/v1, Kind=Pod networking.k8s.io/v1, Kind=Ingress]"},
		{whole + syncing("a", "Pod", "Node") + syncing("b", "Secret"), "[/v1, Kind=Node /v1, Kind=Pod /v1, Kind=Secret networking.k8s.io/v1, Kind=Ingress]"},
		{whole + syncing("b", "Secret") + syncing("b", "Secret"), "[/v1, Kind=Pod /v1, Kind=Secret networking.k8s.io/v1, Kind=Ingress]"},
		{syncing("b", "Secret"), "[/v1, Kind=Secret]"},
		{strings.Replace(whole, "\nspec:", "\nother:", 1), "[]"},
		{syncing("none"), "[]"},
	} {
		if got := fmt.Sprint(good(t, &r, c.text).Synced()); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestExcludedNamespaces(t *testing.T) {
	s := good(t, new(Reader), whole)
	every := []Process{Webhook, Mutation, Sync, Audit}
	for namespace, want := range map[string][]Process{
		"kube-system": every, "kube-": every, "gatekeeper-system": every,
		"gatekeeper-system-2": nil, "my-kube-system": nil, "default": nil, "test": nil, "": nil,
		"a-test": {Webhook, Audit}, "-test": {Webhook, Audit}, "a-test-b": nil,
	} {
		var got []Process
		for _, process := range every {
			if s.Excludes(process, namespace) {
				got = append(got, process)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q is excluded from %v, want %v", namespace, got, want)
		}
	}
	if got := fmt.Sprint(s.Excluded(Webhook)); got != "[*-test gatekeeper-system kube-*]" {
		t.Errorf("excluded are %s", got)
	}
	within := good(t, new(Reader), strings.Replace(whole, "*-test", "*middle*", 1))
	for namespace, want := range map[string]bool{"middle": true, "a-middle-b": true, "midle": false} {
		if got := within.Excludes(Audit, namespace); got != want {
			t.Errorf("%s: %v", namespace, got)
		}
	}
	all := good(t, new(Reader), strings.Replace(whole, "*-test", "*", 1))
	if !all.Excludes(Webhook, "") || !all.Excludes(Webhook, "default") || all.Excludes(Sync, "") {
		t.Error("an asterisk is every namespace and none, for its processes alone")
	}
}

func TestSpares(t *testing.T) {
	s := good(t, new(Reader), strings.Replace(whole, "[webhook, audit]", "[audit]", 1))
	namespace := review.Target{Resource: "namespaces", Name: "kube-public"}
	for _, c := range []struct {
		target review.Target
		origin review.Origin
		want   bool
	}{
		{review.Target{Resource: "pods", Namespace: "kube-system"}, review.FromWebhook, true},
		{review.Target{Resource: "pods", Namespace: "kube-system"}, review.FromCommandLine, true},
		{review.Target{Resource: "pods", Namespace: "a-test"}, review.FromWebhook, false},
		{review.Target{Resource: "pods", Namespace: "a-test"}, review.FromCommandLine, false},
		{review.Target{Resource: "pods", Namespace: "a-test"}, review.FromAudit, true},
		{review.Target{Resource: "nodes", Name: "kube-node"}, review.FromWebhook, false},
		{namespace, review.FromWebhook, true},
	} {
		if got := s.Spares(&review.Request{Target: c.target, Origin: c.origin}, nil); got != c.want {
			t.Errorf("%v from %v: %v", c.target, c.origin, got)
		}
	}
}

func TestSparesMutation(t *testing.T) {
	s := good(t, new(Reader), whole)
	req := &review.Request{Target: review.Target{Resource: "pods", Namespace: "kube-system"}}
	if !s.SparesMutation(req, nil) {
		t.Error("a request in an excluded namespace is mutated")
	}
	req.ImpliedBy = "pods"
	if s.SparesMutation(req, nil) {
		t.Error("what is implied is judged as it would not be")
	}
	if other := (&review.Request{Target: review.Target{Resource: "pods", Namespace: "a-test"}}); s.SparesMutation(other, nil) {
		t.Error("a request in another namespace is not mutated")
	}
}

// What is faulty keeps its last good version; what is gone is gone.
func TestLastGood(t *testing.T) {
	var r Reader
	good(t, &r, whole+syncing("a", "Node"))
	s, faults := r.Read(documentsOf(t, strings.Replace(whole, "syncOnly", "sinkOnly", 1)+syncing("b", "Secret")))
	const want = "[/v1, Kind=Pod /v1, Kind=Secret networking.k8s.io/v1, Kind=Ingress]"
	if got := fmt.Sprint(s.Synced()); len(faults) != 1 || got != want {
		t.Errorf("got %s, want %s; %v", got, want, faults)
	}
	if s := good(t, &r, syncing("b", "Secret")); s.Excludes(Webhook, "kube-system") || len(s.Synced()) != 1 {
		t.Errorf("what the Config said outlives it: %v", s)
	}
	if s := good(t, &r, ""); s != nil {
		t.Errorf("of nothing comes %v", s)
	}
}

func TestNotes(t *testing.T) {
	const without = "\n  - processes: []\n    excludedNamespaces: [a]\n  - processes: [webhook]\n"
	docs := documentsOf(t, strings.Replace(whole, "\n  validation", without+"  validation", 1))
	want := []string{
		"f.yaml:21: Config config: spec.validation.traces have no effect; portcullis review shows what a policy says, and portcullis eval how it comes to that",
		"f.yaml:23: Config config: spec.readiness.statsEnabled has no effect; /readyz says what is not ready",
		`f.yaml:18: Config config: spec.match[2] names no processes and excludes nothing; write processes: ["*"] for all`,
		"f.yaml:20: Config config: spec.match[3] names no excludedNamespaces and excludes nothing",
	}
	if got := strings.Join(Notes(docs), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// A template that requires what nobody syncs is told of; any one of several ways to have it is enough.
func TestRequirements(t *testing.T) {
	const ingresses = `[[{"groups": ["extensions"], "versions": ["v1beta1"], "kinds": ["Ingress"]}, ` +
		`{"groups": ["networking.k8s.io"], "versions": ["v1beta1", "v1"], "kinds": ["Ingress"]}], [{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]]`
	const lacksIngress = "f.yaml:6: ConstraintTemplate a: it requires extensions/v1beta1 Ingress or networking.k8s.io/v1beta1 Ingress or networking.k8s.io/v1 Ingress " +
		"at data.inventory, and no Config or SyncSet syncs that: to its constraints there are none"
	const lacksPod = "f.yaml:6: ConstraintTemplate a: it requires v1 Pod at data.inventory, and no Config or SyncSet syncs that: to its constraints there are none"
	const config = "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\nspec:\n  sync:\n    syncOnly: " +
		"[{group: networking.k8s.io, version: v1, kind: Ingress}]\n"
	for name, c := range map[string]struct {
		annotation, beside string
		want               []string
	}{
		"nothing synced": {ingresses, "", []string{lacksIngress, lacksPod}},
		"some":           {ingresses, syncing("pods", "Pod"), []string{lacksIngress}},
		"one way":        {ingresses, "---\n" + config, []string{lacksPod}},
		"all":            {ingresses, "---\n" + config + syncing("pods", "Pod"), nil},
		"quoted twice":   {"\"\n" + ingresses + "\n\"", "---\n" + config, []string{lacksPod}},
		"another version": {
			`[[{"groups": [""], "versions": ["v2"], "kinds": ["Pod"]}]]`, syncing("pods", "Pod"),
			[]string{strings.Replace(lacksPod, "v1 Pod", "v2 Pod", 1)},
		},
		"none":       {"[]", "", nil},
		"unreadable": {"{}", "", []string{"f.yaml:6: ConstraintTemplate a: the annotation metadata.gatekeeper.sh/requires-sync-data cannot be read, and says nothing: it is a list of lists of {groups, versions, kinds}"}},
	} {
		t.Run(name, func(t *testing.T) {
			template := fmt.Sprintf("apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata:\n  name: a\n  annotations:\n"+
				"    metadata.gatekeeper.sh/requires-sync-data: %q\nspec:\n  crd: {spec: {names: {kind: A}}}\n  targets:\n"+
				"  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      package a\n      violation[{\"msg\": \"a\"}] { data.inventory.cluster }\n", c.annotation)
			if got := Notes(documentsOf(t, template+c.beside)); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Whatever is read, nothing panics, a fault names its place, and what is read twice says the same.
func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add(syncing("a", "Pod") + syncing("b", "Node"))
	f.Add("apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\nspec: {match: [{processes: ['*'], excludedNamespaces: ['**']}]}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := documents.Split("f.yaml", []byte(text))
		if err != nil {
			return
		}
		found := new(gatekeeper.Reader).Read(t.Context(), docs).Documents
		var r Reader
		s, faults := r.Read(found)
		for _, fault := range faults {
			if !strings.HasPrefix(fault.Err.Error(), "f.yaml:") {
				t.Errorf("a fault without its place: %v", fault.Err)
			}
		}
		again, _ := r.Read(found)
		if fmt.Sprint(s) != fmt.Sprint(again) {
			t.Errorf("read once %v, read twice %v", s, again)
		}
		for _, process := range processes() {
			for _, name := range s.Excluded(process) {
				if !name.Valid() || !s.Excludes(process, strings.ReplaceAll(string(name), "*", "")) {
					t.Errorf("%s excludes %q, and not what it names", process, name)
				}
			}
		}
	})
}
