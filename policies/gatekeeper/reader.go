package gatekeeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/review"
)

// Reader reads templates and constraints. Its zero value is ready; it is safe for concurrent use. It remembers which Rego compiled, so one
// that reads again and again, with a change here and there, should be kept.
type Reader struct {
	// Operations are those at which a webhook asks constraints whose template names none, "CREATE": Gatekeeper's has itself called for CREATE
	// and UPDATE alone. Nil asks at every operation, whatever the templates say, as one who verifies them wants it.
	Operations []string

	schemas  schemas
	mu       sync.Mutex
	compiled map[string]compiled // by Code, of what was read last
}

// compiled is what came of compiling the Rego of a template.
type compiled struct {
	policy *policies.Policy
	err    error
}

// Reading is what came of reading documents.
type Reading struct {
	Specs     []policies.Spec // one for each constraint, in the order of the documents
	Templates []*Template     // those that were accepted, by name
	// Documents are Gatekeeper's objects that are neither, and of the templates those that say by RequiresSync what they look for.
	Documents []policies.Document
	Faults    policies.Faults
	Notes     []string // what is no fault and should be known, each a sentence behind file and row
}

// Read reads the templates and constraints among documents, in whatever order they are, and passes over what is not Gatekeeper's. What is
// wrong with one is a Fault; the others are read all the same.
func (r *Reader) Read(ctx context.Context, docs []documents.Document) Reading {
	var out Reading
	var templates, constraints []*unit
	for _, doc := range docs {
		found, err := unitsOf(doc)
		if err != nil {
			out.Faults = append(out.Faults, policies.Fault{File: doc.File, Err: err})
		}
		for _, u := range found {
			switch u.group {
			case templateGroup:
				templates = append(templates, u)
			case constraintGroup:
				constraints = append(constraints, u)
			default:
				out.Documents = append(out.Documents, u.document())
			}
		}
	}
	known := r.templates(ctx, templates, constraints, &out)
	for _, u := range templates {
		if u.object.GetAnnotations()[RequiresSync] != "" && known[strings.ToLower(u.object.GetName())].err == nil {
			out.Documents = append(out.Documents, u.document())
		}
	}
	for _, u := range constraints {
		r.constraint(u, known, &out)
	}
	return out
}

// accepted is what came of one template.
type accepted struct {
	*Template
	unit *unit
	err  error
}

// templates reads and compiles the templates, on all processors, and returns what came of each by name.
func (r *Reader) templates(ctx context.Context, units, constraints []*unit, out *Reading) map[string]accepted {
	results := make([]accepted, len(units))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, u := range units {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = r.template(ctx, u)
		})
	}
	wg.Wait()
	done := map[string]compiled{}
	known := map[string]accepted{}
	for _, a := range results {
		if a.Template != nil && a.code != "" {
			done[a.code] = compiled{a.policy, a.err}
		}
		name := strings.ToLower(a.unit.object.GetName())
		if before, twice := known[name]; twice {
			a = before.again(a)
		}
		known[name] = a
	}
	if ctx.Err() == nil { // what was broken off says nothing of the Rego
		r.mu.Lock()
		r.compiled = done
		r.mu.Unlock()
	}
	for name, a := range known {
		if a.err != nil {
			fault := policies.Fault{File: a.unit.doc.File, Policy: name, Err: a.err}
			for _, u := range constraints {
				if strings.ToLower(u.object.GetKind()) == name {
					fault.Also = append(fault.Also, idOf(u))
				}
			}
			out.Faults = append(out.Faults, fault)
			continue
		}
		out.Templates = append(out.Templates, a.Template)
		out.Notes = append(out.Notes, a.notes...)
	}
	slices.SortFunc(out.Templates, func(a, b *Template) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(out.Faults, func(a, b policies.Fault) int { return cmp.Compare(a.Err.Error(), b.Err.Error()) })
	slices.Sort(out.Notes)
	return known
}

// again is what comes of a template of which there is a second: nothing new if they are the same, and a fault if they are not.
func (a accepted) again(second accepted) accepted {
	switch {
	case a.err != nil:
		return a
	case second.err != nil:
		return second
	case a.same(second.Template):
		return a
	}
	a.err = fmt.Errorf("%s: ConstraintTemplate %s is also defined in %s; give one of them another name",
		second.unit.at(), second.Name, a.unit.at())
	return a
}

// template reads and compiles one template.
func (r *Reader) template(ctx context.Context, u *unit) accepted {
	t, err := r.schemas.template(u)
	if err != nil {
		return accepted{unit: u, err: u.blame(err)}
	}
	r.mu.Lock()
	out, done := r.compiled[t.code]
	r.mu.Unlock()
	if !done {
		out = t.compile(ctx)
	}
	t.policy = out.policy
	return accepted{t, u, out.err}
}

// compile compiles the Rego of a template. An error names the template, a line for each thing that is wrong, and calls packages what the
// template calls them.
func (t *Template) compile(ctx context.Context) compiled {
	policy, err := policies.CompilePolicy(ctx, policies.Spec{
		ID: t.Name, File: t.File, Row: t.Row, Convention: policies.Gatekeeper, Code: t.code, Package: entryPackage(), Modules: t.modules,
		Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}, Lenient: true,
	})
	if err != nil {
		text := strings.NewReplacer("data.libs.lib", "data.lib", entryPackage().String()+".", t.entry.String()+".").Replace(err.Error())
		text = regexp.MustCompile(`(?m)^(`+regexp.QuoteMeta(t.File)+`:\d+: )`).ReplaceAllString(text, "${1}ConstraintTemplate "+t.Name+": ")
		err = coded{ast.CompileErr, errors.New(text)}
	}
	return compiled{policy, err}
}

// constraint reads one constraint. Of one whose template is faulty nothing is said: the template's fault is.
func (r *Reader) constraint(u *unit, known map[string]accepted, out *Reading) {
	of, ok := known[strings.ToLower(u.object.GetKind())]
	if ok && of.err != nil {
		return
	}
	var spec policies.Spec
	var notes []string
	err := fmt.Errorf("%w; add the one named %s", ErrNoTemplate, strings.ToLower(u.object.GetKind()))
	if !ok {
		err = under(err, "kind")
	} else {
		spec, notes, err = r.spec(u, of.Template)
	}
	if err != nil {
		out.Faults = append(out.Faults, policies.Fault{File: u.doc.File, Policy: idOf(u), Err: u.blame(err)})
		return
	}
	out.Specs = append(out.Specs, spec)
	out.Notes = append(out.Notes, notes...)
}
