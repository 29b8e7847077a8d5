package expansion

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// Mutators are those in force. They are safe for concurrent use.
type Mutators interface {
	// Mutate changes an object in place, as the mutators do that are about objects which nobody sent: this one is made by the template of that
	// name, of what req is about.
	Mutate(ctx context.Context, req *review.Request, template string, object *unstructured.Unstructured) error
	// Revision names the mutators: equal for those that do the same.
	Revision() string
}

// Reader reads ExpansionTemplates. Its zero value is ready. One that reads again and again should be kept: it remembers the last good version
// of each. It must not be used by two goroutines at a time.
type Reader struct {
	// Mutators, if they are not nil when something is read, change each object that is made, before that is judged or expanded itself.
	Mutators Mutators

	good []*template // those of the last reading
}

// Concerns reports whether a document is an ExpansionTemplate.
func Concerns(d policies.Document) bool {
	gvk := d.Object.GroupVersionKind()
	return gvk.Group == group && gvk.Kind == kind
}

// Read makes a System of the ExpansionTemplates among documents, in whatever order they are; nil if there are none. One that is faulty keeps
// its last good version. Those that would make objects of objects for ever are all faulty, and what was read last stays as it was.
func (r *Reader) Read(docs []policies.Document) (*System, policies.Faults) {
	var templates []*template
	var faults policies.Faults
	known := map[string]*template{}
	for _, d := range docs {
		if !Concerns(d) {
			continue
		}
		t, fault := read(d)
		if fault != nil {
			faults = append(faults, *fault)
			t = r.last(d.Object.GetName())
		}
		if t == nil {
			continue
		}
		if before := known[t.name]; before != nil {
			if !reflect.DeepEqual(before.spec, t.spec) {
				faults = append(faults, *d.Fault(fmt.Errorf("it is also defined in %s; give one of them another name", before.document.At()), "metadata", "name"))
			}
			continue
		}
		known[t.name] = t
		templates = append(templates, t)
	}
	slices.SortFunc(templates, func(a, b *template) int { return cmp.Compare(a.name, b.name) })
	if endless := cycles(templates); len(endless) > 0 {
		faults = append(faults, endless...)
		templates = r.good
	}
	r.good = templates
	if len(templates) == 0 {
		return nil, faults
	}
	return newSystem(templates, r.Mutators), faults
}

func (r *Reader) last(name string) *template {
	if i := slices.IndexFunc(r.good, func(t *template) bool { return t.name == name }); i >= 0 {
		return r.good[i]
	}
	return nil
}

func newSystem(templates []*template, mutators Mutators) *System {
	s := &System{templates: templates, byKind: map[typeMeta][]*template{}, mutators: mutators}
	sum := sha256.New()
	if mutators != nil {
		fmt.Fprintf(sum, "mutators %s\n", mutators.Revision())
	}
	for _, t := range templates {
		text, _ := json.Marshal(t.spec) // of texts alone
		fmt.Fprintf(sum, "%s %s\n", t.name, text)
		for _, gvk := range t.applyTo {
			apiVersion, kind := gvk.ToAPIVersionAndKind()
			meta := typeMeta{apiVersion, kind}
			if !slices.Contains(s.byKind[meta], t) {
				s.byKind[meta] = append(s.byKind[meta], t)
			}
		}
	}
	s.revision = hex.EncodeToString(sum.Sum(nil))
	return s
}
