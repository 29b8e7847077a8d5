package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/review"
)

// reviewFlags are what the review command was told.
type reviewFlags struct {
	policies  policyFlags
	files     []string
	recursive bool
	user      string
	groups    []string
	namespace string
	operation string
	oldObject string
	failOn    string
	output    string
	// given reports whether a flag stands on the command line.
	given func(name string) bool
}

func newReview() *cobra.Command {
	var flags reviewFlags
	cmd := &cobra.Command{
		Use:   "review -f FILE... --policies PATH...",
		Short: "Judges manifests and reviews from files, without a cluster",
		Long: `Judges manifests, AdmissionReviews, SubjectAccessReviews, TokenReviews and ImageReviews as the server would: a manifest is mutated
first, and what comes of that is validated. Gatekeeper's ConstraintTemplates,
constraints and mutators among the files are judged by, too, as those of --policies are. Namespaces among the files are those the policies know,
and the files' objects are what they see of the cluster. The table is printed on standard
output, and the sums on standard error. Both say what no policy was asked about: it is allowed, and nobody looked at it.
Of a kind that is not built in only the name is known: its plural is guessed, and it has no namespace unless it names one.
The exit code is 0 when nothing is refused, 2 when something is, and 1 when something cannot be read or judged, whatever came of the
rest, or there is nothing to judge.`,
		Example: `  portcullis review -f pod.yaml --policies library:pods.privileged
  kubectl get pods -A -o yaml | portcullis review -f - --policies ./policies -o json`,
		Args: noArguments("-f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags.given = cmd.Flags().Changed
			return flags.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	flags.policies.register(f)
	f.StringArrayVarP(&flags.files, "filename", "f", nil, "`FILE` to judge, a directory for the .yaml, .yml and .json files in it, - for standard input; may be repeated")
	f.BoolVarP(&flags.recursive, "recursive", "R", false, "read the directories below those of -f, too")
	f.StringVar(&flags.user, "as-user", "kubernetes-admin", "`NAME` of the user who asks, for manifests")
	f.StringArrayVar(&flags.groups, "as-group", nil, "`GROUP` of the user who asks, for manifests; may be repeated")
	f.StringVarP(&flags.namespace, "namespace", "n", "default", "`NAME` of the namespace for manifests that name none and are in one")
	f.StringVar(&flags.operation, "operation", "CREATE", "what is done with a manifest: CREATE, UPDATE or DELETE")
	f.StringVar(&flags.oldObject, "old-object", "", "`FILE` with what the manifest replaces, for UPDATE")
	f.StringVar(&flags.failOn, "fail-on", "deny", "what makes the exit code 2: deny or warn")
	f.StringVarP(&flags.output, "output", "o", "table", "table or json")
	return cmd
}

func (f *reviewFlags) check() error {
	switch {
	case len(f.files) == 0:
		return fmt.Errorf("nothing to judge: add -f FILE")
	case f.output != "table" && f.output != "json":
		return fmt.Errorf("-o %q is neither table nor json", f.output)
	case f.failOn != "deny" && f.failOn != "warn":
		return fmt.Errorf("--fail-on %q is neither deny nor warn", f.failOn)
	case f.operation != "CREATE" && f.operation != "UPDATE" && f.operation != "DELETE":
		return fmt.Errorf("--operation %q is none of CREATE, UPDATE and DELETE", f.operation)
	case f.oldObject == "-" && slices.Contains(f.files, "-"):
		return fmt.Errorf("standard input cannot be both -f and --old-object; one of them needs a file")
	case f.oldObject != "" && f.operation != "UPDATE":
		return fmt.Errorf("--old-object goes with --operation UPDATE")
	case len(validation.IsDNS1123Label(f.namespace)) > 0:
		return fmt.Errorf("--namespace %q is not the name of a namespace: lower case letters, digits and dashes", f.namespace)
	}
	return nil
}

func (f *reviewFlags) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	reader, err := NewReader()
	if err != nil {
		return err
	}
	from, err := f.policies.source(reader)
	if err != nil && len(f.policies.from) > 0 {
		return err
	}
	nowhere := err
	files, err := f.read(stdin)
	if nowhere != nil && !slices.ContainsFunc(files.docs, isPolicy) {
		return nowhere
	}
	if err != nil {
		return err
	}
	bundle, err := f.load(ctx, from, files.docs)
	if err != nil {
		return err
	}
	subjects := files.subjects
	var heard hearing
	set, theirs, err := f.set(ctx, bundle, subjects, &heard)
	if err != nil {
		return err
	}
	results, err := newJudge(set, theirs, &heard).all(ctx, subjects)
	if err != nil {
		return err
	}
	for _, note := range notes(bundle.Notes, bundle.Documents) {
		fmt.Fprintf(stderr, "portcullis: %s\n", note)
	}
	for _, dir := range files.unread {
		fmt.Fprintf(stderr, "portcullis: the directory %s is not read; add --recursive to judge what is in it\n", dir)
	}
	if f.output == "json" {
		err = printJSON(stdout, results)
	} else {
		err = printTable(stdout, stderr, results, judgedBy(len(set.Policies()), len(theirs.members())))
	}
	if err != nil {
		return err
	}
	var unjudged []error
	for _, r := range results {
		if r.err != nil {
			unjudged = append(unjudged, r.err)
		}
	}
	if len(unjudged) > 0 {
		return errors.Join(unjudged...)
	}
	for _, r := range results {
		if r.refused(f.failOn) {
			return errRefused
		}
	}
	return nil
}

// load reads the policies, those among the documents of -f with them.
func (f *reviewFlags) load(ctx context.Context, from *source.Files, docs []documents.Document) (policies.Bundle, error) {
	from.Documents = docs
	bundle, err := from.Load(ctx)
	if err != nil {
		return bundle, err
	}
	if len(bundle.Faults) > 0 {
		return bundle, bundle.Faults
	}
	if len(bundle.Specs) == 0 && !anyMutator(bundle.Documents) {
		return bundle, fmt.Errorf("there are no policies in %s", strings.Join(append(slices.Clip(f.policies.from), f.policiesAmong(docs)...), ", "))
	}
	return bundle, nil
}

// set makes a Set of the policies, which sees the documents that are judged as if they all lay in the cluster, and the mutators beside them.
func (f *reviewFlags) set(ctx context.Context, bundle policies.Bundle, subjects []subject, heard *hearing) (*policies.Set, *mutatorSet, error) {
	namespaces := namespacesAmong(subjects)
	around := surroundings{namespaces: namespaces, asked: func(mutator string) { heard.Asked(mutator, 0, nil) }}
	all, err := compile(ctx, bundle, around,
		policies.WithNamespaces(namespaces), policies.WithExceptions(bundle.Exceptions), policies.WithObserver(heard))
	if err != nil {
		return nil, nil, err
	}
	var objects inventory.Store
	if err := fillInventory(&objects, all.set.Needs(), subjects, f.place); err != nil {
		return nil, nil, err
	}
	items, err := synced(subjects, f.place)
	if err != nil {
		return nil, nil, err
	}
	seen := policies.WithSnapshot(objects.Snapshot().WithSynced(items...))
	return policies.NewSet(all.set.Policies(), append(all.options, seen)...), all.theirs, nil
}

// policiesAmong names the files among which the documents that are policies are.
func (f *reviewFlags) policiesAmong(docs []documents.Document) (out []string) {
	for _, doc := range docs {
		if isPolicy(doc) && !slices.Contains(out, doc.File) {
			out = append(out, doc.File)
		}
	}
	return out
}

// refused reports whether a result is one that --fail-on asks about.
func (j judged) refused(failOn string) bool {
	if j.verdict == review.Deny {
		return true
	}
	for _, finding := range j.findings {
		if failOn == "warn" && finding.Effect == review.EffectWarn {
			return true
		}
	}
	return false
}
