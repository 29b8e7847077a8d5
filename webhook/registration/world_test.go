package registration

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// asking is what the policy wants that all tests begin with.
type asking struct {
	Interests []Interest
	Revision  string
}

// world is what a Keeper lives in, and what a test changes.
type world struct {
	*plane
	server  *server
	options Options
	metrics *Metrics
	keeper  *Keeper
	stop    func()

	mu        sync.Mutex
	wanted    asking
	others    []Wish
	disagree  bool
	standing  Standing
	reported  func(Standing) // called before anybody else hears of it
	owner     func(context.Context) (*metav1.OwnerReference, error)
	lease     string
	unknown   bool
	bundle    []byte
	noBundle  bool // nothing is known of it yet
	injected  bool // the bundle is left to others
	clockAdds time.Duration
	still     time.Time // the clock stands still here
	log       lines
	looks     int // how often the Keeper asked what is wanted
}

func newWorld(t *testing.T, p *plane, name string) *world {
	t.Helper()
	s := newServer(t)
	w := &world{plane: p, server: s, bundle: s.ca, options: Options{Name: name, Namespace: name + "-system", URL: s.URL}}
	p.namespace(t, w.options.Namespace)
	p.namespace(t, name)
	w.wanted = asking{[]Interest{w.interest("pods")}, "r1"}
	t.Cleanup(func() {
		w.stop()
		w.withdraw(t)
	})
	return w
}

// interest is in resources of the core group, in the namespace of the test alone: tests share a cluster.
func (w *world) interest(resources ...string) Interest {
	i := Interest{Phase: Validate, Operations: writes(), Namespaces: []string{w.options.Name}, Fail: true}
	for _, resource := range resources {
		i.Resources = append(i.Resources, Resource{"", resource, ""})
	}
	return i
}

// run starts a Keeper, as the replica does that becomes the leader.
func (w *world) run(t *testing.T) {
	t.Helper()
	var err error
	if w.metrics, err = NewMetrics(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	locked := func(read func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		read()
	}
	inputs := Inputs{
		Wanted: func() (out []Wish, err error) {
			locked(func() {
				wish := Wish{Policy: "names", Version: w.wanted.Revision, Interests: w.wanted.Interests, Served: !w.disagree}
				if out, w.looks = append([]Wish{wish}, w.others...), w.looks+1; w.unknown {
					err = errors.New("the policies were not read yet")
				}
			})
			return
		},
		Owner: w.owner, Lease: w.lease,
		Report: func(s Standing) {
			locked(func() {
				if w.reported != nil {
					w.reported(s)
				}
				w.standing = s
			})
		},
		Bundle: func() (pem []byte, ok bool) { locked(func() { pem, ok = w.bundle, !w.noBundle }); return },
	}
	if w.injected {
		inputs.Bundle = nil
	}
	now := func() (out time.Time) {
		locked(func() {
			if out = w.still; out.IsZero() {
				out = time.Now()
			}
			out = out.Add(w.clockAdds)
		})
		return
	}
	w.keeper = NewKeeper(w.dynamic, w.options, inputs, w.metrics, slog.New(slog.NewTextHandler(io.MultiWriter(logWriter{t}, &w.log), nil)), now)
	w.lead(t)
}

// lead has the Keeper run until stop.
func (w *world) lead(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.keeper.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

// set changes something and tells the Keeper.
func (w *world) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	w.keeper.Wake()
}

// settle waits until the Keeper has done all that follows from what was set.
func (w *world) settle(t *testing.T) {
	t.Helper()
	looks := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks
	}
	for range 2 { // the first look may have begun before, and has ended when there is a second
		before := looks()
		w.keeper.Wake()
		eventually(t, "a look", func(context.Context) (bool, error) { return looks() > before, nil })
	}
}

func (w *world) place(phase Phase) place {
	all := places(w.options.Name)
	return all[slices.IndexFunc(all, func(p place) bool { return p.phase == phase })]
}

// enforce is the validating webhook with Fail as it is in the cluster, or nil.
func (w *world) enforce(ctx context.Context) (*admissionregistrationv1.MutatingWebhook, error) {
	live, err := w.place(Validate).get(ctx, w.dynamic)
	return live.webhook(enforceName(Validate)), err
}

// until waits for that webhook to be as said.
func (w *world) until(t *testing.T, what string, is func(*admissionregistrationv1.MutatingWebhook) bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, error) {
		hook, err := w.enforce(ctx)
		return err == nil && is(hook), err
	})
}

func fails(hook *admissionregistrationv1.MutatingWebhook) bool {
	return hook != nil && *hook.FailurePolicy == admissionregistrationv1.Fail
}

func asksAbout(resources ...string) func(*admissionregistrationv1.MutatingWebhook) bool {
	return func(hook *admissionregistrationv1.MutatingWebhook) bool {
		return fails(hook) && len(hook.Rules) == 1 && slices.Equal(hook.Rules[0].Resources, resources)
	}
}

// untilJudged waits until the API server acts on the registration.
func (w *world) untilJudged(t *testing.T) {
	t.Helper()
	eventually(t, "a bad Pod is refused", func(ctx context.Context) (bool, error) {
		err := w.pod(ctx, w.options.Name, "bad")
		return err != nil && strings.Contains(err.Error(), `"enforce.validate.portcullis.dev" denied the request: names: bad name`), nil
	})
}

func (w *world) withdraw(t *testing.T) {
	t.Helper()
	for _, p := range places(w.options.Name) {
		// The test's context has ended when this is a clean-up.
		err := p.client(w.dynamic).Delete(context.WithoutCancel(t.Context()), p.name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

func (w *world) patch(t *testing.T, p place, kind types.PatchType, body string) {
	t.Helper()
	o := metav1.PatchOptions{FieldManager: "somebody"}
	if kind == types.ApplyPatchType {
		o.Force = new(true)
	}
	if _, err := p.client(w.dynamic).Patch(t.Context(), p.name, kind, []byte(body), o); err != nil {
		t.Fatal(err)
	}
}
