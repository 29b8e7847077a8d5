package source

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// aTemplate is one whose constraints refuse everything with msg; its parameters have the property given, in YAML.
func aTemplate(kind, msg, property string) string {
	return fmt.Sprintf(`apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: %s}
spec:
  crd: {spec: {names: {kind: %s}, validation: {openAPIV3Schema: {type: object, properties: {%s}}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package x

      violation[%q] { true }
`, strings.ToLower(kind), kind, property, msg)
}

func aConstraint(kind, name, spec string) string {
	return fmt.Sprintf("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: %s\nmetadata: {name: %s}\nspec: %s\n", kind, name, spec)
}

// testLog shows what is logged if the test fails.
type testLog struct{ testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.Logf("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// apply gives a manifest to kubectl.
func (c inCluster) apply(t *testing.T, manifest string) {
	t.Helper()
	if _, stderr, err := c.Kubectl(t.Context(), "", strings.NewReader(manifest), "apply", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
}

// gatekeepers is a real API server with a source of Gatekeeper's objects in it, begun before there was any of its CRDs.
type gatekeepers struct {
	inCluster
	crds *ConstraintCRDs
}

// lead makes CRDs until the function returned is called.
func (c gatekeepers) lead(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.crds.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// crd reads the CRD of a template's constraints; nil is none.
func (c gatekeepers) crd(t *testing.T, template string) *unstructured.Unstructured {
	t.Helper()
	crd, err := c.client.Resource(crdResource()).Get(t.Context(), crdOf(template), metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return crd
}

func TestGatekeepersObjectsInARealCluster(t *testing.T) {
	t.Parallel()
	plane := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := plane.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, nil))
	var dialled atomic.Int32 // connections
	counting := rest.CopyConfig(config)
	counting.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	g, err := NewGatekeeper(counting, &gatekeeper.Reader{Operations: []string{"CREATE", "UPDATE"}}, []string{"default"}, log)
	if err != nil {
		t.Fatal(err)
	}
	c := gatekeepers{inCluster{Cluster: plane, client: client}, NewConstraintCRDs(client, g, log)}
	c.bundles = following(t, g)
	b := <-c.bundles
	if !b.Listed || said(b) != "" {
		t.Fatalf("%+v", b)
	}
	c.apply(t, props.GatekeeperCRDs())
	end := c.lead(t)
	t.Run("a template and its constraints come and go", c.testLife)
	t.Run("what goes with them", c.testBeside)
	t.Run("a CRD that is not of constraints", c.testForeign)
	end()
	t.Run("a CRD that somebody else has made", c.testTheirs)
	t.Run("a CRD that somebody else changes back", c.testContested)
	t.Run("a CRD that nobody makes", c.testNobodyLeads)
	if got := dialled.Load(); got > 4 { // one carries a hundred watches, and several are begun at the start
		t.Errorf("the source has made %d connections", got)
	}
	t.Run("the API server goes", c.testAway)
}

func (c gatekeepers) testLife(t *testing.T) {
	c.apply(t, aTemplate("Refuses", "one", "label: {type: string, default: owner}"))
	c.kubectl(t, "wait", "--for=create", "crd/"+crdOf("refuses"), "--timeout=30s")
	c.kubectl(t, "wait", "--for=condition=Established", "crd/"+crdOf("refuses"))
	if owner := c.crd(t, "refuses").GetOwnerReferences(); len(owner) != 1 || owner[0].Kind != "ConstraintTemplate" || owner[0].Name != "refuses" || !*owner[0].Controller {
		t.Errorf("the CRD is owned by %+v", owner)
	}
	c.apply(t, aConstraint("Refuses", "all", "{match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}}"))
	expect(t, c.bundles, `refuses/all "one"`)
	if got := c.kubectl(t, "get", "constraints", "-o", "jsonpath={.items[*].spec.parameters}{.items[*].spec.enforcementAction}"); got != "deny" {
		t.Errorf("the API server has %s", got)
	}
	c.apply(t, aTemplate("Refuses", "two", "label: {type: string, default: owner}, more: {type: integer}"))
	expect(t, c.bundles, `refuses/all "two"`)
	props.Eventually(t, "the CRD has the parameter", func() bool {
		text, _ := json.Marshal(c.crd(t, "refuses").Object["spec"])
		return strings.Contains(string(text), `"more":{"type":"integer"}`)
	})
	c.apply(t, aConstraint("Refuses", "all", "{parameters: {more: 1}}"))
	props.Eventually(t, "the constraint is read", func() bool { return g(c).held("refuses/all", `"more":1`) })
	broken := strings.Replace(aTemplate("Refuses", "two", "label: {type: string}"), "{ true }", "{ nothing }", 1)
	c.apply(t, broken)
	expect(t, c.bundles, `constrainttemplate/refuses:3: ConstraintTemplate refuses: var nothing is unsafe`)
	c.apply(t, aTemplate("Refuses", "three", "more: {type: integer}"))
	expect(t, c.bundles, `refuses/all "three"`)
	c.testNarrowed(t)
	c.kubectl(t, "delete", "constrainttemplate", "refuses")
	expect(t, c.bundles, ``)
	c.kubectl(t, "delete", "crd", crdOf("refuses")) // as the controller manager would, which is not there
	props.Eventually(t, "the kind is not served any more", func() bool { return !g(c).Served("refuses") })
}

// A constraint does not lose what its template names no more: it is told of until it is changed, which the CRD must take.
func (c gatekeepers) testNarrowed(t *testing.T) {
	c.apply(t, aTemplate("Refuses", "four", "most: {type: integer}"))
	const still = "Refuses all gives spec.parameters.more, which the template does not name any more; change the constraint, or delete it: until then the CRD keeps it"
	props.Eventually(t, "the trouble is told", func() bool {
		err := c.crds.Errors()["refuses"]
		return err != nil && err.Error() == still
	})
	expect(t, c.bundles, `refuses/all:1: Refuses all: spec.parameters.more is not known; correct the spelling, or leave it out`)
	if got := c.kubectl(t, "get", "refuses", "all", "-o", "jsonpath={.spec.parameters.more}"); got != "1" {
		t.Errorf("the constraint has lost its parameter: %q", got)
	}
	c.apply(t, aConstraint("Refuses", "all", "{parameters: {most: 2}}"))
	expect(t, c.bundles, `refuses/all "four"`)
	props.Eventually(t, "the CRD is as the template says", func() bool {
		text, _ := json.Marshal(c.crd(t, "refuses").Object["spec"])
		return c.crds.Errors()["refuses"] == nil && strings.Contains(string(text), `"parameters":{"properties":{"most":{"type":"integer"}},"type":"object"}`)
	})
}

// g is the source of c.
func g(c gatekeepers) *Gatekeeper { return c.crds.source }

// held reports whether the file was read and has the text.
func (g *Gatekeeper) held(name, text string) bool {
	files, _ := g.read()
	for _, file := range files {
		if file.Name == name && strings.Contains(string(file.Text), text) {
			return true
		}
	}
	return false
}

func (c gatekeepers) testBeside(t *testing.T) {
	c.apply(t, `{apiVersion: mutations.gatekeeper.sh/v1, kind: AssignMetadata, metadata: {name: team}, spec: {location: metadata.labels.team, parameters: {assign: {value: a}}}}`)
	expect(t, c.bundles, `AssignMetadata team`)
	c.apply(t, `{apiVersion: externaldata.gatekeeper.sh/v1beta1, kind: Provider, metadata: {name: keys}, spec: {url: "https://keys.example.com", timeout: 1, caBundle: x}}`)
	expect(t, c.bundles, `AssignMetadata team; Provider keys`)
	c.apply(t, `{apiVersion: expansion.gatekeeper.sh/v1beta1, kind: ExpansionTemplate, metadata: {name: pods}, spec: {}}`)
	expect(t, c.bundles, `AssignMetadata team; ExpansionTemplate pods; Provider keys`)
	c.apply(t, `{apiVersion: config.gatekeeper.sh/v1alpha1, kind: Config, metadata: {name: config, namespace: default}, spec: {}}`)
	expect(t, c.bundles, `AssignMetadata team; ExpansionTemplate pods; Provider keys; Config config`)
	c.apply(t, `{apiVersion: config.gatekeeper.sh/v1alpha1, kind: Config, metadata: {name: config, namespace: kube-public}, spec: {}}`)
	c.apply(t, `{apiVersion: syncset.gatekeeper.sh/v1alpha1, kind: SyncSet, metadata: {name: all}, spec: {}}`)
	expect(t, c.bundles, `AssignMetadata team; ExpansionTemplate pods; Provider keys; Config config; SyncSet all`)
	c.kubectl(t, "delete", "crd", "assignmetadata.mutations.gatekeeper.sh")
	for b := range c.bundles {
		if slices.Contains([]string{
			`assignmetadata.mutations.gatekeeper.sh: its CRD was deleted, and all objects with it; what was read stays in force until it is installed again; ` +
				`AssignMetadata team; ExpansionTemplate pods; Provider keys; Config config; SyncSet all`,
			`assignmetadata.mutations.gatekeeper.sh: the cluster does not serve the kind; install the CRDs that come with Gatekeeper; what was read before stays in force; ` +
				`AssignMetadata team; ExpansionTemplate pods; Provider keys; Config config; SyncSet all`,
		}, said(b)) {
			break
		}
		t.Logf("on the way: %s", said(b))
	}
	c.apply(t, props.GatekeeperCRDs())
	expect(t, c.bundles, `ExpansionTemplate pods; Provider keys; Config config; SyncSet all`)
	c.kubectl(t, "delete", "provider/keys", "expansiontemplate/pods", "config/config", "syncset/all")
	expect(t, c.bundles, ``)
}

const foreignCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foreign.constraints.gatekeeper.sh}
spec:
  group: constraints.gatekeeper.sh
  names: {kind: Foreign, listKind: ForeignList, plural: foreign, singular: foreign}
  scope: Cluster
  versions:
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

func (c gatekeepers) testForeign(t *testing.T) {
	c.apply(t, foreignCRD)
	c.apply(t, aTemplate("Foreign", "one", ""))
	expect(t, c.bundles, `constrainttemplate/foreign: there is a CRD foreign.constraints.gatekeeper.sh that is not of constraints, for it lacks the label `+
		`gatekeeper.sh/constraint; it is left alone, and constraints of this kind are not read; delete it, or give the template another kind`)
	props.Eventually(t, "the leader says so", func() bool {
		err := c.crds.Errors()["foreign"]
		return err != nil && err.Error() == "the CRD foreign.constraints.gatekeeper.sh is not of constraints, for it lacks the label gatekeeper.sh/constraint, "+
			"and it is left alone; delete it, or give the template another kind"
	})
	if wroteIt(c.crd(t, "foreign")) {
		t.Error("it was written all the same")
	}
	c.kubectl(t, "delete", "crd", crdOf("foreign"))
	c.kubectl(t, "wait", "--for=create", "crd/"+crdOf("foreign"), "--timeout=30s")
	c.kubectl(t, "delete", "constrainttemplate", "foreign")
	expect(t, c.bundles, ``)
}

// A server that is started waits for the CRDs of templates, and not for ever.
func (c gatekeepers) testNobodyLeads(t *testing.T) {
	c.kubectl(t, "delete", "constrainttemplate", "--all")
	for _, kind := range []string{"One", "Two", "Three", "Four", "Five", "Six"} {
		c.apply(t, aTemplate(kind, "one", ""))
	}
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	log := make(logged, 64)
	g, err := NewGatekeeper(config, &gatekeeper.Reader{}, nil, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	g.patience = time.Second
	bundles := following(t, g)
	for told := range log {
		if told == "constrainttemplate/five: its constraints are read when the cluster serves them, which the CRD five.constraints.gatekeeper.sh is for" {
			break
		}
		t.Logf("on the way: %s", told)
	}
	b := <-bundles
	if len(b.Faults) != 6 || b.Faults[0].Err.Error() != "constrainttemplate/five: its constraints cannot be read, for the cluster does not serve them; "+
		"the replica that leads makes the CRD five.constraints.gatekeeper.sh, and says in its log if it cannot" {
		t.Errorf("%s", said(b))
	}
	defer c.lead(t)()
	expect(t, bundles, ``)
}

// testAway comes last: it ends the API server.
func (c gatekeepers) testAway(t *testing.T) {
	end := c.lead(t)
	c.kubectl(t, "wait", "--for=create", "crd/"+crdOf("one"), "--timeout=30s")
	c.kubectl(t, "wait", "--for=condition=Established", "crd/"+crdOf("one"))
	c.apply(t, aConstraint("One", "all", "{}"))
	expect(t, c.bundles, `one/all "one"`)
	end()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	for b := range c.bundles {
		if len(b.Specs) != 1 || b.Specs[0].ID != "one/all" {
			t.Fatalf("it is forgotten: %s", said(b))
		}
		if len(b.Faults) > 10 && strings.Contains(b.Faults.Error(), "what was read before stays in force") {
			break
		}
	}
	if _, known := g(c).accepted(); known {
		t.Error("CRDs would be made by what was read before")
	}
}
