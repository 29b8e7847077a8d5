package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/review"
)

// shelf keeps the policies that tests are about, each compiled once, until the last test that is about it has been run. It is safe for
// concurrent use.
type shelf struct {
	load   func(ctx context.Context, paths []string) (policies.Bundle, error)
	beside func(context.Context, []policies.Document, policies.Namespaces) ([]policies.Option, func(*policies.Set) review.Reviewer, error)

	mu        sync.Mutex
	templates map[string]*template
	bundles   map[string]*bundle
	left      map[string]int // how many tests there are still, by template and by paths
}

// newShelf is one for all tests that a Runner will run.
func newShelf(r *Runner) *shelf {
	return &shelf{load: r.Load, beside: r.Beside, templates: map[string]*template{}, bundles: map[string]*bundle{}, left: map[string]int{}}
}

// expect says that a test will come for the policies.
func (s *shelf) expect(name string) { s.left[name]++ }

// done says that it came.
func (s *shelf) done(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left[name]--; s.left[name] <= 0 {
		delete(s.templates, name)
		delete(s.bundles, name)
	}
}

// template is one file with a template, and what was made of it and of files with constraints.
type template struct {
	mu          sync.Mutex
	begun       bool
	doc         documents.Document
	err         error             // the file cannot be read
	reader      gatekeeper.Reader // remembers that the Rego compiles
	constraints map[string]made
}

// made is what came of one constraint.
type made struct {
	policy *policies.Policy
	notes  []string
	err    error
}

// constraint returns the policy of a constraint and its template. The error is gatekeeper.ErrSchema if it is the constraint that its schema
// does not take; unreadable is that of a file or a template.
func (s *shelf) constraint(ctx context.Context, templateFile, constraintFile string) (out made, unreadable error) {
	s.mu.Lock()
	t := s.templates[templateFile]
	if t == nil {
		t = &template{constraints: map[string]made{}}
		s.templates[templateFile] = t
	}
	s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		t.begun = true
		t.doc, t.err = object(templateFile, func(group, kind string) error {
			if group != "templates.gatekeeper.sh" || kind != "ConstraintTemplate" {
				return errors.New("the template of a test must be a ConstraintTemplate")
			}
			return nil
		})
	}
	if t.err != nil {
		return made{}, t.err
	}
	if found, ok := t.constraints[constraintFile]; ok {
		return found, nil
	}
	doc, err := object(constraintFile, func(group, _ string) error {
		if group != "constraints.gatekeeper.sh" {
			return errors.New("the constraint of a test must be of the group constraints.gatekeeper.sh")
		}
		return nil
	})
	if err != nil {
		return made{}, err
	}
	reading := t.reader.Read(ctx, []documents.Document{t.doc, doc})
	if len(reading.Templates) == 0 {
		return made{}, reading.Faults
	}
	out = t.compile(ctx, reading)
	if ctx.Err() != nil {
		return made{}, ctx.Err()
	}
	t.constraints[constraintFile] = out
	return out, nil
}

func (t *template) compile(ctx context.Context, reading gatekeeper.Reading) made {
	out := made{notes: reading.Notes}
	if len(reading.Faults) > 0 {
		out.err = reading.Faults[0].Err
		return out
	}
	out.policy, out.err = policies.CompilePolicy(ctx, reading.Specs[0])
	return out
}

// object reads the one object of a file that is for a test as a whole, if it is one that is wanted.
func object(file string, wanted func(group, kind string) error) (documents.Document, error) {
	text, err := readable(file)
	if err != nil {
		return documents.Document{}, err
	}
	doc, _, err := documents.First(file, text)
	if err != nil {
		return doc, err
	}
	head, err := headOf(doc)
	if err == nil {
		err = wanted(head.group(), head.Kind)
	}
	if err != nil {
		return doc, fmt.Errorf("%s: %w", doc.At(), err)
	}
	return doc, nil
}

// bundle is what lies in some paths.
type bundle struct {
	once sync.Once
	policies.Bundle
	compiled []*policies.Policy
	err      error
}

// nameOf is what policies are called that lie in a directory's paths, in that order.
func nameOf(dir string, paths []string) string { return strings.Join(from(dir, paths), "\n") }

// libraryPrefix tells a policy of the library from a path.
const libraryPrefix = "library:"

// from are paths as they are seen from the working directory.
func from(dir string, paths []string) (out []string) {
	for _, path := range paths {
		if !strings.HasPrefix(path, libraryPrefix) {
			path = filepath.Join(dir, path)
		}
		out = append(out, path)
	}
	return out
}

// read reads and compiles what lies in paths; no paths have nothing.
func (b *bundle) read(ctx context.Context, s *shelf, paths []string) (err error) {
	if len(paths) == 0 {
		return nil
	}
	if b.Bundle, err = s.load(ctx, paths); err != nil {
		return err
	}
	if len(b.Faults) > 0 {
		return b.Faults
	}
	// What lies beside them is taken up again with what else a test names; here it is for policies that cannot be without a Provider.
	options, _, err := s.beside(ctx, b.Documents, nil)
	if err != nil {
		return err
	}
	set, err := policies.Compile(ctx, b.Specs, options...)
	if err == nil {
		b.compiled = set.Policies()
	}
	return err
}

// bundle returns the policies of paths, compiled.
func (s *shelf) bundle(ctx context.Context, dir string, paths []string) (*bundle, error) {
	name := nameOf(dir, paths)
	s.mu.Lock()
	b := s.bundles[name]
	if b == nil {
		b = &bundle{}
		s.bundles[name] = b
	}
	s.mu.Unlock()
	b.once.Do(func() {
		b.err = b.read(ctx, s, from(dir, paths))
	})
	return b, b.err
}
