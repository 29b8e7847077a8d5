package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

// verifyFlags are what the verify command was told.
type verifyFlags struct {
	run     string
	verbose bool
	output  string
}

func newVerify() *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Runs suites of tests of policies",
		Long: `Runs suites: Gatekeeper's, unmodified, as its own command runs them, and those of test.portcullis.dev/v1alpha1, which
also test policies in Rego, mutations, access reviews and tokens, as which user and in which operation.
A PATH is a suite, a directory with suites, or DIR/... for those in the directories below it, too; YAML files that hold no suite are passed over.
The results are printed on standard output, one line for each suite and below it what failed; sums and notes on standard error.
The exit code is 0 when all that was run is as expected, also if --run finds nothing to run, 2 when something is not, and 1 when something cannot be read or run, whatever came of the rest.`,
		Example: `  portcullis verify ./...
  portcullis verify library/suite.yaml -r 'owner-labels//missing' -v
  portcullis verify policies/... -o junit > report.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.verify(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&flags.run, "run", "r", "", "`REGEX` that finds the tests and cases to run, by name; TEST//CASE finds cases in tests")
	f.BoolVarP(&flags.verbose, "verbose", "v", false, "print every test and case, not only those that fail")
	f.StringVarP(&flags.output, "output", "o", "text", "text, json or junit")
	return cmd
}

func (f *verifyFlags) verify(ctx context.Context, paths []string, stdout, stderr io.Writer) error {
	switch {
	case len(paths) == 0:
		return errors.New("nothing to verify: name a suite, a directory, or DIR/... for all below it")
	case f.output != "text" && f.output != "json" && f.output != "junit":
		return fmt.Errorf("-o %q is none of text, json and junit", f.output)
	}
	filter, err := suite.ParseFilter(f.run)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	runner, err := newSuiteRunner(filter)
	if err != nil {
		return err
	}
	files, unread := suite.Find(paths)
	var report suite.Report
	told := map[string]bool{}
	err = runner.Run(ctx, files, func(result suite.SuiteResult) {
		report.Add(result)
		for _, note := range result.Notes {
			if !told[note] {
				told[note] = true
				fmt.Fprintf(stderr, "portcullis: %s\n", note)
			}
		}
		if f.output == "text" {
			fmt.Fprint(stdout, suiteText(result, f.verbose))
		}
	})
	if err != nil {
		return err
	}
	if err := f.print(stdout, report); err != nil {
		return err
	}
	return f.conclude(report, unread, paths, stderr)
}

func (f *verifyFlags) print(out io.Writer, report suite.Report) error {
	switch f.output {
	case "json":
		return printReport(out, report)
	case "junit":
		return printJUnit(out, report)
	}
	return nil
}

// conclude says the sums, and what the exit code is.
func (f *verifyFlags) conclude(report suite.Report, unread error, paths []string, stderr io.Writer) error {
	if len(report.Suites) == 0 && unread == nil {
		return fmt.Errorf("there is no suite in %s; a suite is a YAML file of kind Suite and apiVersion test.gatekeeper.sh/v1alpha1 "+
			"or test.portcullis.dev/v1alpha1, and %s finds those in directories below", strings.Join(paths, ", "), "DIR/...")
	}
	if len(report.Suites) > 0 {
		fmt.Fprintln(stderr, sums(report))
	}
	if f.run != "" && len(report.Suites) > 0 && report.Cases == report.Skipped {
		fmt.Fprintf(stderr, "portcullis: no test was run: --run %q finds no test and no case by its name; without it, -v prints them all\n", f.run)
	}
	switch {
	case unread != nil:
		return unread
	case report.Errors > 0:
		return &exitError{code: exitFault}
	case report.Failed > 0:
		return errRefused
	}
	return nil
}
