package replicas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
)

// ReleaseLabel is the label of the replicas' Leases; its value is the name of the release.
const ReleaseLabel = "portcullis.dev/release"

// releaseOfLeader is another label, so that the Lease of the leader is not taken for a replica.
const releaseOfLeader = "app.kubernetes.io/instance"

// The annotations of a replica's Lease, which say what it serves.
const (
	RevisionAnnotation    = "portcullis.dev/revision"
	PoliciesAnnotation    = "portcullis.dev/policies"
	CertificateAnnotation = "portcullis.dev/certificate"
	HeardAnnotation       = "portcullis.dev/heard"
	PagesAnnotation       = "portcullis.dev/pages"
	// ReportAnnotation is what Options.Report says.
	ReportAnnotation = "portcullis.dev/counts"
)

// The times of the Leases. A replica that ended without a word counts for leaseTime; it may miss two renewals. Whoever leads gives up
// after renewDeadline without having renewed, which leaves it five seconds to end its writes before another may begin.
const (
	leaseTime     = 15 * time.Second
	renewEvery    = 5 * time.Second
	renewDeadline = 10 * time.Second
	retryEvery    = 2 * time.Second
	// sweepAfter is how long a Lease stays when nobody renews it, so that a person can still see what was there.
	sweepAfter = 10 * time.Minute
	// farewell bounds the last request, when the server ends anyway.
	farewell = 3 * time.Second
)

// Options say which release a server belongs to, and which of its replicas it is. Its functions and Log may be nil.
type Options struct {
	// Client needs get, list, watch, create, update and delete for Leases in Namespace.
	Client kubernetes.Interface
	// Namespace is where the release's Leases are, Name what it is called, Replica what this server is called: its Pod's name.
	Namespace, Name, Replica string
	// Owner returns with what the Leases vanish, of the cluster's or the same namespace; nil, or a function that returns nil, is nothing.
	Owner func(context.Context) *metav1.OwnerReference
	// Report returns what the Lease should say beside what is served; it rides along when the Lease is written anyway, and once more before it
	// is taken back. anew is whether the Lease was not there before; said is called once it is written. The text must leave room for the other
	// annotations, which with it may be 256 KiB. Nil is nothing to say.
	Report func(anew bool) (text string, said func())
	// Hear is called with what any replica, this one too, has newly said by Report. It must not block. Nil means that nobody listens.
	Hear func(report string)
	// Log hears who leads, and what keeps a Lease from being renewed; nil means nobody does.
	Log *slog.Logger

	times times
}

// times are those of the constants, or of a test that cannot wait so long.
type times struct{ lease, renew, deadline, retry, sweep time.Duration }

func (o Options) complete() (Options, error) {
	switch {
	case o.Client == nil:
		return o, errors.New("the replicas of a release cannot know of each other without a client")
	case o.Namespace == "" || o.Name == "" || o.Replica == "":
		return o, fmt.Errorf("a replica needs a namespace, a release and a name of its own, not %q, %q and %q", o.Namespace, o.Name, o.Replica)
	}
	if problems := validation.IsDNS1123Subdomain(o.lease()); len(problems) > 0 {
		return o, fmt.Errorf("the replica's name %q cannot be part of a Lease's name; give it another one with --replica: %s",
			o.Replica, strings.Join(problems, "; "))
	}
	if problems := validation.IsValidLabelValue(o.Name); len(problems) > 0 {
		return o, fmt.Errorf("the release's name %q cannot be the value of a label; give it another one with --name: %s",
			o.Name, strings.Join(problems, "; "))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.times == (times{}) {
		o.times = times{leaseTime, renewEvery, renewDeadline, retryEvery, sweepAfter}
	}
	return o, nil
}

func (o Options) lease() string { return o.Name + "-replica-" + o.Replica }

func (o Options) owners(ctx context.Context) []metav1.OwnerReference {
	if o.Owner == nil {
		return nil
	}
	owner := o.Owner(ctx)
	if owner == nil {
		return nil
	}
	return []metav1.OwnerReference{*owner}
}

func (o Options) leaderLease() string { return o.Name + "-leader" }
