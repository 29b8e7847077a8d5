package suite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
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
	case r.suite.own && (r.Load == nil || r.Frame == nil || r.Cluster == nil || r.Mutate == nil):
		return r.wrong("%w", errNotOurs)
	case t.Expansion != "" && r.Expand == nil:
		return r.wrong("%w", errNoExpansion)
	case r.suite.own && len(t.Policies) > 0 && (t.Template != "" || t.Constraint != "" || t.Invalid):
		return r.wrong("policies stand in the place of a template and a constraint; leave one or the other out")
	case r.suite.own && len(t.Policies) > 0:
		b, err := r.shelf.bundle(ctx, filepath.Dir(r.suite.File), t.Policies)
		if err != nil {
			return r.unreadable(err)
		}
		r.note(b.Notes)
		return r.use(ctx, b.compiled, policies.WithExceptions(b.Exceptions))
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
	return r.use(ctx, []*policies.Policy{found.policy})
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

// use makes the Set that the cases are put to. Its cluster is that of the case that is run.
func (r *running) use(ctx context.Context, compiled []*policies.Policy, opts ...policies.Option) error {
	r.set = policies.NewSet(compiled, append(opts,
		policies.WithNamespaces(func(name string) (policies.Namespace, bool) { return r.cluster.namespaces(name) }),
		policies.WithSnapshots(func() *inventory.Snapshot { return r.cluster.objects }))...)
	if !r.suite.own {
		return nil
	}
	var err error
	r.mutate, err = r.Mutate(ctx, r.set, from(filepath.Dir(r.suite.File), r.test.Mutators))
	return err
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
	return r.pooled(ctx, doc, req)
}

// pooled is what there is to say about an object and, if the test names an expansion, about those that come of it.
func (r *running) pooled(ctx context.Context, doc documents.Document, req *review.Request) (answer, error) {
	d, err := r.set.Review(ctx, req)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", doc.At(), err)
	}
	out := answer{findings: d.Findings, verdict: d.Verdict}
	if r.test.Expansion == "" {
		return out, nil
	}
	children, err := r.Expand(ctx, r.suite.path(r.test.Expansion), req)
	if err != nil {
		return answer{}, err
	}
	for _, child := range children {
		d, err := r.set.Review(ctx, child.Request)
		if err != nil {
			return answer{}, fmt.Errorf("%s: %w", doc.At(), err)
		}
		for _, f := range d.Findings {
			f.Message = fmt.Sprintf("[Implied by %s] %s", child.Template, f.Message)
			out.findings = append(out.findings, f)
		}
	}
	return out, nil
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
