package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	opacmd "github.com/open-policy-agent/opa/cmd"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/library"
)

// coverage reports whether a command is "test" and is to tell which rows were reached. OPA's own would count the rows of the helper packages,
// most of which no policy needs, and no --threshold would be met.
func coverage(c *cobra.Command) bool {
	if c.Name() != "test" || isSet(c, "bench") || isSet(c, "watch") || isSet(c, "bundle") {
		return false
	}
	threshold, err := c.Flags().GetFloat64("threshold")
	return err == nil && threshold >= 0 && threshold <= 100 && (isSet(c, "coverage") || threshold > 0)
}

// runCoverage is "test --coverage". The helper packages are left out of the report.
func runCoverage(c *cobra.Command, args, helpers []string) error {
	o, err := readCoverageOptions(c)
	if err != nil {
		return err
	}
	modules, store, err := tester.LoadWithParserOptions(args, o.ignored, ast.ParserOptions{
		RegoVersion: o.version, Capabilities: o.capabilities, ProcessAnnotation: true,
	})
	if err != nil {
		return err
	}
	all := maps.Clone(modules)
	for _, helper := range helpers {
		// What has no file is not covered, and does not count.
		source, err := fs.ReadFile(library.FS(), helper)
		if err != nil {
			return err
		}
		if all[helper], err = ast.ParseModuleWithOpts("", string(source), ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
			return err
		}
	}
	ctx := c.Context()
	txn, err := store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return err
	}
	defer store.Abort(ctx, txn)
	covered := cover.New()
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().
			SetErrorLimit(o.maxErrors).
			WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn)).
			WithEnablePrintStatements(true).
			WithCapabilities(o.capabilities).
			WithSchemas(o.schemas).
			WithUseTypeCheckAnnotations(true)).
		SetStore(store).
		CapturePrintOutput(true).
		StackTraces(true).
		SetCoverageRuns(o.runs).
		SetCoverageQueryTracer(covered).
		SetModules(all).
		SetTimeout(o.timeout).
		Filter(o.filter).
		SetParallel(o.parallel).
		RunTests(ctx, txn)
	if err != nil {
		return err
	}
	return o.report(c, results, tester.JSONCoverageReporter{
		Cover: covered, Modules: modules, Output: c.OutOrStdout(), Threshold: o.threshold, Verbose: o.verbose,
	})
}

// coverageOptions are the flags of OPA's "test" that matter to coverage.
type coverageOptions struct {
	version      ast.RegoVersion
	capabilities *ast.Capabilities
	schemas      *ast.SchemaSet
	ignore       []string
	runs         []cover.Kind
	filter       string
	maxErrors    int
	parallel     int
	threshold    float64
	timeout      time.Duration
	verbose      bool
	skipped      bool // a skipped test is no failure
	empty        bool // nor is no test at all
}

func readCoverageOptions(c *cobra.Command) (o coverageOptions, err error) {
	flags := c.Flags()
	var errs [7]error
	var runs []string
	o.ignore, errs[0] = flags.GetStringSlice("ignore")
	runs, errs[1] = flags.GetStringSlice("coverage-runs")
	o.filter, errs[2] = flags.GetString("run")
	o.maxErrors, errs[3] = flags.GetInt("max-errors")
	o.parallel, errs[4] = flags.GetInt("parallel")
	o.threshold, errs[5] = flags.GetFloat64("threshold")
	o.timeout, errs[6] = flags.GetDuration("timeout")
	if err := errors.Join(errs[:]...); err != nil {
		return o, err
	}
	for _, run := range runs {
		o.runs = append(o.runs, cover.Kind(run))
	}
	if o.timeout == 0 {
		o.timeout = 5 * time.Second // as the help says
	}
	o.verbose, o.skipped, o.empty = isSet(c, "verbose"), isSet(c, "exit-zero-on-skipped"), !isSet(c, "fail-on-empty")
	if o.version = ast.DefaultRegoVersion; isSet(c, "v0-compatible") {
		o.version = ast.RegoV0
	}
	name := flagValue(c, "capabilities").String()
	if o.capabilities, err = ast.LoadCapabilitiesFile(name); err != nil {
		if o.capabilities, err = ast.LoadCapabilitiesVersion(name); err != nil {
			return o, err
		}
	}
	o.schemas, err = loader.Schemas(flagValue(c, "schema").String())
	return o, err
}

func (o coverageOptions) ignored(path string, info fs.FileInfo, depth int) bool {
	return slices.ContainsFunc(o.ignore, func(pattern string) bool { return loader.GlobExcludeName(pattern, 1)(path, info, depth) })
}

// report prints what came of the tests, and returns how the command ends.
func (o coverageOptions) report(c *cobra.Command, results chan *tester.Result, reporter tester.Reporter) error {
	ran, passed := false, true
	heard := make(chan *tester.Result)
	go func() {
		defer close(heard)
		for result := range results {
			ran = true
			passed = passed && (result.Pass() || result.Skip && o.skipped)
			heard <- result
		}
	}()
	err := reporter.Report(heard)
	for range heard { // the reporter may have stopped at an error
	}
	missed, _ := errors.AsType[*cover.CoverageThresholdError](err)
	switch {
	case !ran && !o.empty:
		fmt.Fprintln(c.ErrOrStderr(), "no tests were run")
		return &opacmd.ExitError{Exit: exitFault}
	case missed != nil:
		fmt.Fprintln(c.ErrOrStderr(), missed)
	}
	if !passed || missed != nil {
		return &opacmd.ExitError{Exit: exitRefused}
	}
	return err
}
