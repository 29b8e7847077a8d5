package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// patience is for what a control plane does in its own time, as collecting what has lost its owner.
const patience = 3 * time.Minute

// served is a cluster with one Portcullis that takes policies from it, Gatekeeper's too, and registers itself.
type served struct {
	*cluster.Cluster
	health string
	log    *props.Buffer
}

// serveObjects starts both. The definitions of Gatekeeper's kinds are not there yet.
func serveObjects(t *testing.T, more ...string) served {
	t.Helper()
	s := served{cluster.StartT(t, cluster.Options{}), props.FreeAddressT(t), &props.Buffer{}}
	s.must(t, "", "create", "namespace", "guard")
	s.must(t, "", "apply", "-f", filepath.Join("..", "..", "charts", "portcullis", "files", "crds"))
	listen := props.FreeAddressT(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	go func() {
		ended <- cmd.Run(ctx, append([]string{
			"serve", "--kubeconfig=" + s.Kubeconfig, "--namespace=guard", "--replica=one", "--listen=" + listen, "--health-listen=" + s.health,
			"--cluster-policies", "--gatekeeper", "--register", "--webhook-url=https://" + listen, "--drain=0s",
		}, more...), nil, io.Discard, s.log)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("serve ended with %d\n%s", code, s.log)
		}
	})
	props.Eventually(t, "the server is ready", func() bool {
		response, err := http.Get("http://" + s.health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

// try runs kubectl and returns what it prints, and what it says against it.
func (s served) try(t *testing.T, stdin string, args ...string) (stdout, against string) {
	t.Helper()
	stdout, stderr, err := s.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
	if err != nil {
		return stdout, stderr
	}
	return stdout, ""
}

func (s served) must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, against := s.try(t, stdin, args...)
	if against != "" {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), against)
	}
	return stdout
}

// refused applies a manifest until it is refused in these words: what was applied before is in force a moment later.
func (s served) refused(t *testing.T, manifest, words string) {
	t.Helper()
	against := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, against = s.try(t, manifest, "apply", "--dry-run=server", "-f", "-"); strings.Contains(against, words) {
			return
		}
	}
	t.Errorf("it is not refused with %q, but: %q", words, against)
}

// taken applies a manifest until it is accepted.
func (s served) taken(t *testing.T, manifest string) {
	t.Helper()
	against := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, against = s.try(t, manifest, "apply", "--dry-run=server", "-f", "-"); against == "" {
			return
		}
	}
	t.Errorf("it is refused: %s", against)
}

// registered is for what the API server asks at admission, as the configuration says: its resources.
func (s served) registered(t *testing.T, kind string) string {
	t.Helper()
	return s.must(t, "", "get", kind, "portcullis", "-o", `jsonpath={.webhooks[?(@.rules[0].resources[0]!="leases")].rules[*].resources}`)
}

const (
	aPod  = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default}\nspec: {containers: [{name: app, image: nginx}]}\n"
	owned = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default, labels: {owner: me}}\nspec: {containers: [{name: app, image: nginx}]}\n"

	needsLabels = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needslabels}
spec:
  crd:
    spec:
      names: {kind: NeedsLabels}
      validation:
        openAPIV3Schema:
          type: object
          properties: {labels: {type: array, items: {type: string}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needslabels

      violation[{"msg": msg}] {
        missing := {l | l := input.parameters.labels[_]} - {l | input.review.object.metadata.labels[l]}
        count(missing) > 0
        msg := sprintf("labels are missing: %v", [missing])
      }
`
	owner = `
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NeedsLabels
metadata: {name: owner}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {labels: [owner]}
`
)

// TestGatekeepersObjects is what a team does that has templates and constraints, and finds Portcullis in the place of Gatekeeper.
func TestGatekeepersObjects(t *testing.T) {
	t.Parallel()
	s := serveObjects(t)
	s.must(t, props.GatekeeperCRDs(), "apply", "-f", "-")
	s.must(t, "", "wait", "--for=condition=Established", "crd/constrainttemplates.templates.gatekeeper.sh", "--timeout=30s")
	s.must(t, aPod, "apply", "--dry-run=server", "-f", "-")

	s.must(t, needsLabels, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=create", "crd/needslabels.constraints.gatekeeper.sh", "--timeout=30s")
	s.must(t, "", "wait", "--for=condition=Established", "crd/needslabels.constraints.gatekeeper.sh", "--timeout=30s")
	s.must(t, owner, "apply", "-f", "-")
	s.refused(t, aPod, `needslabels/owner: labels are missing: {"owner"}`)
	s.taken(t, owned)

	t.Run("a change takes effect", func(t *testing.T) {
		s.must(t, strings.Replace(owner, "[owner]", "[owner, team]", 1), "apply", "-f", "-")
		s.refused(t, owned, `needslabels/owner: labels are missing: {"team"}`)
		s.must(t, strings.Replace(needsLabels, "labels are missing", "add the labels", 1), "apply", "-f", "-")
		s.refused(t, owned, `needslabels/owner: add the labels: {"team"}`)
		s.must(t, owner, "apply", "-f", "-")
		s.taken(t, owned)
		s.refused(t, aPod, `needslabels/owner: add the labels: {"owner"}`)
	})
	t.Run("the gate refuses", s.testGate)
	t.Run("what stands there all the same", s.testPastTheGate)
	t.Run("what goes with them", s.testBeside)
	t.Run("they go", func(t *testing.T) {
		if got := s.registered(t, "validatingwebhookconfiguration"); !strings.Contains(got, "pods") {
			t.Errorf("asked about %s", got)
		}
		s.must(t, "", "delete", "constrainttemplate", "needslabels")
		s.taken(t, aPod)
		s.must(t, "", "wait", "--for=delete", "crd/needslabels.constraints.gatekeeper.sh", "--timeout=90s")
		props.Eventually(t, "nothing is asked about any more", func() bool {
			return s.registered(t, "validatingwebhookconfiguration") == "" && s.registered(t, "mutatingwebhookconfiguration") == ""
		})
	})
}

// testGate applies what must not come into force. Each is one line that names the place.
func (s served) testGate(t *testing.T) {
	constraint := func(spec string) string {
		return "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: NeedsLabels\nmetadata: {name: mine}\nspec: " + spec + "\n"
	}
	s.refused(t, strings.Replace(needsLabels, "count(missing)", "count(absent)", 1),
		`constrainttemplate/needslabels:5: ConstraintTemplate needslabels: var absent is unsafe`)
	for _, row := range []struct{ name, manifest, want string }{
		{
			"no violation", strings.Replace(needsLabels, "violation[", "deny[", 1),
			`constrainttemplate/needslabels:1: ConstraintTemplate needslabels: the Rego has no rule violation, by which a template says what is wrong`,
		},
		{
			"import", strings.Replace(needsLabels, "package needslabels", "package needslabels\n      import data.inventory", 1),
			`constrainttemplate/needslabels:2: ConstraintTemplate needslabels: `,
		},
		{
			"name", strings.Replace(needsLabels, "name: needslabels", "name: others", 1),
			`constrainttemplate/others:1: ConstraintTemplate others: metadata.name must be the kind of the constraints, spec.crd.spec.names.kind, in lower case: needslabels`,
		},
		{
			"two targets", needsLabels + "  - {target: admission.k8s.gatekeeper.sh, rego: x}\n",
			`constrainttemplate/needslabels:1: ConstraintTemplate needslabels: spec.targets has 2 entries; a template has one, for admission.k8s.gatekeeper.sh`,
		},
		{
			"selector", constraint("{match: {labelSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}}"),
			`needslabels/mine:1: NeedsLabels mine: `,
		},
		{
			"action", constraint("{enforcementAction: block}"),
			`needslabels/mine:1: NeedsLabels mine: enforcementAction "block" is none of deny, warn, dryrun and scoped`,
		},
		{
			"what the cluster lives by", constraint("{parameters: {labels: [owner]}, match: {kinds: [{apiGroups: [''], kinds: [Namespace, Node]}, {apiGroups: [coordination.k8s.io], kinds: [Lease]}]}}"),
			`is not put in force, for it would refuse what the cluster lives by`,
		},
		{
			"mutator", "apiVersion: mutations.gatekeeper.sh/v1\nkind: AssignMetadata\nmetadata: {name: team}\nspec: {location: spec.team, parameters: {assign: {value: a}}}\n",
			`assignmetadata/team:1: `,
		},
		{
			"provider", "apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {name: keys}\nspec: {url: 'http://keys', timeout: 1}\n",
			`provider/keys:1: Provider keys: `,
		},
		{
			"expansion", "apiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\nmetadata: {name: pods}\nspec: {templateSource: spec.template}\n",
			`expansiontemplate/pods:1: ExpansionTemplate pods: `,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, against := s.try(t, row.manifest, "apply", "--dry-run=server", "-f", "-")
			if !strings.Contains(against, row.want) || !strings.Contains(against, "policies.portcullis.dev") {
				t.Errorf("it is said: %q", against)
			}
			if _, said, _ := strings.Cut(against, "denied the request: "); strings.Contains(strings.TrimSpace(said), "\n") {
				t.Errorf("it is more than one line: %s", said)
			}
		})
	}
}

// testPastTheGate applies what does not compile while nobody watches the gate. What was good serves on.
func (s served) testPastTheGate(t *testing.T) {
	broken := strings.Replace(needsLabels, "count(missing)", "count(absent)", 1)
	props.Eventually(t, "it is in the cluster", func() bool {
		// It is put back within a second or so.
		s.must(t, "", "delete", "validatingwebhookconfiguration", "portcullis-policies", "--ignore-not-found")
		_, against := s.try(t, broken, "apply", "-f", "-")
		return against == ""
	})
	props.Eventually(t, "it is told", func() bool {
		response, err := http.Get("http://" + s.health + "/metrics")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return err == nil && strings.Contains(string(text), "\nportcullis_policy_faults 1\n")
	})
	s.refused(t, aPod, `needslabels/owner: add the labels: {"owner"}`)
	s.must(t, needsLabels, "apply", "-f", "-")
	s.refused(t, aPod, `needslabels/owner: labels are missing: {"owner"}`)
}

// testBeside has objects beside templates and constraints taken up.
func (s served) testBeside(t *testing.T) {
	s.must(t, `
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: pods}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  enforcementAction: warn
  generatedGVK: {group: "", version: v1, kind: Pod}
`, "apply", "-f", "-")
	props.Eventually(t, "a Deployment is judged by its Pods", func() bool {
		_, stderr, err := s.Kubectl(t.Context(), "", strings.NewReader(aDeployment), "apply", "--dry-run=server", "-f", "-")
		return err == nil && strings.Contains(stderr, `needslabels/owner: [Implied by pods] labels are missing: {"owner"}`)
	})
	s.must(t, "", "delete", "expansiontemplate", "pods")

	s.must(t, assignOwner, "apply", "-f", "-")
	s.taken(t, aPod)
	if got := s.must(t, aPod, "apply", "--dry-run=server", "-o", "jsonpath={.metadata.labels.owner}", "-f", "-"); got != "everybody" {
		t.Errorf("the owner is %s", got)
	}
	s.must(t, "", "delete", "assignmetadata", "owner")
	s.refused(t, aPod, `needslabels/owner: labels are missing: {"owner"}`)

	dir := t.TempDir()
	if _, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	s.must(t, fmt.Sprintf("apiVersion: externaldata.gatekeeper.sh/v1beta1\nkind: Provider\nmetadata: {name: keys}\nspec: {url: 'https://127.0.0.1:1/keys', timeout: 1, caBundle: %s}\n",
		base64.StdEncoding.EncodeToString(authority)), "apply", "-f", "-")
	props.Eventually(t, "the Provider may be asked", func() bool { return strings.Contains(s.log.String(), "keys (https://127.0.0.1:1/keys)") })
	s.must(t, "", "delete", "provider", "keys")
}

const (
	aDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: nginx}]}
`
	assignOwner = `
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  location: metadata.labels.owner
  parameters: {assign: {value: everybody}}
`
)
