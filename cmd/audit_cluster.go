package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/sweep"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
)

// auditCluster judges what is in a cluster, once.
func (f *auditFlags) auditCluster(ctx context.Context, stderr io.Writer, shown *progress) (*audit.Report, error) {
	config, err := f.cluster.config()
	if err != nil {
		return nil, err
	}
	from, err := f.policyFiles(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	looking, err := newOnlooker(ctx, config, from)
	if err != nil {
		return nil, err
	}
	load, err := looking.look(ctx, shown)
	if err != nil {
		return nil, err
	}
	for _, note := range notes(load.Notes, load.Documents) {
		fmt.Fprintf(stderr, "portcullis: %s\n", note)
	}
	kept, err := f.keep.filter(auditPolicies(load.Set))
	if err != nil {
		return nil, err
	}
	cluster, err := sweep.NewCluster(config)
	if err != nil {
		return nil, err
	}
	if err := areThere(ctx, cluster, f.namespaces); err != nil {
		return nil, err
	}
	once := newAuditOnce(cluster, load.Set, kept, f.namespaces, shown)
	if err := once.all(ctx); err != nil {
		return nil, err
	}
	for _, fault := range load.Faults { // of which nothing is known: neither what it is about nor what it would say
		once.tally.fault(policyKinds, fault.Err.Error())
	}
	for _, trouble := range looking.troubles {
		once.tally.fault(policyKinds, trouble)
	}
	report := once.tally.done()
	report.At, report.Revision, report.Policies = time.Now().UTC().Truncate(time.Second), load.Set.Revision(), kept
	report.Cluster = cmp.Or(f.cluster.clusterName(), config.Host)
	return report, nil
}

// policyKinds is what the report calls policies that are faulty.
const policyKinds = "policies in force"

// policyFiles are the policies of --policies, nil without; they are read before the cluster is asked anything.
func (f *auditFlags) policyFiles(ctx context.Context) (*source.Files, error) {
	if len(f.policies.from) == 0 {
		return nil, nil
	}
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	from, err := f.policies.source(reader)
	if err != nil {
		return nil, err
	}
	bundle, err := from.Load(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(bundle.Faults) > 0:
		return nil, bundle.Faults
	case len(bundle.Specs) == 0:
		return nil, fmt.Errorf("there are no policies in %s", strings.Join(f.policies.from, ", "))
	}
	return from, nil
}

// auditOnce lists everything that policies are about, and has it judged.
type auditOnce struct {
	cluster    sweep.Cluster
	judge      audit.Judge
	kept       []policies.Spec // that are asked
	ids        map[string]bool
	namespaces []string // nil: all
	tally      *auditTally
	shown      *progress
	judged     int
}

func newAuditOnce(cluster sweep.Cluster, set *policies.Set, kept []audit.Policy, namespaces []string, shown *progress) *auditOnce {
	out := &auditOnce{cluster: cluster, judge: newAuditJudge(set, nil), ids: map[string]bool{}, namespaces: namespaces, tally: newAuditTally(), shown: shown}
	for _, p := range kept {
		out.ids[p.ID] = p.Unaudited == ""
	}
	for _, p := range set.Policies() {
		if spec := p.Spec(); out.ids[spec.ID] {
			out.kept = append(out.kept, spec)
		}
	}
	return out
}

// all goes through all resources that some policy is about. One that cannot be listed is trouble of its own; the others are listed all the same.
func (a *auditOnce) all(ctx context.Context) error {
	resources, err := a.cluster.Resources(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && len(resources) == 0 {
		return fmt.Errorf("the cluster does not tell its kinds: %w", err)
	}
	if err != nil {
		a.tally.fault("some kinds of the cluster", fmt.Sprintf("The cluster does not tell them: %v.", err))
	}
	resources = slices.DeleteFunc(resources, func(r sweep.Resource) bool {
		return !slices.ContainsFunc(a.kept, func(spec policies.Spec) bool { return concerns(spec.Match)(r) })
	})
	slices.SortFunc(resources, func(x, y sweep.Resource) int { return cmp.Compare(x.String(), y.String()) })
	resources = within(resources, a.namespaces)
	for i, r := range resources {
		a.tally.of(r.String())
		err := sweep.Once(ctx, a.cluster, r, func(page []sweep.Found) error {
			a.shown.tell(fmt.Sprintf("%d objects judged; resources", a.judged), i, len(resources))
			return a.page(ctx, r, page)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case apierrors.IsForbidden(err):
			a.tally.fault(r.String(), lackedRight(r))
		case err != nil:
			a.tally.fault(r.String(), fmt.Sprintf("It could not be listed to the end: %v.", err))
		}
	}
	return nil
}

// page judges a page, on all processors.
func (a *auditOnce) page(ctx context.Context, r sweep.Resource, page []sweep.Found) error {
	judgements := make([]audit.Judgement, len(page))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(page)) {
		wg.Go(func() {
			for i := range next {
				judgements[i] = a.one(ctx, &page[i])
			}
		})
	}
	for i := range page {
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil { // what was cut short is not judged
		return ctx.Err()
	}
	for i, found := range page {
		if found.Err != nil {
			a.tally.fail(r.String(), fmt.Errorf("%s: %w", found.About, found.Err))
			continue
		}
		a.tally.add(r.String(), found.About, judgements[i])
		a.judged++
	}
	return nil
}

func (a *auditOnce) one(ctx context.Context, found *sweep.Found) (j audit.Judgement) {
	if found.Err != nil {
		return j
	}
	j, found.Err = a.judge.Judge(ctx, found.About, found.JSON, func(id string) bool { return a.ids[id] })
	return j
}
