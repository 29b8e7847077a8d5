package cmd

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// theirs are Gatekeeper's objects in the cluster. Nil is a server that does not look at them.
type theirs struct {
	objects *source.Gatekeeper
	crds    *source.ConstraintCRDs
}

func newTheirs(c *member) (*theirs, error) {
	namespaces := slices.Compact(slices.Sorted(slices.Values([]string{c.flags.namespace, c.flags.gatekeeperNamespace})))
	objects, err := source.NewGatekeeper(c.config, &gatekeeper.Reader{Operations: gatekeeperOperations()}, namespaces, c.log)
	if err != nil {
		return nil, err
	}
	return &theirs{objects: objects, crds: source.NewConstraintCRDs(c.dynamic, objects, c.log)}, nil
}

// standIn reports whether what is in force of them was kept from before.
func (t *theirs) standIn() bool {
	return t != nil && t.objects.Ready() == nil && !t.objects.Live()
}

// settings are what makes a state that was kept one of other settings.
func (t *theirs) settings() string {
	if t == nil {
		return ""
	}
	return " gatekeeper"
}

// objectVersions are the versions of all objects of the cluster that policies are read from.
func (c *member) objectVersions() source.Versions {
	out := c.objects.Versions()
	if c.theirs != nil {
		maps.Copy(out, c.theirs.objects.Versions())
	}
	return out
}

// troubles are those with the CRDs of constraints, on the server that makes them.
func (t *theirs) troubles() (out []trouble) {
	if t == nil {
		return nil
	}
	errs := t.crds.Errors()
	for _, name := range slices.Sorted(maps.Keys(errs)) {
		out = append(out, trouble{"ConstraintCRDFailed", "Make", name, fmt.Sprintf("ConstraintTemplate %s: %v", name, errs[name])})
	}
	return out
}

// gate is who is asked before the API server accepts one of the objects; nil if they are not taken from the cluster.
func (t *theirs) gate(c *member, engine *policies.Engine) *source.GatekeeperGate {
	if t == nil {
		return nil
	}
	gate := &source.GatekeeperGate{Objects: t.objects, Engine: engine, Warn: c.warnings, Documents: c.tryDocuments}
	if c.sentinel != nil {
		gate.Check = c.gatekeeper.easeCheck(c.sentinel.Check, slog.New(slog.DiscardHandler)) // c.warnings says it
	}
	if c.settled != nil {
		gate.Settings, gate.WarnOf = func() source.Synced { return c.settled.current.Load() }, c.warnOf
	}
	return gate
}

// tryDocuments says what would be wrong with mutators, ExpansionTemplates and Providers of the cluster, beside those that lie elsewhere.
func (c *member) tryDocuments(ctx context.Context, theirs []policies.Document) policies.Faults {
	c.mu.Lock()
	files, _ := byOrigin(c.loaded.Documents)
	c.mu.Unlock()
	documents, faults := filesFirst(files, theirs)
	silent := slog.New(slog.DiscardHandler)
	own := func() (*tls.Certificate, error) { return c.identity.source.GetCertificate(nil) }
	mutators := &Mutators{surroundings: c.mutators.surroundings, log: silent}
	_, more := newBeside(mutators, external.Options{Certificate: own}, silent).configure(ctx, policies.Bundle{Documents: documents})
	return append(faults, more...)
}

// warnOf is what somebody should know who is about to have kinds synced that would not be there.
func (c *member) warnOf(ctx context.Context, document policies.Document) []string {
	said, _ := new(settings.Reader).Read([]policies.Document{document})
	return c.inventory.CannotHold(ctx, said.Synced())
}

// byOrigin tells documents that lie beside the server from those of the cluster.
func byOrigin(documents []policies.Document) (files, theirs []policies.Document) {
	for _, d := range documents {
		if d.Listed() {
			theirs = append(theirs, d)
		} else {
			files = append(files, d)
		}
	}
	return files, theirs
}

// filesFirst joins both without the mutators of the cluster that a file has, too, with a Fault for each: an object must not put out of force
// what lies beside the server.
func filesFirst(files, theirs []policies.Document) (out []policies.Document, faults policies.Faults) {
	out = slices.Clone(files)
	for _, d := range theirs {
		at := slices.IndexFunc(files, func(f policies.Document) bool {
			return isMutator(d) && f.Object.GroupVersionKind().GroupKind() == d.Object.GroupVersionKind().GroupKind() && f.Object.GetName() == d.Object.GetName()
		})
		if at >= 0 {
			faults = append(faults, *d.Fault(fmt.Errorf("it is also defined in %s, and that one is applied; give one of them another name", files[at].At())))
			continue
		}
		out = append(out, d)
	}
	return out, faults
}
