package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// Reasons for which nobody is asked about an object in a file.
const (
	skippedAlone  = "no policy is about it"
	skippedPlace  = "in another namespace than is asked for"
	skippedReview = "a review, and no object"
)

// auditFiles judges manifests as if they lay in the cluster as they are.
func (f *auditFlags) auditFiles(ctx context.Context, stdin io.Reader, stderr io.Writer, shown *progress) (*audit.Report, error) {
	offline := reviewFlags{
		policies: f.policies, files: f.files, recursive: f.recursive, namespace: "default", operation: "CREATE", user: "nobody", failOn: "deny", output: "table",
	}
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	from, nowhere := f.policies.source(reader)
	if nowhere != nil && len(f.policies.from) > 0 {
		return nil, nowhere
	}
	files, err := offline.read(stdin)
	if nowhere != nil && !slices.ContainsFunc(files.docs, isPolicy) {
		return nil, nowhere
	}
	if err != nil {
		return nil, err
	}
	bundle, err := offline.load(ctx, from, files.docs)
	if err != nil {
		return nil, err
	}
	var heard hearing
	set, _, err := offline.set(ctx, bundle, files.subjects, &heard)
	if err != nil {
		return nil, err
	}
	for _, note := range notes(bundle.Notes, bundle.Documents) {
		fmt.Fprintf(stderr, "portcullis: %s\n", note)
	}
	for _, dir := range files.unread {
		fmt.Fprintf(stderr, "portcullis: the directory %s is not read; add --recursive to judge what is in it\n", dir)
	}
	kept, err := f.keep.filter(auditPolicies(set))
	if err != nil {
		return nil, err
	}
	tally, err := f.judgeFiles(ctx, &offline, set, kept, files.subjects, shown)
	if err != nil {
		return nil, err
	}
	report := tally.done()
	report.At, report.Revision, report.Policies = time.Now().UTC().Truncate(time.Second), set.Revision(), kept
	return report, nil
}

func (f *auditFlags) judgeFiles(
	ctx context.Context, offline *reviewFlags, set *policies.Set, kept []audit.Policy, subjects []subject, shown *progress,
) (*auditTally, error) {
	only := map[string]bool{}
	for _, p := range kept {
		only[p.ID] = true
	}
	tally, judge := newAuditTally(), newAuditJudge(set, nil)
	for i, s := range subjects {
		shown.tell("objects judged", i, len(subjects))
		about, object, err := offline.standing(s)
		resource := schema.GroupResource{Group: about.Group, Resource: about.Resource}.String()
		switch {
		case err != nil:
			tally.fail(s.at(), err)
			continue
		case s.head.isReview():
			tally.skip(s.head.Kind, skippedReview)
			continue
		case len(f.namespaces) > 0 && !slices.Contains(f.namespaces, inside(about)):
			tally.skip(resource, skippedPlace)
			continue
		}
		judgement, err := judge.Judge(ctx, about, object, func(id string) bool { return only[id] })
		switch {
		case ctx.Err() != nil: // what was cut short is not judged
			return nil, ctx.Err()
		case err != nil:
			tally.fail(resource, fmt.Errorf("%s: %w", s.at(), err))
			continue
		case len(judgement.Asked) == 0 && judgement.Skipped == "":
			judgement.Skipped = skippedAlone
		}
		tally.add(resource, about, judgement)
	}
	return tally, nil
}

// inside is the namespace in which an object is, or which it is.
func inside(o audit.Object) string {
	if o.Group == "" && o.Kind == "Namespace" {
		return o.Name
	}
	return o.Namespace
}

// standing is the object of a document, as it would lie in the cluster.
func (f *reviewFlags) standing(s subject) (audit.Object, []byte, error) {
	if s.err != nil {
		return audit.Object{}, nil, s.err
	}
	gv, err := schema.ParseGroupVersion(s.head.APIVersion)
	if err != nil {
		return audit.Object{}, nil, fmt.Errorf("%s: %w", s.at(), err)
	}
	plural := registration.GuessPlural(gv.WithKind(s.head.Kind).GroupKind())
	about := audit.Object{
		Group: gv.Group, Version: gv.Version, Kind: s.head.Kind, Resource: plural.Resource, Namespace: f.place(s), Name: s.head.Metadata.Name,
		File: s.file, Row: s.row,
	}
	object, err := placed(s, about.Namespace)
	if err != nil {
		return about, nil, fmt.Errorf("%s: %w", s.at(), err)
	}
	return about, object, nil
}
