package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// GatekeeperGate is the Reviewer of Gatekeeper's objects, asked before the API server accepts one, as the Gate is of Policies. A template is
// compiled, and its constraints are read anew; a constraint is read beside its template; each constraint that would come of it is checked. The
// rest is for Documents to judge. Every fault is a finding that names the place.
//
// What does not change an object's spec passes. It has no answer before the objects have been listed and policies are in force.
type GatekeeperGate struct {
	Objects *Gatekeeper
	Engine  *policies.Engine
	// Check, if it is not nil, judges each policy that would come into force, as Loader.Gate will; the error is why it is refused.
	Check func(context.Context, *policies.Policy) error
	// Warn, if it is not nil, says what whoever applies a constraint that is not refused should know, a sentence each.
	Warn func(context.Context, *policies.Policy) []string
	// Settings, if it is not nil, returns what the Config and the SyncSets in force say of data.inventory.
	Settings func() Synced
	// Documents, if it is not nil, says what would be wrong with the objects that are neither templates nor constraints; of all of them, as
	// they would be.
	Documents func(context.Context, []policies.Document) policies.Faults
	// WarnOf, if it is not nil, says what whoever applies one of these that is not refused should know, a sentence each.
	WarnOf func(context.Context, policies.Document) []string
}

// Synced says what is at data.inventory; settings.Settings does.
type Synced interface {
	// Synced lists the kinds that are there.
	Synced() []schema.GroupVersionKind
	// Lacking says what a template requires that is not, a sentence each.
	Lacking(template *unstructured.Unstructured) []string
}

// templateTime is how long a constraint waits for its template: that was accepted a moment ago, perhaps, and is on its way to this server.
const templateTime = 2 * time.Second

// Review judges one object. Objects that are not Gatekeeper's are an error: to let them pass would say that they were judged.
func (g *GatekeeperGate) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	t := req.Target
	if !gatekeeper.Concerns(t.Group) || req.Stage != review.Validate {
		return review.Decision{}, fmt.Errorf("the gate of Gatekeeper's objects is asked to %s %s", req.Stage, t)
	}
	if t.Subresource != "" || req.Verb != "create" && req.Verb != "update" {
		return review.Decision{Verdict: review.Allow}, nil
	}
	object, err := decodeObject(req.Object)
	if err != nil {
		return review.Decision{}, err
	}
	if len(req.OldObject) > 0 {
		old, err := decodeObject(req.OldObject)
		if err != nil {
			return review.Decision{}, err
		}
		if same, err := sameSpec(old, object); err != nil || same {
			return review.Decision{Verdict: review.Allow}, err
		}
	}
	set := g.Engine.Set()
	present, listed := g.Objects.read()
	if set == nil || !listed {
		return review.Decision{}, review.Unavailable("Gatekeeper's objects in the cluster are not in force yet")
	}
	d := review.Decision{Verdict: review.Allow, Revision: set.Revision()}
	if len(g.Objects.filesOf(object)) == 0 {
		warn(&d, gatekeeperFile(object), "it is in a namespace where it counts for nothing; it does in "+strings.Join(g.Objects.namespaces, ", "))
		return d, nil
	}
	switch t.Group {
	case templateGroup:
		g.template(ctx, &d, set, present, object)
	case constraintGroup:
		g.constraint(ctx, &d, set, object)
	default:
		g.document(ctx, &d, present, object)
	}
	return d, nil
}

// with are the files with that of an object among them.
func with(present []native.File, file native.File) []native.File {
	out := slices.DeleteFunc(slices.Clone(present), func(f native.File) bool { return f.Name == file.Name })
	return append(out, file)
}

// reader is a Reader as that of the objects is, which remembers nothing.
func (g *GatekeeperGate) reader() *gatekeeper.Reader {
	return &gatekeeper.Reader{Operations: g.Objects.Reader.Operations}
}

// template judges a template beside its constraints. That one of these does not fit any more does not refuse it: who changes both must begin
// with one.
func (g *GatekeeperGate) template(ctx context.Context, d *review.Decision, set *policies.Set, present []native.File, object *unstructured.Unstructured) {
	file := gatekeeperFile(object)
	var files []native.File
	for _, f := range present {
		if strings.HasPrefix(f.Name, object.GetName()+"/") {
			files = append(files, f)
		}
	}
	read := g.reader().Read(ctx, gatekeeperDocuments(with(files, file)))
	for _, fault := range read.Faults {
		if fault.File == file.Name {
			refuse(d, fault)
		} else {
			warn(d, file, "with it a constraint is faulty, of which the last good version stays: "+fault.Err.Error())
		}
	}
	for _, note := range read.Notes {
		if strings.HasPrefix(note, file.Name+":") {
			advise(d, note)
		}
	}
	g.lacking(d, file, object)
	g.policies(ctx, d, set, slices.DeleteFunc(read.Specs, func(spec policies.Spec) bool {
		return slices.ContainsFunc(set.Policies(), func(p *policies.Policy) bool { // a file's, which is faulty with or without the template
			return p.Spec().ID == spec.ID && p.Spec().File != spec.File
		})
	}))
}

// constraint judges a constraint beside its template.
func (g *GatekeeperGate) constraint(ctx context.Context, d *review.Decision, set *policies.Set, object *unstructured.Unstructured) {
	file := gatekeeperFile(object)
	files := []native.File{file}
	template, known := g.awaitTemplate(ctx, object.GetKind())
	if known {
		files = append(files, template)
	}
	read := g.reader().Read(ctx, gatekeeperDocuments(files))
	for _, fault := range read.Faults {
		if fault.File == file.Name {
			refuse(d, fault)
		} else {
			refuse(d, policies.Fault{Err: fmt.Errorf("%s: its template is faulty, and it would not come into force: %w", file.Name, fault.Err)})
		}
	}
	for _, note := range read.Notes {
		if strings.HasPrefix(note, file.Name+":") {
			advise(d, note)
		}
	}
	for _, policy := range g.policies(ctx, d, set, read.Specs) {
		if policy.ReadsInventory() {
			g.unsynced(d, file, template)
		}
		if g.Warn != nil {
			for _, text := range g.Warn(ctx, policy) {
				warn(d, file, text)
			}
		}
	}
}

// lacking warns of what a template requires at data.inventory and nobody syncs. It reports whether there is any.
func (g *GatekeeperGate) lacking(d *review.Decision, file native.File, template *unstructured.Unstructured) bool {
	if g.Settings == nil {
		return false
	}
	lacks := g.Settings().Lacking(template)
	for _, text := range lacks {
		warn(d, file, text)
	}
	return len(lacks) > 0
}

// unsynced warns of what a constraint that reads data.inventory will not find there.
func (g *GatekeeperGate) unsynced(d *review.Decision, file, template native.File) {
	object, err := decodeObject(template.Text)
	if err != nil || g.lacking(d, template, object) || g.Settings == nil || len(g.Settings().Synced()) > 0 {
		return
	}
	warn(d, file, "it reads data.inventory, and no Config or SyncSet says what is there: to it there is nothing")
}

// awaitTemplate returns the template of a kind, for which it waits a moment.
func (g *GatekeeperGate) awaitTemplate(ctx context.Context, kind string) (native.File, bool) {
	ctx, cancel := context.WithTimeout(ctx, templateTime)
	defer cancel()
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	name := GatekeeperFileName(theTemplates().kind, strings.ToLower(kind))
	for {
		present, _ := g.Objects.read()
		if at := slices.IndexFunc(present, func(f native.File) bool { return f.Name == name }); at >= 0 {
			return present[at], true
		}
		select {
		case <-ctx.Done():
			return native.File{}, false
		case <-ticker.C:
		}
	}
}

// policies refuses what would not come into force of the policies that were read, and returns the others.
func (g *GatekeeperGate) policies(ctx context.Context, d *review.Decision, set *policies.Set, specs []policies.Spec) (good []*policies.Policy) {
	for i, spec := range specs {
		var faults policies.Faults
		if i == 0 || spec.Code == "" || spec.Code != specs[0].Code { // all of them are of one template, which is tried once
			faults = set.Try(ctx, spec)
		}
		var policy *policies.Policy
		if len(faults) == 0 {
			var err error
			if policy, err = policies.CompilePolicy(ctx, spec); err != nil {
				faults = policies.Faults{{Err: err}}
			}
		}
		if len(faults) == 0 && g.Check != nil {
			if err := g.Check(ctx, policy); err != nil {
				faults = policies.Faults{{Err: err}}
			}
		}
		for _, fault := range faults {
			refuse(d, fault)
		}
		if len(faults) == 0 {
			good = append(good, policy)
		}
	}
	return good
}

// document judges what is neither a template nor a constraint.
func (g *GatekeeperGate) document(ctx context.Context, d *review.Decision, present []native.File, object *unstructured.Unstructured) {
	file := gatekeeperFile(object)
	var files []native.File
	for _, f := range present {
		if slices.ContainsFunc(gatekeeperKinds()[1:], func(k gatekeeperKind) bool { return strings.HasPrefix(f.Name, k.name()+"/") }) {
			files = append(files, f)
		}
	}
	read := g.reader().Read(ctx, gatekeeperDocuments(with(files, file)))
	faults := slices.Clone(read.Faults)
	if g.Documents != nil {
		faults = append(faults, g.Documents(ctx, read.Documents)...)
	}
	for _, fault := range faults {
		if fault.File == file.Name {
			refuse(d, fault)
		}
	}
	if g.WarnOf == nil || d.Verdict == review.Deny {
		return
	}
	for _, document := range read.Documents {
		if document.File == file.Name {
			for _, text := range g.WarnOf(ctx, document) {
				warn(d, file, text)
			}
		}
	}
}

var _ review.Reviewer = (*GatekeeperGate)(nil)

// Gates is the Reviewer of all objects that are policies, or go with them: each is judged by the gate of its group.
type Gates struct {
	Own        *Gate
	Gatekeeper *GatekeeperGate // nil: its objects are not taken from the cluster
}

// Review judges one object.
func (g Gates) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	if gatekeeper.Concerns(req.Target.Group) {
		if g.Gatekeeper == nil {
			return review.Decision{}, errors.New("objects of Gatekeeper's are not taken from the cluster")
		}
		return g.Gatekeeper.Review(ctx, req)
	}
	return g.Own.Review(ctx, req)
}
