package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"

	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	// countsEvery is how often the counters of a Policy are written at most; what they count happens with every request.
	countsEvery = 10 * time.Second
	// quiet is how long to wait for more before writing: one bundle changes many Policies, and replicas follow one after another.
	quiet = 100 * time.Millisecond
	// retry is after how long what could not be written is tried again.
	retry = 5 * time.Second
)

// maxNote is what the API server lets the note of an event be.
const maxNote = 1024

// Counts are how often a policy found something and how often it could not be evaluated.
type Counts struct{ Findings, Faults int64 }

// Writer keeps the status of all Policies in the cluster. It must run on one server at a time: every write is refused by the API server if
// anybody wrote the Policy since it was read.
type Writer struct {
	// Client needs list and watch for Policies, and patch for their status.
	Client dynamic.Interface
	Ledger *Ledger
	// Replicas are the live ones.
	Replicas Replicas
	// Counts returns the counts of all policies, by name; nil means that nothing is counted.
	Counts func() map[string]Counts
	// Events hears of each Policy that turns out faulty; nil means nobody does.
	Events events.EventRecorder
	Log    *slog.Logger

	wake    chan struct{}
	store   cache.Store
	counted map[string]time.Time // when the counts of a Policy were last written
	told    string               // the error that was logged last
}

// NewWriter returns a Writer. Its other fields may be set before Run.
func NewWriter(client dynamic.Interface, ledger *Ledger, replicas Replicas, log *slog.Logger) *Writer {
	return &Writer{
		Client: client, Ledger: ledger, Replicas: replicas, Log: log,
		wake: make(chan struct{}, 1), counted: map[string]time.Time{},
	}
}

// Wake has the Writer look at once. It is to be called when the replicas have changed; it never blocks.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, then returns nil.
func (w *Writer) Run(ctx context.Context) error {
	w.Ledger.onChange(w.Wake)
	defer w.Ledger.onChange(nil)
	informer := dynamicinformer.NewFilteredDynamicInformer(w.Client, resource(), metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	w.store = informer.GetStore()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.Wake() },
		UpdateFunc: func(any, any) { w.Wake() },
		DeleteFunc: func(any) { w.Wake() },
	})
	if err != nil {
		return fmt.Errorf("watch the Policies: %w", err)
	}
	ended := make(chan struct{})
	defer func() { <-ended }()
	go func() {
		defer close(ended)
		informer.RunWithContext(ctx)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			timer.Reset(quiet)
		case <-timer.C:
			timer.Reset(w.step(ctx))
		}
	}
}

func resource() schema.GroupVersionResource { return v1alpha1.GroupVersion().WithResource("policies") }

// step writes what has changed, and says when to look again.
func (w *Writer) step(ctx context.Context) time.Duration {
	page := w.Ledger.page()
	counts := map[string]Counts{}
	if w.Counts != nil {
		counts = w.Counts()
	}
	var errs []error
	for _, object := range w.store.List() {
		u, ok := object.(*unstructured.Unstructured)
		// What is not loaded yet will be; until then nothing is known of it.
		if !ok || page.versions[u.GetName()] != source.Version(u) {
			continue
		}
		if err := w.keep(ctx, page, u, counts[u.GetName()]); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("the status of Policy %s is not written: %w", u.GetName(), err))
		}
	}
	err := errors.Join(errs...)
	if err == nil || ctx.Err() != nil {
		w.told = ""
		return countsEvery
	}
	if err.Error() != w.told {
		w.told = err.Error()
		w.Log.Error("the status of Policies is not as it should be; trying again", "error", err)
	}
	return retry
}

// keep writes the status of one Policy unless it is what it should be.
func (w *Writer) keep(ctx context.Context, page page, u *unstructured.Unstructured, counts Counts) error {
	var policy v1alpha1.Policy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &policy); err != nil {
		return err
	}
	wanted := page.judge(&policy, w.Replicas)
	due := time.Since(w.counted[policy.Name]) >= countsEvery
	if same := reflect.DeepEqual(wanted, policy.Status); same && (!due || counts == Counts{policy.Status.Findings, policy.Status.Faults}) {
		return nil
	}
	if due && w.Counts != nil {
		wanted.Findings, wanted.Faults = counts.Findings, counts.Faults
		w.counted[policy.Name] = time.Now()
	}
	// Whole, in one step, and only over the version it was worked out for.
	body, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/resourceVersion", "value": policy.ResourceVersion},
		{"op": "add", "path": "/status", "value": wanted},
	})
	if err != nil {
		return err
	}
	if _, err := w.Client.Resource(resource()).Patch(ctx, policy.Name, types.JSONPatchType, body, metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	w.tell(&policy, wanted)
	return nil
}

// tell makes an event of a fault that is new.
func (w *Writer) tell(policy *v1alpha1.Policy, wanted v1alpha1.PolicyStatus) {
	if w.Events == nil || wanted.Message == "" || wanted.Message == policy.Status.Message {
		return
	}
	policy.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Policy"))
	reason, action := ReasonFaulty, "Compile"
	if meta.IsStatusConditionTrue(wanted.Conditions, v1alpha1.PolicyStalled) {
		reason = ReasonLastGoodServes
	}
	w.Events.Eventf(policy, nil, corev1.EventTypeWarning, reason, action, "%s", review.Sentence(wanted.Message, maxNote))
}
