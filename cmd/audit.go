package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/review"
)

// auditFlags are what the audit command was told.
type auditFlags struct {
	policies  policyFlags
	cluster   clusterFlags
	files     []string
	recursive bool

	keep       auditKeep
	namespaces []string

	failOn, by, output, outputFile string
}

func newAudit() *cobra.Command {
	var flags auditFlags
	cmd := &cobra.Command{
		Use:   "audit [-f FILE... --policies PATH...]",
		Short: "Judges what is already in a cluster, or in files, and reports it",
		Long: `Judges what is already there: all objects of a cluster that a policy is about, by the policies in force in it or by those of --policies; or,
with -f, manifests, by those of --policies. Nothing is changed, neither in the cluster nor of a manifest before it is judged. Policies that ask who does
something, or what is done, cannot be asked about what is there; the report names them.
The report is grouped by policy, namespace, control (as cis-1.9/5.2.2) or severity, and says at its end whether all that was listed was judged.
The report is written on standard output or to --output-file, the sums on standard error.
The exit code is 0, or 2 when something is found that --fail-on asks about, 4 when something could not be judged, and 1 when nothing could.`,
		Example: `  portcullis audit --kubeconfig ~/.kube/config --by control --output-file audit.html
  portcullis audit -f ./manifests --policies library:pss-restricted -o sarif`,
		Args: noArguments("-f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	flags.policies.register(f)
	flags.cluster.registerCluster(f)
	f.StringArrayVarP(&flags.files, "filename", "f", nil,
		"`FILE` to judge instead of a cluster, a directory for the .yaml, .yml and .json files in it, - for standard input; may be repeated")
	f.BoolVarP(&flags.recursive, "recursive", "R", false, "read the directories below those of -f, too")
	f.StringArrayVarP(&flags.namespaces, "namespace", "n", nil, "`NAME` of a namespace whose objects alone are judged; may be repeated")
	f.StringArrayVar(&flags.keep.policies, "policy", nil, "`ID` of a policy by which alone is judged, or its topic, as pods; may be repeated")
	f.StringArrayVar(&flags.keep.controls, "control", nil, "`ID` of a control for whose policies alone is judged, as pss/baseline, or its standard, as cis-1.9; may be repeated")
	f.StringArrayVar(&flags.keep.severities, "severity", nil, "low, medium, high or critical: of that severity alone; may be repeated")
	f.StringVar(&flags.by, "by", "policy", "what the report is grouped by: policy, namespace, control or severity")
	f.StringVar(&flags.failOn, "fail-on", "deny", "what makes the exit code 2: deny, what would be refused now; warn, what would be warned of, too; none")
	f.StringVarP(&flags.output, "output", "o", "", "table, json, html, csv, sarif, junit, markdown or report; without, what the name of --output-file says, or table")
	f.StringVar(&flags.outputFile, "output-file", "", "`FILE` to write the report to")
	return cmd
}

func (f *auditFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	var report *audit.Report
	var err error
	shown := newProgress(stderr)
	if len(f.files) > 0 {
		report, err = f.auditFiles(ctx, stdin, stderr, shown)
	} else {
		report, err = f.auditCluster(ctx, stderr, shown)
	}
	shown.done()
	if err != nil {
		return err
	}
	if err := f.write(stdout, report); err != nil {
		return err
	}
	fmt.Fprintln(stderr, auditSums(report))
	switch {
	case !report.Whole():
		return &exitError{exitPartial, errors.New("not everything could be judged; the report says what, and why")}
	case f.failed(report):
		return errRefused
	}
	return nil
}

// formatOf is the format a file's name stands for.
func formatOf(file string) (export.Format, bool) {
	format, known := map[string]export.Format{
		".html": export.HTML, ".htm": export.HTML, ".json": export.JSON, ".csv": export.CSV, ".sarif": export.SARIF, ".xml": export.JUnit,
		".md": export.Markdown, ".yaml": export.Objects, ".yml": export.Objects, ".txt": export.Table,
	}[strings.ToLower(filepath.Ext(file))]
	return format, known
}

func (f *auditFlags) check() error {
	if f.output == "" {
		format, known := formatOf(f.outputFile)
		if f.outputFile != "" && !known {
			return fmt.Errorf("--output-file %s does not say its format; add -o", f.outputFile)
		}
		f.output = string(format)
		if !known {
			f.output = string(export.Table)
		}
	}
	oneOf := func(flag, value string, values []string) error {
		if slices.Contains(values, value) {
			return nil
		}
		return fmt.Errorf("%s %q is none of %s", flag, value, spelling.Listed(values, "and"))
	}
	severities := []error{}
	for _, severity := range f.keep.severities {
		severities = append(severities, oneOf("--severity", severity, []string{"low", "medium", "high", "critical"}))
	}
	return errors.Join(append(severities,
		oneOf("-o", f.output, texts(export.Formats())),
		oneOf("--by", f.by, texts(export.Groupings())),
		oneOf("--fail-on", f.failOn, []string{"deny", "warn", "none"}))...)
}

// texts are values as texts.
func texts[T ~string](values []T) (out []string) {
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// write writes the report where it is wanted. A file is there as a whole or not at all; who may read it is who wrote it: it says where a cluster is weak.
func (f *auditFlags) write(stdout io.Writer, report *audit.Report) error {
	o := export.Options{By: export.By(f.by)}
	if f.outputFile == "" {
		o.Width, _ = terminalWidth(stdout)
		o.Color = colored(stdout)
		return export.Write(stdout, report, export.Format(f.output), o)
	}
	file, err := os.CreateTemp(filepath.Dir(f.outputFile), "."+filepath.Base(f.outputFile)+"-*")
	if err != nil {
		return fmt.Errorf("--output-file: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // which is not there any more when all went well
	err = export.Write(file, report, export.Format(f.output), o)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), f.outputFile)
	}
	if err != nil {
		return fmt.Errorf("--output-file: %w", err)
	}
	return nil
}

// failed reports whether something was found that --fail-on asks about: what a policy's refusals do at the door decides.
func (f *auditFlags) failed(report *audit.Report) bool {
	effects := map[string]review.Effect{}
	for _, p := range report.Policies {
		effects[p.ID] = p.Effect
	}
	return slices.ContainsFunc(report.Results, func(r audit.Result) bool {
		effect := effects[r.Policy]
		switch f.failOn {
		case "deny":
			return r.Outcome == audit.Fail && effect == review.EffectDeny
		case "warn":
			return (r.Outcome == audit.Fail || r.Outcome == audit.Warn) && effect != review.EffectAudit
		default:
			return false
		}
	})
}

// auditSums is the last line, for people.
func auditSums(report *audit.Report) string {
	judged, lacking := 0, 0
	for _, c := range report.Coverage {
		judged, lacking = judged+c.Evaluated, lacking+c.Errored
		if c.Trouble != "" && c.Errored == 0 {
			lacking++
		}
	}
	total, asked := report.Total(), 0
	for _, p := range report.Policies {
		if p.Unaudited == "" {
			asked++
		}
	}
	line := fmt.Sprintf("%d judged by %s: %d fail, %d warn, %d excepted, %d pass", judged, judgedBy(asked, 0), total.Fail, total.Warn, total.Skip, total.Pass)
	if lacking > 0 {
		line += fmt.Sprintf("; %d could not be judged", lacking)
	}
	return line
}
