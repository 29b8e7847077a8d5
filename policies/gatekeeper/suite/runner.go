package suite

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Runner runs suites. Its zero value runs Gatekeeper's; what suites of our format need beside policies, who knows all packages has to give.
type Runner struct {
	Filter Filter

	// Load reads the policies in files and directories, and those that are called library:NAME.
	Load func(ctx context.Context, paths []string) (policies.Bundle, error)
	// Frame puts a manifest into the AdmissionReview that an API server would send, which is for UPDATE about what it replaces, too. A document
	// that is a review itself it returns as it is.
	Frame func(object documents.Document, old *documents.Document, by Asker) ([]byte, error)
	// Cluster makes of objects what policies with those needs see of a cluster in which they lie.
	Cluster func(needs map[inventory.Kind]*inventory.Need, objects []documents.Document) (*inventory.Snapshot, policies.Namespaces, error)
	// Beside takes up what lies beside policies, in a cluster of those Namespaces: it returns with what a Set of them is made, and the Reviewer of
	// the stage Mutate, which asks that Set last.
	Beside func(ctx context.Context, docs []policies.Document, namespaces policies.Namespaces) ([]policies.Option, func(*policies.Set) review.Reviewer, error)
}

// Asker is who asks, and what for.
type Asker struct {
	User      User
	Operation string // CREATE, UPDATE or DELETE
}

// askTime is what the API server gives an admission webhook by default; a policy that takes longer is answered here as it would be there.
const askTime = 10 * time.Second

// Run runs the suites in files, on all processors, and tells of each when those before it have been told of. It ends early if ctx does; its
// error is that of ctx then.
func (r *Runner) Run(ctx context.Context, files []string, tell func(SuiteResult)) error {
	suites := make([]*Suite, len(files))
	errs := make([]error, len(files))
	shelf := newShelf(r)
	for i, file := range files {
		suites[i], errs[i] = ReadFile(file)
		if suites[i] != nil {
			r.expect(shelf, suites[i])
		}
	}
	results := make([]chan SuiteResult, len(files))
	for i := range results {
		results[i] = make(chan SuiteResult, 1)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	wg.Go(func() {
		for i, file := range files {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				switch {
				case errs[i] != nil:
					results[i] <- SuiteResult{File: file, Outcome: Error, Error: errs[i].Error(), Tests: []TestResult{}}
				case suites[i] != nil && ctx.Err() == nil:
					results[i] <- r.suite(ctx, shelf, suites[i])
				}
				close(results[i])
			})
		}
	})
	for i := range results {
		if result, ok := <-results[i]; ok && ctx.Err() == nil {
			tell(result)
		}
	}
	return ctx.Err()
}

// expect lets the shelf know which tests will come.
func (r *Runner) expect(shelf *shelf, s *Suite) {
	for i := range s.Tests {
		if r.chosen(s, &s.Tests[i]) {
			shelf.expect(s.Tests[i].policies(s))
		}
	}
}

func (r *Runner) chosen(s *Suite, t *Test) bool { return !s.Skip && !t.Skip && r.Filter.tests(t) }

// policies is what the shelf calls the policies of a test.
func (t *Test) policies(s *Suite) string {
	if t.bundled() {
		return nameOf(filepath.Dir(s.File), t.Policies)
	}
	return s.path(t.Template)
}

// bundled reports whether the test is about policies, or mutators, and not about a template and a constraint.
func (t *Test) bundled() bool {
	return len(t.Policies) > 0 || len(t.Mutators) > 0 && t.Template == "" && t.Constraint == ""
}

// path is a file as it is seen from the working directory.
func (s *Suite) path(name string) string { return filepath.Join(filepath.Dir(s.File), name) }

func (r *Runner) suite(ctx context.Context, shelf *shelf, s *Suite) SuiteResult {
	begun := time.Now()
	out := SuiteResult{File: s.File, Outcome: Skipped, Notes: s.Notes, Tests: []TestResult{}}
	for i := range s.Tests {
		t := &s.Tests[i]
		result := TestResult{Name: t.Name, At: t.at, Outcome: Skipped, Invalid: t.Invalid, Cases: []CaseResult{}}
		if r.chosen(s, t) {
			run := running{Runner: r, suite: s, test: t, shelf: shelf, result: &result}
			run.run(ctx)
			shelf.done(t.policies(s))
			out.Notes = append(out.Notes, run.notes...)
		}
		out.Outcome = worse(out.Outcome, result.Outcome)
		out.Tests = append(out.Tests, result)
	}
	out.Seconds = time.Since(begun).Seconds()
	return out
}

var errNotOurs = errors.New("suites of " + ownGroup + " cannot be run here, but by portcullis verify")
