package suite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// running is a test that is run.
type running struct {
	*Runner
	suite  *Suite
	test   *Test
	shelf  *shelf
	result *TestResult
	notes  []string

	set     *policies.Set
	mutate  review.Reviewer // of our format
	cluster cluster         // what there is for the case that is run
}

func (r *running) run(ctx context.Context) {
	begun := time.Now()
	defer func() { r.result.Seconds = time.Since(begun).Seconds() }()
	if err := r.prepare(ctx); err != nil {
		r.result.Outcome, r.result.Error = Error, r.about(err)
		return
	}
	if r.result.Outcome != Skipped { // of an invalid constraint all has been said
		return
	}
	r.result.Outcome = OK
	if len(r.test.Cases) == 0 {
		r.note([]string{fmt.Sprintf("%s: test %s has no cases, and so nothing is tested", r.test.at, r.test.Name)})
	}
	for i := range r.test.Cases {
		c := &r.test.Cases[i]
		result := CaseResult{Name: c.Name, At: c.at, Outcome: Skipped}
		if !c.Skip && r.Filter.cases(r.test, c) {
			r.run1(ctx, c, &result)
			r.result.Outcome = worse(r.result.Outcome, result.Outcome)
		}
		r.result.Cases = append(r.result.Cases, result)
	}
}

// about says of which test an error is, unless it is in the suite's own file.
func (r *running) about(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, r.suite.File+":") {
			lines[i] = fmt.Sprintf("%s (for %s: test %s)", line, r.test.at, r.test.Name)
		}
	}
	return strings.Join(lines, "\n")
}

// wrong is an error of the test itself, at its row.
func (r *running) wrong(what string, args ...any) error {
	return fmt.Errorf("%s: test %s: %w", r.test.at, r.test.Name, fmt.Errorf(what, args...))
}

// prepare compiles the policies of the test and makes a Set of them.
func (r *running) prepare(ctx context.Context) error {
	t := r.test
	switch {
	case r.suite.own && (r.Load == nil || r.Frame == nil || r.Cluster == nil || r.Beside == nil):
		return r.wrong("%w", errNotOurs)
	case r.suite.own && len(t.Policies) > 0 && (t.Template != "" || t.Constraint != "" || t.Invalid):
		return r.wrong("policies stand in the place of a template and a constraint; leave one or the other out")
	case r.suite.own && t.bundled():
		b, err := r.shelf.bundle(ctx, filepath.Dir(r.suite.File), t.Policies)
		if err != nil {
			return r.unreadable(err)
		}
		r.note(b.Notes)
		return r.use(ctx, b.compiled, b.Documents, policies.WithExceptions(b.Exceptions))
	case t.Template == "":
		return r.wrong("it has no template%s", r.orPolicies())
	case t.Constraint == "":
		return r.wrong("it has no constraint%s", r.orPolicies())
	}
	found, err := r.shelf.constraint(ctx, r.suite.path(t.Template), r.suite.path(t.Constraint))
	switch {
	case err != nil:
		return r.unreadable(err)
	case t.Invalid:
		r.invalid(found.err)
		return nil
	case found.err != nil:
		return found.err
	}
	r.note(found.notes)
	return r.use(ctx, []*policies.Policy{found.policy}, nil)
}

func (r *running) orPolicies() string {
	if r.suite.own {
		return ", and no policies"
	}
	return ""
}

// absent is the file that is not there, if that is what an error says.
func absent(err error) (file string, is bool) {
	if file, is := errors.AsType[missing](err); is {
		return string(file), true
	}
	if wrong, is := errors.AsType[*fs.PathError](err); is && errors.Is(err, fs.ErrNotExist) {
		return wrong.Path, true
	}
	return "", false
}

// unreadable is the error of a file that the test names. Of one that is not there the row is the test's.
func (r *running) unreadable(err error) error {
	if file, ok := absent(err); ok {
		return r.wrong("there is no file %s", file)
	}
	return err
}

func (r *running) note(notes []string) {
	r.notes = append(r.notes, notes...)
}

// invalid settles a test of a constraint that is not to fit its schema.
func (r *running) invalid(err error) {
	switch {
	case errors.Is(err, gatekeeper.ErrSchema):
		r.result.Outcome = OK
		return
	case err == nil:
		r.result.Failure = "want a constraint that does not fit the schema of its kind, and it does"
	default:
		r.result.Failure = "want a constraint that does not fit the schema of its kind, and it is refused for another reason: " + err.Error()
	}
	r.result.Outcome = Failed
}

// use makes the Set that the cases are put to, with what lies beside the policies. Its cluster is that of the case that is run.
func (r *running) use(ctx context.Context, compiled []*policies.Policy, docs []policies.Document, opts ...policies.Option) error {
	namespaces := func(name string) (policies.Namespace, bool) { return r.cluster.namespaces(name) }
	opts = append(opts, policies.WithNamespaces(namespaces), policies.WithSnapshots(func() *inventory.Snapshot { return r.cluster.objects }))
	docs, err := r.beside(ctx, docs)
	if err != nil {
		return err
	}
	if !r.suite.own {
		system, faults := new(expansion.Reader).Read(docs)
		if len(faults) > 0 {
			return faults
		}
		if system != nil {
			opts = append(opts, policies.WithExpander(system))
		}
		r.set = policies.NewSet(compiled, opts...)
		return nil
	}
	more, mutate, err := r.Beside(ctx, docs, namespaces)
	if err != nil {
		return err
	}
	r.set = policies.NewSet(compiled, append(opts, more...)...)
	r.mutate = mutate(r.set)
	return nil
}

// beside adds to documents those of the files that the test names: its ExpansionTemplates and its mutators.
func (r *running) beside(ctx context.Context, docs []policies.Document) ([]policies.Document, error) {
	docs = slices.Clip(docs)
	if r.test.Expansion != "" {
		found, err := expansions(ctx, r.suite.path(r.test.Expansion))
		if err != nil {
			return nil, r.unreadable(err)
		}
		docs = append(docs, found...)
	}
	if len(r.test.Mutators) == 0 {
		return docs, nil
	}
	found, err := r.Load(ctx, from(filepath.Dir(r.suite.File), r.test.Mutators))
	switch {
	case err != nil:
		return nil, r.unreadable(err)
	case len(found.Faults) > 0:
		return nil, found.Faults
	case len(found.Specs) > 0:
		return nil, r.wrong("there is a policy among the mutators, %s in %s; name it under policies", found.Specs[0].ID, found.Specs[0].File)
	case !slices.ContainsFunc(found.Documents, isMutator):
		return nil, r.wrong("there is no mutator in %s", strings.Join(r.test.Mutators, ", "))
	}
	return append(docs, found.Documents...), nil
}

func isMutator(d policies.Document) bool {
	return d.Object.GroupVersionKind().Group == "mutations.gatekeeper.sh"
}

// expansions reads the ExpansionTemplates of a file; there is at least one, and nothing else.
func expansions(ctx context.Context, file string) ([]policies.Document, error) {
	text, err := readable(file)
	if err != nil {
		return nil, err
	}
	docs, err := documents.Split(file, text)
	if err != nil {
		return nil, err
	}
	var reader gatekeeper.Reader
	reading := reader.Read(ctx, docs)
	if len(reading.Faults) > 0 {
		return nil, reading.Faults
	}
	if len(reading.Documents) == 0 || len(reading.Documents) < len(docs) || !slices.ContainsFunc(reading.Documents, expansion.Concerns) {
		return nil, fmt.Errorf("%s:1: the expansion of a test must be an ExpansionTemplate", file)
	}
	return reading.Documents, nil
}

func (r *running) run1(ctx context.Context, c *Case, out *CaseResult) {
	begun := time.Now()
	defer func() { out.Seconds = time.Since(begun).Seconds() }()
	fail := func(err error) {
		out.Outcome = Error
		text := err.Error()
		if file, ok := absent(err); ok {
			text = fmt.Sprintf("%s: test %s, case %s: there is no file %s", c.at, r.test.Name, c.Name, file)
		} else if !strings.HasPrefix(text, r.suite.File+":") {
			text = fmt.Sprintf("%s (for %s: test %s, case %s)", text, c.at, r.test.Name, c.Name)
		}
		out.Error = text
	}
	wrong := func(at string, err error) error {
		return fmt.Errorf("%s: test %s, case %s: %w", at, r.test.Name, c.Name, err)
	}
	switch {
	case c.Object == "":
		fail(wrong(c.at, errors.New("it has no object")))
		return
	case len(c.Assertions) == 0:
		fail(wrong(c.at, errors.New("it has no assertions, and so expects nothing")))
		return
	}
	got, err := r.answer(ctx, c)
	if err != nil {
		fail(err)
		return
	}
	out.Outcome = OK
	for _, f := range got.findings {
		if f.Fault {
			r.fault(c, f, out)
		}
	}
	for i := range c.Assertions {
		a := &c.Assertions[i]
		found, err := a.check(got)
		if err == nil && a.Object != "" {
			var differs string
			if differs, err = r.object(c, a, got); differs != "" {
				found = append(found, Failure{At: a.at, Want: differs})
			}
		}
		if err != nil {
			fail(wrong(a.at, err))
			return
		}
		if len(found) > 0 {
			out.Outcome = Failed
			out.Failures = append(out.Failures, found...)
		}
	}
}

// fault tells of a policy that could not be asked. To Gatekeeper that is a violation, and to us no answer that could be the right one.
func (r *running) fault(c *Case, f review.Finding, out *CaseResult) {
	text := f.String()
	if f.Cause != "" {
		text += " (" + f.Cause + ")"
	}
	if r.suite.own {
		out.Outcome = Failed
		out.Failures = append(out.Failures, Failure{At: c.at, Want: "want an answer of every policy, and one could not be asked", Got: []string{text}})
		return
	}
	r.notes = append(r.notes, fmt.Sprintf("%s: test %s, case %s: what counts as a violation is a fault: %s", c.at, r.test.Name, c.Name, text))
}

// answer puts the question of a case.
func (r *running) answer(ctx context.Context, c *Case) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	doc, err := single(r.suite.path(c.Object))
	if err != nil {
		return answer{}, err
	}
	var beside []documents.Document
	for _, name := range c.Inventory {
		found, err := objects(r.suite.path(name))
		if err != nil {
			return answer{}, err
		}
		beside = append(beside, found...)
	}
	if r.suite.own {
		return r.own(ctx, c, doc, beside)
	}
	if r.cluster, err = clusterOf(beside); err != nil {
		return answer{}, err
	}
	req, err := admission(doc)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", doc.At(), err)
	}
	d, err := r.set.Review(ctx, req)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", doc.At(), err)
	}
	return answer{findings: d.Findings, verdict: d.Verdict}, nil
}

// own puts the question of a case of our format: as an API server does.
func (r *running) own(ctx context.Context, c *Case, doc documents.Document, beside []documents.Document) (out answer, err error) {
	if r.cluster.objects, r.cluster.namespaces, err = r.Cluster(r.set.Needs(), beside); err != nil {
		return out, err
	}
	body, err := r.framed(c, doc)
	if err != nil {
		return out, err
	}
	h, err := headOf(doc)
	if err != nil {
		return out, err
	}
	if out, err = ask(ctx, body, h.Kind, r.mutate, r.set); err != nil {
		return out, fmt.Errorf("%s: %w", doc.At(), err)
	}
	return out, nil
}

// framed is the review about an object of a case.
func (r *running) framed(c *Case, doc documents.Document) ([]byte, error) {
	by := Asker{Operation: c.Operation}
	if c.User != nil {
		by.User = *c.User
	}
	var old *documents.Document
	if c.OldObject != "" {
		found, err := single(r.suite.path(c.OldObject))
		if err != nil {
			return nil, err
		}
		old = &found
	}
	body, err := r.Frame(doc, old, by)
	if err != nil {
		return nil, fmt.Errorf("%s: test %s, case %s: %w", c.at, r.test.Name, c.Name, err)
	}
	return body, nil
}

// object says where what mutation made differs from what is expected of it.
func (r *running) object(c *Case, a *Assertion, got answer) (string, error) {
	doc, err := single(r.suite.path(a.Object))
	if err != nil {
		return "", err
	}
	body, err := r.framed(c, doc) // which puts it where the object was put
	if err != nil {
		return "", err
	}
	req, _, err := review.DialectMutate(body)
	if err != nil {
		return "", fmt.Errorf("%s: %w", doc.At(), err)
	}
	differs, err := difference(req.Object, got.object)
	if err != nil || differs == "" {
		return "", err
	}
	return fmt.Sprintf("want the object of %s, got one that differs from it in this: %s", a.Object, differs), nil
}
