package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

const (
	// crdsEvery is how often to look at all CRDs when nothing has changed.
	crdsEvery = time.Minute
	// crdsAgain is after how long what could not be written is tried again at first.
	crdsAgain = 5 * time.Second
	// truce is for how long a CRD is left as somebody else wants it after it was written, at first; it doubles each time.
	truce = 10 * time.Minute
	// maxTruce is the longest: two servers that want different things of a CRD would write for ever.
	maxTruce = time.Hour
)

// ConstraintCRDs makes, for each template that a Gatekeeper has read, the CRD of its constraints. It must run on one server at a time, the
// leader. The CRD is owned by the template, as the one is that Gatekeeper makes, and goes with it.
//
// While constraints give parameters that their template does not name any more, the CRD keeps them: without, they would be enforced as if they
// gave none.
//
// One that is there already, be it Gatekeeper's, is used as it is if it takes the parameters that the template says; otherwise it is changed
// once. Whoever changes it back has it so for the next ten minutes, then for twenty, and at last for an hour: two servers side by side must not
// write for ever. A CRD of the name that is not of constraints is never touched.
type ConstraintCRDs struct {
	// Client needs get, create and patch for CRDs, and list for constraints.
	Client dynamic.Interface
	Log    *slog.Logger

	source *Gatekeeper
	wake   chan struct{}
	seen   map[string]seenCRD // by template
	wrote  map[string]writtenCRD

	mu   sync.Mutex
	errs map[string]error
}

// seenCRD is a CRD that was looked at, and what for.
type seenCRD struct {
	wanted  [sha256.Size]byte
	version string // its resourceVersion
}

// writtenCRD is when a CRD was written, and as what.
type writtenCRD struct {
	wanted [sha256.Size]byte
	kept   bool // with what constraints use beside it
	at     time.Time
	lost   int // how often somebody else has not let it stand
}

// again is for a CRD that is written once more.
func (w writtenCRD) again(wanted [sha256.Size]byte, kept bool, at time.Time) writtenCRD {
	if w.wanted != wanted || w.kept != kept {
		return writtenCRD{wanted: wanted, kept: kept, at: at}
	}
	return writtenCRD{wanted, kept, at, w.lost + 1}
}

// truce is for how long after it was written the CRD is left as somebody else wants it.
func (w writtenCRD) truce() time.Duration { return min(truce<<min(w.lost, 10), maxTruce) }

// NewConstraintCRDs returns what makes the CRDs for the templates of source; Run runs it.
func NewConstraintCRDs(client dynamic.Interface, source *Gatekeeper, log *slog.Logger) *ConstraintCRDs {
	c := &ConstraintCRDs{Client: client, Log: log, source: source, wake: make(chan struct{}, 1)}
	source.OnChange(c.Wake)
	return c
}

// Wake has the CRDs looked at at once. It never blocks.
func (c *ConstraintCRDs) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Errors returns, by template, why its CRD is not as it should be. It is empty on a server that does not lead.
func (c *ConstraintCRDs) Errors() map[string]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.errs)
}

// Run keeps the CRDs until ctx ends, then returns nil.
func (c *ConstraintCRDs) Run(ctx context.Context) error {
	c.seen, c.wrote = map[string]seenCRD{}, map[string]writtenCRD{}
	defer c.note(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	again := crdsAgain
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-timer.C:
		}
		if c.keep(ctx) {
			again = crdsAgain
			timer.Reset(crdsEvery)
			continue
		}
		timer.Reset(again)
		again = min(2*again, crdsEvery)
	}
}

// keep looks at the CRD of each template. It reports whether no write has failed.
func (c *ConstraintCRDs) keep(ctx context.Context) bool {
	templates, known := c.source.accepted()
	if !known {
		return true
	}
	errs, fine := map[string]error{}, true
	before := c.Errors()
	for _, t := range templates {
		err := c.one(ctx, t, before[t.Name])
		if ctx.Err() != nil {
			return true
		}
		if err == nil {
			continue
		}
		errs[t.Name] = err
		fine = fine && (errors.Is(err, errLeftAlone) || errors.Is(err, errInUse))
		if last := before[t.Name]; last == nil || last.Error() != err.Error() {
			c.Log.Error("the CRD of constraints is not as its template says", "template", t.Name, "error", err)
		}
	}
	gone := func(name string) bool {
		return !slices.ContainsFunc(templates, func(t ownTemplate) bool { return t.Name == name })
	}
	maps.DeleteFunc(c.seen, func(name string, _ seenCRD) bool { return gone(name) })
	maps.DeleteFunc(c.wrote, func(name string, _ writtenCRD) bool { return gone(name) })
	c.note(errs)
	return fine
}

func (c *ConstraintCRDs) note(errs map[string]error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = errs
}

// errLeftAlone is wrapped by why a CRD is not written although it is not as it should be.
var errLeftAlone = errors.New("it is left alone")

// one makes the CRD of a template what it should be. before is what came of it the last time, which still holds if nothing has changed.
func (c *ConstraintCRDs) one(ctx context.Context, t ownTemplate, before error) error {
	wanted, sum, err := wantedCRD(t)
	if err != nil {
		return err
	}
	there, known := c.source.crds.of(t.Name)
	if known && there != nil && c.seen[t.Name] == (seenCRD{sum, there.ResourceVersion}) && !c.again(t.Name, before) {
		return before
	}
	crds := c.Client.Resource(crdResource())
	live, err := crds.Get(ctx, crdOf(t.Name), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err := crds.Create(ctx, wanted, metav1.CreateOptions{FieldManager: manager})
		if apierrors.IsAlreadyExists(err) {
			return nil // whoever was quicker is looked at when that is heard of
		}
		if err != nil {
			return fmt.Errorf("make the CRD %s: %w", crdOf(t.Name), err)
		}
		c.wrote[t.Name] = writtenCRD{wanted: sum, at: time.Now()}
		c.Log.Info("the CRD of constraints is made", "template", t.Name, "crd", crdOf(t.Name))
		return nil
	case err != nil:
		return fmt.Errorf("read the CRD %s: %w", crdOf(t.Name), err)
	case live.GetDeletionTimestamp() != nil:
		return nil // it is made again when that is heard of
	}
	c.seen[t.Name] = seenCRD{sum, live.GetResourceVersion()}
	if err := c.change(ctx, t, live, wanted, sum); err != nil {
		return &UpdateError{err}
	}
	return nil
}

// UpdateError is why a CRD that is there is not as its template says.
type UpdateError struct{ Err error }

func (e *UpdateError) Error() string { return e.Err.Error() }

// Unwrap gives errors.Is and errors.As the error itself.
func (e *UpdateError) Unwrap() error { return e.Err }

// change makes a CRD that is there what it should be.
func (c *ConstraintCRDs) change(ctx context.Context, t ownTemplate, live, wanted *unstructured.Unstructured, sum [sha256.Size]byte) error {
	if !ofConstraints(t.Name, live.GetLabels(), live.GetOwnerReferences()) {
		return fmt.Errorf("the CRD %s is not of constraints, for it lacks the label %s, and %w; delete it, or give the template another kind",
			crdOf(t.Name), constraintLabel, errLeftAlone)
	}
	if suffices(live, wanted, t) {
		return nil
	}
	wanted, kept, err := c.keeping(ctx, t, live, wanted)
	if err != nil {
		delete(c.seen, t.Name)
		return err
	}
	last := c.wrote[t.Name]
	switch {
	case suffices(live, wanted, t):
		return kept
	case last.wanted == sum && last.kept == (kept != nil) && time.Since(last.at) < last.truce():
		return fmt.Errorf("the CRD %s was changed back by somebody else after it was written as the template says, and %w for %s",
			crdOf(t.Name), errLeftAlone, last.truce())
	}
	body, err := overwriting(merged(live, wanted, t))
	if err != nil {
		return fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
	}
	_, err = c.Client.Resource(crdResource()).Patch(ctx, crdOf(t.Name), types.JSONPatchType, body, metav1.PatchOptions{FieldManager: manager})
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		delete(c.seen, t.Name) // it has changed since, which is heard of
		return nil
	case err != nil:
		delete(c.seen, t.Name)
		return fmt.Errorf("change the CRD %s: %w", crdOf(t.Name), err)
	}
	c.wrote[t.Name] = last.again(sum, kept != nil, time.Now())
	c.Log.Info("the CRD of constraints is changed", "template", t.Name, "crd", crdOf(t.Name))
	return kept
}

// again reports whether a truce is over, or constraints may have changed that a CRD waits for.
func (c *ConstraintCRDs) again(template string, before error) bool {
	last, wrote := c.wrote[template]
	return errors.Is(before, errInUse) || before != nil && wrote && time.Since(last.at) >= last.truce()
}

// wantedCRD is the CRD of a template's constraints, with what tells it from another.
func wantedCRD(t ownTemplate) (*unstructured.Unstructured, [sha256.Size]byte, error) {
	crd := t.CRD()
	crd.OwnerReferences = []metav1.OwnerReference{t.owner}
	text, err := json.Marshal(crd)
	if err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(text); err != nil {
		return nil, [sha256.Size]byte{}, fmt.Errorf("the CRD %s: %w", crdOf(t.Name), err)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	return out, sha256.Sum256(text), nil
}

// suffices reports whether a CRD takes the constraints of the template and goes with it. Whoever made it may describe the rest as they like.
func suffices(live, wanted *unstructured.Unstructured, t ownTemplate) bool {
	if !slices.ContainsFunc(live.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == t.owner.UID }) {
		return false
	}
	for _, path := range [][]string{{"spec", "group"}, {"spec", "scope"}, {"spec", "names", "kind"}, {"spec", "names", "plural"}, {"spec", "names", "shortNames"}} {
		if !sameAt(live.Object, wanted.Object, path...) {
			return false
		}
	}
	served := 0
	for name, schema := range servedSchemas(live) {
		ours, known := servedSchemas(wanted)[name]
		if !known || !sameAt(schema, ours, "properties", "spec", "properties", "parameters") {
			return false
		}
		served++
	}
	return served > 0
}

// servedSchemas are the schemas of the versions that a CRD serves, by name.
func servedSchemas(crd *unstructured.Unstructured) map[string]map[string]any {
	out := map[string]map[string]any{}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _, _ := unstructured.NestedString(version, "name")
		if served, _, _ := unstructured.NestedBool(version, "served"); served {
			out[name], _, _ = unstructured.NestedMap(version, "schema", "openAPIV3Schema")
		}
	}
	return out
}

// sameAt reports whether two objects have the same at a path, or both nothing.
func sameAt(a, b map[string]any, path ...string) bool {
	one, _, _ := unstructured.NestedFieldNoCopy(a, path...)
	two, _, _ := unstructured.NestedFieldNoCopy(b, path...)
	return reflect.DeepEqual(one, two)
}

// merged is a CRD with all that is wanted of it. What somebody else has put there beside it stays.
func merged(live, wanted *unstructured.Unstructured, t ownTemplate) *unstructured.Unstructured {
	out := live.DeepCopy()
	spec, _, _ := unstructured.NestedMap(wanted.Object, "spec")
	for name, value := range spec {
		_ = unstructured.SetNestedField(out.Object, value, "spec", name) // spec is a map in every CRD
	}
	labels := out.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, wanted.GetLabels())
	out.SetLabels(labels)
	owner := t.owner
	owners := slices.DeleteFunc(out.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return owns(o, t.Name) })
	if slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return o.Controller != nil && *o.Controller }) {
		owner.Controller = nil // there can be one
	}
	out.SetOwnerReferences(append(owners, owner))
	return out
}

// overwriting is the patch that makes a CRD that one, unless somebody has written it since it was read.
func overwriting(crd *unstructured.Unstructured) ([]byte, error) {
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/resourceVersion", "value": crd.GetResourceVersion()},
		{"op": "add", "path": "/metadata/labels", "value": crd.GetLabels()},
		{"op": "add", "path": "/metadata/ownerReferences", "value": crd.GetOwnerReferences()},
		{"op": "replace", "path": "/spec", "value": crd.Object["spec"]},
	})
}
