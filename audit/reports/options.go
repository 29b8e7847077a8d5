package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/audit"
)

// Observer hears how the writing fares. Its methods must return at once and may be called from any goroutine.
type Observer interface {
	// Held is called when all that is to be written was looked at: the objects of this shard with their bytes as JSON, and the results that the
	// bounds left no room for.
	Held(objects, bytes, omitted int)
	// Wrote is called for each write, with "applied", "deleted" or "failed".
	Wrote(what string)
}

// Options say what to write. Config, Release, Shard and Found must be set.
type Options struct {
	Config *rest.Config
	Release
	Shard  string // the name of this replica
	Choice Choice // empty is Auto
	// Found returns all that this replica has found, or false as long as not everything was looked at once: reports stay as they are until then.
	Found func() (audit.Report, bool)
	// Changes is another number when Found may return another report; nil is that it always may.
	Changes func() uint64
	// Members are the replicas that are alive, this one among them or not; an error is that this is not known, and changes nothing. Nil is that
	// this is the only one.
	Members func() ([]string, error)
	// Owner is with what the reports vanish; nil, or to return nil, is that they stay.
	Owner    func(context.Context) (*metav1.OwnerReference, error)
	Observer Observer
	Log      *slog.Logger

	times times
}

// times are the pauses of a writer, or those of a test.
type times struct{ look, counts, discover, resync, retry, grace time.Duration }

const (
	// lookEvery is how often to look for results that have changed: they are in the reports within two seconds where no more reports than a burst of
	// writes are concerned.
	lookEvery = time.Second
	// countsEvery is how often a report is written of which only the numbers have changed, which happens whenever an object is made or goes.
	countsEvery = 10 * time.Second
	// discoverEvery is how often to ask which kinds the cluster serves.
	discoverEvery = 30 * time.Second
	// resyncEvery is how often to read what is there: what others have changed or deleted is put right.
	resyncEvery = 5 * time.Minute
	// retryEvery is how often to try again what failed.
	retryEvery = 10 * time.Second
	// goneFor is how long a replica must have been gone before its reports are deleted: until then the others have taken over its objects.
	goneFor = 20 * time.Second
)

func (o Options) complete() (Options, *store, error) {
	if o.Config == nil || o.Found == nil || o.Shard == "" {
		return o, nil, errors.New("reports need a cluster, a shard and what was found")
	}
	o.Choice = cmp.Or(o.Choice, Auto)
	if !slices.Contains(Choices(), o.Choice) {
		return o, nil, fmt.Errorf("there are no reports %q", o.Choice)
	}
	if o.Members == nil {
		o.Members = func() ([]string, error) { return []string{o.Shard}, nil }
	}
	if o.Owner == nil {
		o.Owner = func(context.Context) (*metav1.OwnerReference, error) { return nil, nil } //nolint:nilnil // nothing is an answer
	}
	if o.Observer == nil {
		o.Observer = deaf{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.times == (times{}) {
		o.times = times{lookEvery, countsEvery, discoverEvery, resyncEvery, retryEvery, goneFor}
	}
	s, err := newStore(o.Config, o.Release)
	return o, s, err
}

type deaf struct{}

func (deaf) Held(int, int, int) {}
func (deaf) Wrote(string)       {}
