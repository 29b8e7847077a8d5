package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// gatekeeperGate is one beside the given objects, all in force.
func gatekeeperGate(t *testing.T, present ...*unstructured.Unstructured) *GatekeeperGate {
	t.Helper()
	g := &Gatekeeper{Reader: &gatekeeper.Reader{Operations: []string{"CREATE", "UPDATE"}}, namespaces: []string{"gatekeeper-system"}, Log: slog.New(slog.DiscardHandler)}
	var files []native.File
	for _, u := range present {
		files = append(files, gatekeeperFile(u))
	}
	b := g.bundle(files, g.Reader.Read(t.Context(), gatekeeperDocuments(files)), nil)
	if len(b.Faults) > 0 {
		t.Fatal(b.Faults)
	}
	set, err := policies.Compile(t.Context(), b.Specs)
	if err != nil {
		t.Fatal(err)
	}
	engine := &policies.Engine{}
	engine.Use(set)
	return &GatekeeperGate{Objects: g, Engine: engine}
}

// asked is the question whether an object may be made, or changed.
func asked(t *testing.T, operation, resource string, object, old *unstructured.Unstructured) *review.Request {
	t.Helper()
	text := func(u *unstructured.Unstructured) []byte {
		if u == nil {
			return []byte("null")
		}
		out, err := u.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	about := object
	if about == nil {
		about = old
	}
	gvk := about.GroupVersionKind()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":%q,
		"kind":{"group":%q,"version":%q,"kind":%q},"resource":{"group":%q,"version":%q,"resource":%q},
		"name":%q,"userInfo":{"username":"jane"},"object":%s,"oldObject":%s}}`,
		operation, gvk.Group, gvk.Version, gvk.Kind, gvk.Group, gvk.Version, resource, about.GetName(), text(object), text(old))
	req, _, err := review.DialectValidate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestWhatTheGateSaysOfATemplate(t *testing.T) {
	there := object(t, aTemplate("Refuses", "one", "label: {type: string}"))
	all := object(t, aConstraint("Refuses", "all", "{parameters: {label: a}}"))
	for _, c := range []struct{ name, template, want string }{
		{"good", aTemplate("Refuses", "two", "label: {type: string}"), ""},
		{"new", aTemplate("Other", "two", ""), ""},
		{
			"does not compile", strings.Replace(aTemplate("Refuses", "one", "label: {type: string}"), "{ true }", "{ nothing }", 1),
			"deny portcullis: constrainttemplate/refuses:3: ConstraintTemplate refuses: var nothing is unsafe",
		},
		{
			"a constraint does not fit any more", aTemplate("Refuses", "one", "other: {type: string}"),
			"warn portcullis: constrainttemplate/refuses: with it a constraint is faulty, of which the last good version stays: " +
				"refuses/all:1: Refuses all: spec.parameters.label is not known; correct the spelling, or leave it out",
		},
		{
			"a constraint would refuse what must not be", aTemplate("Refuses", "everything", "label: {type: string}"),
			"deny portcullis: refuses/all refuses everything",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gatekeeperGate(t, there, all)
			g.Check = func(_ context.Context, p *policies.Policy) error {
				if strings.Contains(p.Spec().Modules[0].String(), "everything") {
					return errors.New(p.Spec().ID + " refuses everything")
				}
				return nil
			}
			d, err := g.Review(t.Context(), asked(t, "UPDATE", "constrainttemplates", object(t, c.template), there))
			if got := findings(d); err != nil || got != c.want || (d.Verdict == review.Allow) == strings.HasPrefix(c.want, "deny") {
				t.Errorf("%v %s %v", d.Verdict, got, err)
			}
		})
	}
}

func findings(d review.Decision) string {
	var out []string
	for _, f := range d.Findings {
		out = append(out, string(f.Effect)+" "+f.String())
	}
	return strings.Join(out, "\n")
}

func TestWhatTheGateSaysOfAConstraint(t *testing.T) {
	there := object(t, aTemplate("Refuses", "one", "label: {type: string}"))
	for _, c := range []struct{ name, constraint, want string }{
		{"good", aConstraint("Refuses", "all", "{parameters: {label: a}}"), "warn portcullis: refuses/all: as it is"},
		{
			"unknown parameter", aConstraint("Refuses", "all", "{parameters: {lable: a}}"),
			"deny portcullis: refuses/all:1: Refuses all: spec.parameters.lable is not known; correct the spelling, or leave it out",
		},
		{
			"parameter of another type", aConstraint("Refuses", "all", "{parameters: {label: 1}}"),
			"deny portcullis: refuses/all:1: Refuses all: spec.parameters.label must be of type string, not integer",
		},
		{
			"unknown kind", aConstraint("Nobodys", "all", "{}"),
			"deny portcullis: nobodys/all:1: Nobodys all: there is no ConstraintTemplate for this kind; add the one named nobodys",
		},
		{
			"enforcement point", aConstraint("Refuses", "all", "{enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: here}]}]}"),
			"warn portcullis: refuses/all:1: Refuses all: there is no enforcement point \"here\", and nothing is enforced there; " +
				"there are audit.gatekeeper.sh, gator.gatekeeper.sh, validation.gatekeeper.sh and \"*\"\nwarn portcullis: refuses/all: as it is",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gatekeeperGate(t, there)
			g.Warn = func(context.Context, *policies.Policy) []string { return []string{"as it is"} }
			d, err := g.Review(t.Context(), asked(t, "CREATE", "refuses", object(t, c.constraint), nil))
			if got := findings(d); err != nil || got != c.want || (d.Verdict == review.Allow) == strings.HasPrefix(c.want, "deny") {
				t.Errorf("%v %s %v", d.Verdict, got, err)
			}
		})
	}
}

func TestWhatTheGateSaysOfTheRest(t *testing.T) {
	there := object(t, "{apiVersion: mutations.gatekeeper.sh/v1, kind: Assign, metadata: {name: there}, spec: {}}")
	config := "{apiVersion: config.gatekeeper.sh/v1alpha1, kind: Config, metadata: {name: config, namespace: %s}, spec: {}}"
	for _, c := range []struct{ name, resource, object, want string }{
		{"a document", "assign", "{apiVersion: mutations.gatekeeper.sh/v1, kind: Assign, metadata: {name: mine}, spec: {}}", "deny portcullis: one of 2"},
		{
			"another kind", "assign", "{apiVersion: mutations.gatekeeper.sh/v1, kind: Assigned, metadata: {name: mine}, spec: {}}",
			`deny portcullis: assigned/mine:1: mutations.gatekeeper.sh has no kind "Assigned"; it has Assign, AssignMetadata, AssignImage, ModifySet`,
		},
		{"Config", "configs", fmt.Sprintf(config, "gatekeeper-system"), ""},
		{
			"Config elsewhere", "configs", fmt.Sprintf(config, "prod"),
			"warn portcullis: config/prod/config: it is in a namespace where it counts for nothing; it does in gatekeeper-system",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gatekeeperGate(t, there)
			g.Documents = func(_ context.Context, all []policies.Document) policies.Faults {
				return policies.Faults{
					{File: "assign/mine", Err: fmt.Errorf("one of %d", len(all))},
					{File: "assign/there", Err: errors.New("what is there already is told elsewhere")},
				}
			}
			d, err := g.Review(t.Context(), asked(t, "CREATE", c.resource, object(t, c.object), nil))
			if got := findings(d); err != nil || got != c.want || (d.Verdict == review.Allow) == strings.HasPrefix(c.want, "deny") {
				t.Errorf("%v %s %v", d.Verdict, got, err)
			}
		})
	}
}

// What is faulty already must be let go of, and finalized.
func TestWhatTheGateLetsPass(t *testing.T) {
	faulty := object(t, strings.Replace(aTemplate("Refuses", "one", ""), "{ true }", "{ nothing }", 1))
	finalized := faulty.DeepCopy()
	finalized.SetFinalizers([]string{"a.example.com/b"})
	g := gatekeeperGate(t)
	for _, req := range []*review.Request{
		asked(t, "UPDATE", "constrainttemplates", finalized, faulty),
		asked(t, "DELETE", "constrainttemplates", nil, faulty),
	} {
		if d, err := g.Review(t.Context(), req); err != nil || d.Verdict != review.Allow || len(d.Findings) > 0 {
			t.Errorf("%s: %v %v", req.Verb, d, err)
		}
	}
}

func TestTheGateDoesNotAnswerBeforeItKnows(t *testing.T) {
	g := gatekeeperGate(t)
	g.Objects = &Gatekeeper{Reader: &gatekeeper.Reader{}}
	_, err := g.Review(t.Context(), asked(t, "CREATE", "refuses", object(t, aConstraint("Refuses", "all", "{}")), nil))
	if err == nil || err.Error() != "no answer is available now: Gatekeeper's objects in the cluster are not in force yet" {
		t.Error(err)
	}
	pod := asked(t, "CREATE", "pods", object(t, "{apiVersion: v1, kind: Pod, metadata: {name: a}}"), nil)
	if _, err := (Gates{Own: gate(t), Gatekeeper: g}).Review(t.Context(), pod); err == nil || err.Error() != "the gate of portcullis.dev is asked to validate pods a" {
		t.Error(err)
	}
	constraint := asked(t, "CREATE", "refuses", object(t, aConstraint("Refuses", "all", "{}")), nil)
	if _, err := (Gates{Own: gate(t)}).Review(t.Context(), constraint); err == nil || err.Error() != "objects of Gatekeeper's are not taken from the cluster" {
		t.Error(err)
	}
}

// Whoever applies what looks for objects that nobody syncs is told at once.
func TestTheGateTellsOfWhatIsNotSynced(t *testing.T) {
	template := strings.Replace(aTemplate("Refuses", "one", ""), "{ true }", "{ data.inventory.cluster.v1.Node[_] }", 1)
	requiring := strings.Replace(template, "metadata: {", `metadata: {annotations: {metadata.gatekeeper.sh/requires-sync-data: '[[{"groups": [""], "versions": ["v1"], "kinds": ["Node"]}]]'}, `, 1)
	const lacking = "warn portcullis: constrainttemplate/refuses: it requires v1 Node at data.inventory, and no Config or SyncSet syncs that: to its constraints there are none"
	const nothing = "warn portcullis: refuses/all: it reads data.inventory, and no Config or SyncSet says what is there: to it there is nothing"
	nodes := object(t, "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: nodes}\nspec: {gvks: [{group: '', version: v1, kind: Node}]}\n")
	for _, c := range []struct {
		name, template           string
		synced                   []*unstructured.Unstructured
		ofTemplate, ofConstraint string
	}{
		{"required", requiring, nil, lacking, lacking},
		{"read", template, nil, "", nothing},
		{"synced", requiring, []*unstructured.Unstructured{nodes}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := object(t, c.template)
			g := gatekeeperGate(t, append(c.synced, there)...)
			var reader settings.Reader
			now, _ := reader.Read(g.Objects.documents)
			g.Settings = func() Synced { return now }
			d, err := g.Review(t.Context(), asked(t, "CREATE", "constrainttemplates", there, nil))
			if got := findings(d); err != nil || got != c.ofTemplate {
				t.Errorf("the template: %s %v", got, err)
			}
			d, err = g.Review(t.Context(), asked(t, "CREATE", "refuses", object(t, aConstraint("Refuses", "all", "{}")), nil))
			if got := findings(d); err != nil || got != c.ofConstraint {
				t.Errorf("the constraint: %s %v", got, err)
			}
		})
	}
}
