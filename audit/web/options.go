package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// What people may see is said by rights, with the verb get, to resources of this group. There are no such objects: the names stand in roles alone.
const (
	Group = "portcullis.dev"
	// Findings are what the audit found in a namespace; in none, what it found in the whole cluster.
	Findings = "findings"
	// Decisions are what was decided at the door about what is in a namespace; in none, all that was decided.
	Decisions = "decisions"
	// Policies are the policies in force with their source, and how the server fares. They are not of a namespace.
	Policies = "policies"
)

// Options of New. Their functions are called from many goroutines.
type Options struct {
	// Cluster is what the pages call the cluster; may be empty.
	Cluster string
	// Who asks whose token it is, as TokenReview does: of one that is nobody's, authenticated is false. An error means that it is not known.
	Who func(ctx context.Context, token string) (user authenticationv1.UserInfo, authenticated bool, err error)
	// May asks whether somebody may do something, as SubjectAccessReview does. An error means that it is not known.
	May func(ctx context.Context, review authorizationv1.SubjectAccessReviewSpec) (bool, error)
	// Found returns what the audit has found, and false before it has looked at everything once. Nil: nothing is audited.
	Found func() (audit.Report, bool)
	// Changes is another number when Found may return something else than before.
	Changes func() uint64
	// Decisions are the latest records of what was decided; nil: none are kept.
	Decisions *decisions.Recent
	// Peers are the other replicas that are alive, which judge other parts of the cluster and answer other requests; an error is that they are not
	// known. Each is asked for its part of a page. Nil: there are none.
	Peers func() ([]Peer, error)
	// Client returns who asks them by HTTPS. It must trust nobody but servers of the release: who looks at a page has their token sent along. It is
	// needed with Peers.
	Client func() (*http.Client, error)
	// Health returns how the server fares.
	Health func() Health
	// Detail returns what there is to know of a policy in force beside what the audit says; false of one that is not in force. Nil: nothing.
	Detail func(id string) (Detail, bool)
	// Why returns the rules of the policies in force that say today what a record has, and a sentence about what that leaves open; it is asked one
	// record at a time. Nil: nobody knows.
	Why func(ctx context.Context, record *decisions.Record) (fired []Fired, note string)
	// Count hears of each page that was asked for, by the pattern of its address and the status of HTTP. May be nil.
	Count func(page string, status int)
	// Log hears of what could not be asked. Nil discards.
	Log *slog.Logger
	// Now is the clock by which answers are remembered. Nil means time.Now.
	Now func() time.Time
}

// Health is how a server fares at one moment.
type Health struct {
	Replica  string    // what it is called
	Version  string    // of the program
	Checks   []Check   // the conditions of readiness
	Replicas []Replica // those that are alive, this one too; none where it is alone
	Expires  time.Time // when the certificate it shows ends; zero when that is not known
}

// Check is a condition of readiness.
type Check struct {
	Name string
	Lack string // why it is not met, as one sentence; empty if it is
	Note string // what should be known although it is met
}

// Replica is a server of the release.
type Replica struct {
	Name, Revision string
	Heard          string // the stages at which the API server asked it
}

// Detail is a policy as its author knows it.
type Detail struct {
	Enforcement string
	Match       string // what it is about, in words
	File        string // where it was read
	Parameters  string // in force, as JSON; empty if it has none
	Source      []File // its Rego
	Tests       []File // that lie beside it
}

// File is a text with a name.
type File struct{ Name, Text string }

func (o Options) complete() (Options, error) {
	switch {
	case o.Who == nil || o.May == nil:
		return o, errors.New("pages need to know who looks at them, and what they may see")
	case o.Health == nil:
		return o, errors.New("pages need to know how the server fares")
	case o.Peers != nil && o.Client == nil:
		return o, errors.New("pages need to know how to ask other replicas")
	case o.Found != nil && o.Changes == nil:
		return o, errors.New("pages need to know when what was found has changed")
	}
	if o.Peers == nil {
		o.Peers = func() ([]Peer, error) { return nil, nil }
	}
	if o.Count == nil {
		o.Count = func(string, int) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
