package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/audit/replay"
)

// errPartial says, after the results were printed, that some things could not be judged.
var errPartial = &exitError{code: exitPartial}

// replayFlags are what the replay command was told.
type replayFlags struct {
	policies policyFlags
	against  []string
	objects  []string
	cluster  clusterFlags
	exempt   []string
	examples int
	output   string
}

func newReplay() *cobra.Command {
	var flags replayFlags
	cmd := &cobra.Command{
		Use:   "replay FILE... --policies PATH...",
		Short: "Asks recorded requests again, and prints what other policies would change",
		Long: `Reads decision logs, and audit logs of an API server (JSON lines of audit.k8s.io/v1), plain or gzipped, - for standard input. Every request
in them is asked again of other policies, and what would change is printed: what would be denied or allowed, changed otherwise, or warned of,
by policy, with users, namespaces and the first requests. It is compared with what was answered then or, with --against, with what those
policies say. Time is that of the record.
Where a record does not hold what a policy looks at, as the contents of a Secret, or the old object in an audit log, that is counted as such and
never as denied or allowed. Namespaces and objects of the cluster that policies look at are those of --objects or of the cluster's today.
The exit code is 2 when something would be newly denied, 4 when nothing would but of some requests it could not be said, 0 when neither, and 1
when a file or the policies cannot be read.`,
		Example: `  portcullis replay /var/log/portcullis/decisions.log --policies ./policies
  portcullis replay audit.log.gz --policies ./new --against ./old --objects namespaces.yaml -o markdown`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	flags.policies.register(f)
	f.StringArrayVar(&flags.against, "against", nil, "`PATH` of policies to compare with, in place of what was answered then; may be repeated")
	f.StringArrayVar(&flags.objects, "objects", nil, "`FILE` or directory with the Namespaces and other objects that policies see of the cluster; may be repeated")
	f.StringVar(&flags.cluster.kubeconfig, "kubeconfig", "", "`FILE` of a cluster whose policies are asked, unless --policies names others, and whose Namespaces and other objects they see")
	f.StringVar(&flags.cluster.context, "context", "", "`NAME` of the context in that file; without, its current one")
	f.StringArrayVar(&flags.exempt, "exempt-namespace", nil,
		"`NAME` of a namespace about which the API server does not ask, beside those about which it never does, for audit logs; may be repeated")
	f.IntVar(&flags.examples, "examples", 3, "how many requests to print of each policy and change")
	f.StringVarP(&flags.output, "output", "o", "table", "table, json or markdown")
	return cmd
}

func (f *replayFlags) check(files []string) error {
	stdin := 0
	for _, name := range slices.Concat(files, f.objects) {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case len(files) == 0:
		return errors.New("nothing to replay: name a decision log or an audit log, or - for standard input")
	case stdin > 1:
		return errors.New("standard input can be read once; the others need files")
	case !slices.Contains([]string{"table", "json", "markdown"}, f.output):
		return fmt.Errorf("-o %q is none of table, json and markdown", f.output)
	case f.examples < 1 || f.examples > 1000:
		return fmt.Errorf("--examples %d is not between 1 and 1000", f.examples)
	case f.cluster.context != "" && f.cluster.kubeconfig == "":
		return errors.New("--context goes with --kubeconfig")
	}
	return nil
}

func (f *replayFlags) run(ctx context.Context, files []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.check(files); err != nil {
		return err
	}
	world, err := f.world(ctx, stdin)
	if err != nil {
		return err
	}
	asked, against, err := f.askers(ctx, world)
	if err != nil {
		return err
	}
	logs, size, err := replayLogs(files, stdin)
	if err != nil {
		return err
	}
	defer spendMemory()()
	shown := newProgress(stderr)
	report, err := replay.Run(ctx, logs, replay.Options{
		Ask: asked.ask, Against: against.asks(), Spared: sparedOf(f.exempt), Kind: kindOfResource(), Ours: ourWebhook,
		Workers: runtime.GOMAXPROCS(0), Examples: f.examples, Progress: func(p replay.Progress) { tellReplay(shown, p, size) },
	})
	shown.done()
	if err != nil {
		return err
	}
	return f.print(report, slices.Concat(world.troubles(), asked.notes, against.remarks()), stdout, stderr)
}

// replayMemory is what the garbage that is left lying about may take together with all that is in use.
const replayMemory = 1 << 30

// spendMemory has garbage collected more rarely until it is taken back: hardly anything of a log is kept, and looking for that took a fifth of
// the time.
func spendMemory() (restore func()) {
	limit := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(limit, replayMemory))
	percent := debug.SetGCPercent(400)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// tellReplay says how far it has come: by what was read of the files or, of standard input, whose size nobody knows, by the lines.
func tellReplay(shown *progress, p replay.Progress, size int64) {
	if size == 0 {
		shown.tell("lines replayed", p.Lines, 0)
		return
	}
	shown.tell("KiB replayed", int(p.Bytes>>10), int(size>>10))
}

func (f *replayFlags) print(report *replay.Report, notes []string, stdout, stderr io.Writer) error {
	var err error
	switch f.output {
	case "json":
		err = encode(stdout, report)
	case "markdown":
		err = report.WriteMarkdown(stdout)
	default:
		if err = report.WriteTable(stdout); err == nil {
			fmt.Fprintln(stderr, report.Sums())
			for _, remark := range report.Remarks() {
				fmt.Fprintln(stderr, "  "+remark)
			}
		}
	}
	for _, note := range notes {
		fmt.Fprintf(stderr, "portcullis: %s\n", note)
	}
	switch {
	case err != nil:
		return err
	case report.Changed[replay.Denied] > 0:
		return errRefused
	case report.Unsayable() > 0:
		return errPartial
	}
	return nil
}
