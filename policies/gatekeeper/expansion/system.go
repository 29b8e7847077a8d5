package expansion

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	// maxDepth is at how many removes an object is implied: as many as Gatekeeper has.
	maxDepth = 30
	// maxObjects is how many objects one implies at most. Templates without a cycle can still make 2^30 of one; a workload implies one or two.
	maxObjects = 100
)

// System makes what objects imply. It is a policies.Expander, immutable, and safe for concurrent use.
type System struct {
	templates []*template // by name
	byKind    map[typeMeta][]*template
	mutators  Mutators // nil: none
	revision  string
}

var _ policies.Expander = (*System)(nil)

type typeMeta struct{ apiVersion, kind string }

// Revision names the templates and the mutators.
func (s *System) Revision() string { return s.revision }

// Expands reports whether a template applies to objects of a kind.
func (s *System) Expands(apiVersion, kind string) bool {
	return s.byKind[typeMeta{apiVersion, kind}] != nil
}

// Expand makes what the object implies, each object before what that implies itself. Where one cannot be made, because the object has not what
// its template says, or a mutator fails, an Implied with an error stands for it and all that it would have implied.
func (s *System) Expand(ctx context.Context, req *review.Request, namespace string, object map[string]any) iter.Seq[policies.Implied] {
	return func(yield func(policies.Implied) bool) {
		e := expansion{System: s, ctx: ctx, req: req, namespace: namespace, yield: yield}
		e.expand(&unstructured.Unstructured{Object: object}, 1)
	}
}

// expansion is that of one object.
type expansion struct {
	*System
	ctx       context.Context //nolint:containedctx // it lives as long as one call
	req       *review.Request
	namespace string
	yield     func(policies.Implied) bool
	made      int
}

// expand yields what an object implies at that remove from the first, and reports whether to go on.
func (e *expansion) expand(object *unstructured.Unstructured, depth int) bool {
	for _, t := range e.byKind[typeMeta{object.GetAPIVersion(), object.GetKind()}] {
		e.made++
		out := policies.Implied{By: t.name, Enforcement: t.enforcement}
		var child *unstructured.Unstructured
		switch {
		case e.made > maxObjects:
			out.Err = fmt.Errorf("the object implies more than %d others", maxObjects)
		case depth > maxDepth:
			out.Err = fmt.Errorf("the object implies others at more than %d removes", maxDepth)
		default:
			if child, out.Err = t.make(object, e.namespace); out.Err == nil && e.mutators != nil {
				out.Err = e.mutated(t.name, child)
			}
		}
		if out.Err == nil {
			out.Object = child.Object
		}
		if !e.yield(out) || e.made > maxObjects {
			return false
		}
		if out.Err == nil && !e.expand(child, depth+1) {
			return false
		}
	}
	return true
}

func (e *expansion) mutated(template string, object *unstructured.Unstructured) error {
	if err := e.mutators.Mutate(e.ctx, e.req, template, object); err != nil {
		return fmt.Errorf("the %s that the object implies cannot be mutated: %w", object.GetKind(), err)
	}
	return nil
}

// make makes what the template makes of an object, which it leaves alone.
func (t *template) make(from *unstructured.Unstructured, namespace string) (*unstructured.Unstructured, error) {
	var source any = from.Object
	for _, name := range t.source {
		fields, _ := source.(map[string]any)
		source = fields[name]
	}
	fields, ok := source.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the %s %s has no map at %s, of which a %s would be made", from.GetKind(), from.GetName(),
			t.spec.TemplateSource, t.makes.Kind)
	}
	object := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(fields)}
	object.SetGroupVersionKind(t.makes)
	metadata, ok := object.Object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object.Object["metadata"] = metadata
	}
	delete(metadata, "ownerReferences")
	delete(metadata, "namespace")
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	metadata["name"] = strings.ToLower(from.GetName() + "-" + t.makes.Kind)
	return object, nil
}

// Parents lists the kinds of the objects that imply, at any remove, objects of one of the kinds, among which "*" is any.
func (s *System) Parents(kinds []policies.GroupKind) (out []policies.GroupKind) {
	wanted := slices.Clone(kinds)
	for grown := true; grown; {
		grown = false
		for _, t := range s.templates {
			if !slices.ContainsFunc(wanted, func(k policies.GroupKind) bool {
				return (k.Group == "*" || k.Group == t.makes.Group) && (k.Kind == "*" || k.Kind == t.makes.Kind)
			}) {
				continue
			}
			for _, gvk := range t.applyTo {
				if k := (policies.GroupKind{Group: gvk.Group, Kind: gvk.Kind}); !slices.Contains(out, k) {
					out, wanted, grown = append(out, k), append(wanted, k), true
				}
			}
		}
	}
	return out
}
