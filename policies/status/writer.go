package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	// look is how often to look when nothing tells of a change: exceptions end, and what is known of the cluster grows old.
	look = 10 * time.Second
	// quiet is how long to wait for more before writing: one bundle changes many Policies, and replicas follow one after another.
	quiet = 100 * time.Millisecond
	// retry is after how long what could not be written is tried again.
	retry = 5 * time.Second
)

// maxNote is what the API server lets the note of an event be.
const maxNote = 1024

// Writer says at all Policies, PolicyExceptions and ConfigMaps in the cluster what became of them. It must run on one server at a time: every
// write is refused by the API server if anybody wrote the object since it was read.
type Writer struct {
	// Client needs list and watch for all three kinds, patch for the status of the first two and for the ConfigMaps themselves.
	Client dynamic.Interface
	Ledger *Ledger
	// Replicas are the live ones.
	Replicas Replicas
	// ConfigMaps are the namespaces whose labelled ConfigMaps are policies, those of source.Objects.
	ConfigMaps []string
	// Inventory returns what is known of the cluster; nil means that no policy reads of it.
	Inventory func() *inventory.Snapshot
	// Asking says whether the API server asks about a policy; nil means that nobody knows.
	Asking func(*policies.Policy) Asking
	// Reports returns what the servers say of their Counts now. Nil means that nothing is counted in the status of a Policy.
	Reports func(context.Context) ([]string, error)
	// Events hears of each object that turns out faulty, and of each exception that ends; nil means nobody does.
	Events events.EventRecorder
	Log    *slog.Logger

	wake  chan struct{}
	told  string // the error that was logged last
	tally tally
}

// NewWriter returns a Writer. Its other fields may be set before Run.
func NewWriter(client dynamic.Interface, ledger *Ledger, replicas Replicas, log *slog.Logger) *Writer {
	return &Writer{Client: client, Ledger: ledger, Replicas: replicas, Log: log, wake: make(chan struct{}, 1), tally: tally{now: time.Now}}
}

// Wake has the Writer look at once. It is to be called when the replicas have changed; it never blocks.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Hear takes what a server newly says of its Counts. It is to be called whether Run runs or not, and never blocks.
func (w *Writer) Hear(report string) {
	if err := w.tally.hear(report); err != nil {
		w.Log.Warn("what a replica says of its counts is left out", "error", err)
	}
}

// shelf is where objects of one kind lie, and what is to be written at one.
type shelf struct {
	resource            schema.GroupVersionResource
	namespace, selector string
	judge               func(page, *unstructured.Unstructured) (change, error)
	store               cache.Store
}

// change is what to write at an object, and what to tell about it. The zero value is nothing.
type change struct {
	body        []byte
	as          types.PatchType
	subresource []string
	told        *happening
	wrote       func() // called when it is written; may be nil
}

// happening is what an event says.
type happening struct{ reason, action, note string }

// statusOf makes the status of an object the wanted one: whole, in one step, and only over the version it was worked out for.
func statusOf(u *unstructured.Unstructured, wanted any) (change, error) {
	body, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/resourceVersion", "value": u.GetResourceVersion()},
		{"op": "add", "path": "/status", "value": wanted},
	})
	return change{body: body, as: types.JSONPatchType, subresource: []string{"status"}}, err
}

func (w *Writer) shelves() []*shelf {
	out := []*shelf{
		{resource: resource("policies"), judge: w.policy},
		{resource: resource("policyexceptions"), judge: w.exception},
	}
	for _, namespace := range w.ConfigMaps {
		out = append(out, &shelf{
			resource: corev1.SchemeGroupVersion.WithResource("configmaps"), namespace: namespace, selector: source.ConfigMapSelector, judge: w.configMap,
		})
	}
	return out
}

func resource(plural string) schema.GroupVersionResource {
	return v1alpha1.GroupVersion().WithResource(plural)
}

// Run writes until ctx ends, then returns nil.
func (w *Writer) Run(ctx context.Context) error {
	w.Ledger.onChange(w.Wake)
	defer w.Ledger.onChange(nil)
	defer w.tally.end()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shelves := w.shelves()
	for _, s := range shelves {
		informer := dynamicinformer.NewFilteredDynamicInformer(w.Client, s.resource, s.namespace, 0, cache.Indexers{},
			func(o *metav1.ListOptions) { o.LabelSelector = s.selector }).Informer()
		s.store = informer.GetStore()
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { w.Wake() },
			UpdateFunc: func(any, any) { w.Wake() },
			DeleteFunc: func(any) { w.Wake() },
		})
		if err != nil {
			return fmt.Errorf("watch the %s: %w", s.resource.Resource, err)
		}
		wg.Go(func() { informer.RunWithContext(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	awake := true // the timer is about to fire: whoever wakes again does not put it off
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			if !awake {
				timer.Reset(quiet)
			}
			awake = true
		case <-timer.C:
			timer.Reset(w.step(ctx, shelves))
			awake = false
		}
	}
}

// step writes what has changed, and says when to look again.
func (w *Writer) step(ctx context.Context, shelves []*shelf) time.Duration {
	page := w.Ledger.page()
	page.asking, page.counting = w.Asking, w.Reports != nil
	if w.Inventory != nil {
		page.objects = w.Inventory()
	}
	var errs []error
	if err := w.beginCounting(ctx); err != nil {
		errs = append(errs, err)
	}
	for _, s := range shelves {
		for _, u := range w.inOrder(s) {
			if !page.versions.Hold(u) { // what is not loaded yet will be; until then nothing is known of it
				continue
			}
			if err := w.keep(ctx, page, s, u); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("what became of %s %s is not written there: %w", u.GetKind(), nameOf(u), err))
			}
		}
	}
	err := errors.Join(errs...)
	if err == nil || ctx.Err() != nil {
		w.told = ""
		return look
	}
	if err.Error() != w.told {
		w.told = err.Error()
		w.Log.Error("the status of policies is not as it should be; trying again", "error", err)
	}
	return retry
}

// keep writes what became of one object unless it is there already.
func (w *Writer) keep(ctx context.Context, page page, s *shelf, u *unstructured.Unstructured) error {
	c, err := s.judge(page, u)
	if err != nil || c.body == nil {
		return err
	}
	at := w.Client.Resource(s.resource).Namespace(u.GetNamespace())
	if _, err := at.Patch(ctx, u.GetName(), c.as, c.body, metav1.PatchOptions{}, c.subresource...); err != nil {
		return err
	}
	if c.wrote != nil {
		c.wrote()
	}
	if w.Events != nil && c.told != nil {
		w.Events.Eventf(u, nil, corev1.EventTypeWarning, c.told.reason, c.told.action, "%s", review.Sentence(c.told.note, maxNote))
	}
	return nil
}

func nameOf(u *unstructured.Unstructured) string {
	if u.GetNamespace() == "" {
		return u.GetName()
	}
	return u.GetNamespace() + "/" + u.GetName()
}
