package release_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/definitions"
	"github.com/portcullis-dev/portcullis/test/props"
)

// looksAt are a template and a constraint that refuse ConfigMaps called bad if the object is there that ref leads to.
func looksAt(kind, ref string) string {
	return fmt.Sprintf(`
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: %[2]s}
spec:
  crd: {spec: {names: {kind: %[1]s}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package looks

      violation[{"msg": "bad"}] {
        input.review.name == "bad"
        %[3]s
      }
`, kind, strings.ToLower(kind), ref)
}

func looking(kind string) string {
	return fmt.Sprintf("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: %s\nmetadata: {name: all}\nspec: {match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}}\n", kind)
}

const (
	syncsIngresses = `
apiVersion: syncset.gatekeeper.sh/v1alpha1
kind: SyncSet
metadata: {name: all}
spec:
  gvks:
  - {group: "", version: v1, kind: Namespace}
  - {group: networking.k8s.io, version: v1, kind: Ingress}
  - {group: example.com, version: v1, kind: Widget}
`
	listsIngresses = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: ingresses}
rules: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ingresses}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ingresses}
subjects: [{kind: ServiceAccount, name: portcullis, namespace: guard}]
`
)

// TestSyncedKindThatMayNotBeListed has a SyncSet name a kind that the chart gives a server which does not audit no right to. It is told to whoever applies
// it and wherever people look, it takes the answer from no constraint that does not read it, and it is over when the right is given.
func TestSyncedKindThatMayNotBeListed(t *testing.T) {
	w := installTroubled(t)
	config, err := w.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := (&definitions.Installer{Client: dynamic.NewForConfigOrDie(config), Log: slog.New(slog.DiscardHandler)}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "wait", "--for=condition=Established", "crd/constrainttemplates.templates.gatekeeper.sh", "crd/syncsets.syncset.gatekeeper.sh", "--timeout=30s")
	w.serve(t, "one", w.listen, w.health, "--gatekeeper")
	w.kubectl(t, looksAt("LooksAtNamespaces", `data.inventory.cluster.v1.Namespace[input.review.namespace]`), "apply", "-f", "-")
	w.kubectl(t, looksAt("LooksAtIngresses", `count(data.inventory.namespace[_]["networking.k8s.io/v1"].Ingress) > 100`), "apply", "-f", "-")
	until(t, "the kinds are made", func() bool {
		_, _, err := w.Kubectl(t.Context(), "", nil, "wait", "--for=condition=Established", "crd/looksatnamespaces.constraints.gatekeeper.sh",
			"crd/looksatingresses.constraints.gatekeeper.sh", "--timeout=1s")
		return err == nil
	})
	apply := func(manifest string) (warnings string) {
		t.Helper()
		_, stderr, err := w.Kubectl(t.Context(), "", strings.NewReader(manifest), "apply", "-f", "-")
		if err != nil {
			t.Fatal(stderr)
		}
		return stderr
	}
	apply(looking("LooksAtNamespaces"))
	w.kubectl(t, "", "wait", "--for=condition=Ready", "looksatnamespaces/all", "--timeout=60s")

	warned := apply(syncsIngresses)
	for _, want := range []string{
		`Warning: portcullis: syncset/all: add {apiGroup: "networking.k8s.io", resources: [ingresses]} to the chart's rbac.inventory: ` +
			"this server may not list networking.k8s.io/v1/Ingress, and constraints that read it have no answer\n",
		"Warning: portcullis: syncset/all: correct its spelling, or install its CRD: the cluster does not serve example.com/v1/Widget, and to constraints there are none\n",
	} {
		if !strings.Contains(warned, want) {
			t.Errorf("who applies the SyncSet is told %q and not %q", warned, want)
		}
	}
	// As docs/gatekeeper.md has it.
	kinds, _, err := w.Kubectl(t.Context(), "", nil, "get", "configs.config.gatekeeper.sh,syncsets.syncset.gatekeeper.sh", "--all-namespaces", "--output",
		`jsonpath={range .items[*].spec.sync.syncOnly[*]}{.group}/{.version} {.kind}{"\n"}{end}{range .items[*].spec.gvks[*]}{.group}/{.version} {.kind}{"\n"}{end}`)
	if err != nil || kinds != "/v1 Namespace\nnetworking.k8s.io/v1 Ingress\nexample.com/v1 Widget\n" {
		t.Errorf("what is synced is %q, %v", kinds, err)
	}
	const lacking = "without networking.k8s.io/v1/Ingress nothing can be judged: this server may not list and watch it; " +
		"its service account needs a role with these two verbs, which the chart's value rbac.inventory gives it"
	until(t, "the constraint is accepted", func() bool {
		_, _, err := w.Kubectl(t.Context(), "", strings.NewReader(looking("LooksAtIngresses")), "apply", "-f", "-")
		return err == nil
	})
	until(t, "whoever applies the next one is told", func() bool {
		_, stderr, err := w.Kubectl(t.Context(), "", strings.NewReader(strings.Replace(looking("LooksAtIngresses"), "all", "more", 1)), "apply", "--dry-run=server", "-f", "-")
		return err == nil && strings.Contains(stderr, "Warning: portcullis: looksatingresses/more: "+lacking+"\n")
	})

	const refuses = "; until then a constraint that denies refuses what it is asked about"
	says := func(what, path, want string) {
		t.Helper()
		until(t, what+" says "+want, func() bool {
			got, _, err := w.Kubectl(t.Context(), "", nil, "get", what, "-o", "jsonpath="+path)
			return err == nil && got == want
		})
	}
	says("looksatingresses/all", "{.status.byPod[*].enforced} {.status.byPod[*].errors[*].message}", "true "+lacking+refuses)
	says("looksatingresses/all", `{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}`, "False "+lacking+refuses)
	says("constrainttemplate/looksatingresses", "{.status.byPod[*].errors[*].message}", lacking+refuses)
	const unknown = "nothing is known of networking.k8s.io/v1/Ingress: this server may not list and watch it; " +
		"its service account needs a role with these two verbs, which the chart's value rbac.inventory gives it"
	says("syncset/all", "{.status.byPod[*].errors[*].message}", unknown+refuses)
	says("looksatnamespaces/all", `{.status.conditions[?(@.type=="Ready")].status}{.status.byPod[*].errors}`, "True")
	if got := w.ready(t); !strings.Contains(got, "[+]inventory ok: policies that read these have no answer; networking.k8s.io/v1/Ingress: this server may not list and watch it") ||
		!strings.Contains(got, "readyz check passed") {
		t.Errorf("/readyz says\n%s", got)
	}
	w.told(t, "guard", leader, "KindMissing", "a Config or SyncSet names networking.k8s.io/v1/Ingress, and constraints that read it at data.inventory have no answer: this server may not")
	if got := w.doctor(t); !strings.Contains(got, "ConstraintTemplate looksatingresses: "+lacking) || !strings.Contains(got, "SyncSet all: "+unknown) || strings.Contains(got, "looksatnamespaces") {
		t.Errorf("doctor says\n%s", got)
	}
	// The other constraint is judged all the same.
	create := func(name string) string {
		_, stderr, _ := w.Kubectl(t.Context(), "", nil, "create", "configmap", name, "--dry-run=server")
		return stderr
	}
	until(t, "one kind takes the answer from one constraint", func() bool {
		got := create("bad")
		return strings.Contains(got, "looksatnamespaces/all: bad") &&
			strings.Contains(got, "looksatingresses/all: the policy could not be evaluated: nothing is known of networking.k8s.io/v1/Ingress") &&
			!strings.Contains(create("good"), "looksatnamespaces")
	})

	apply(listsIngresses)
	until(t, "what is good passes", func() bool { return create("good") == "" })
	w.kubectl(t, "", "wait", "--for=condition=Ready", "looksatingresses/all", "--timeout=60s")
	says("constrainttemplate/looksatingresses", "{.status.byPod[*].errors}", "")
	says("syncset/all", "{.status.byPod[*].errors}", "")
	if got := w.ready(t); !strings.Contains(got, "[+]inventory ok\n") {
		t.Errorf("/readyz says\n%s", got)
	}
	if got := w.doctor(t); strings.Contains(got, "ConstraintTemplate") {
		t.Errorf("doctor says\n%s", got)
	}
	if warned := apply(strings.Replace(syncsIngresses, "name: all", "name: others", 1)); strings.Contains(warned, "Ingress") {
		t.Errorf("when the right is there whoever applies a SyncSet is told %q", warned)
	}
}

// ready is what /readyz says.
func (w *troubled) ready(t *testing.T) string {
	t.Helper()
	response, err := http.Get("http://" + w.health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// doctor is what it says of policies.
func (w *troubled) doctor(t *testing.T) string {
	t.Helper()
	var out props.Buffer
	cmd.Run(t.Context(), []string{"doctor", "--kubeconfig=" + w.Kubeconfig, "--namespace=guard", "--topics=policies"}, nil, &out, &out)
	return out.String()
}
