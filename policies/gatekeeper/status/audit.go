package status

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/review"
)

// MaxViolations is how many of a constraint's violations its status lists, as many as Gatekeeper lists unless it is told otherwise.
const MaxViolations = 20

const (
	// maxViolation bounds the message of a violation in bytes, as Gatekeeper does.
	maxViolation = 256
	// auditEvery is how often to look whether the audit has found anything new, and freshFor for how long a time that is written counts as now:
	// each write reaches everybody who watches constraints.
	auditEvery, freshFor = 10 * time.Second, 10 * time.Minute
	// partsField is where replicas say what they found, by their names: each audits a part of the objects.
	partsField = "auditByReplica"
)

// Violations are what an audit has found by one constraint.
type Violations struct {
	Total int         `json:"totalViolations"`
	First []Violation `json:"violations,omitempty"` // in an order that stays, at most MaxViolations
}

// Violation is one object that a constraint does not let pass.
type Violation struct {
	Group             string `json:"group"`
	Version           string `json:"version"`
	Kind              string `json:"kind"`
	Namespace         string `json:"namespace,omitempty"`
	Name              string `json:"name"`
	Message           string `json:"message"`
	EnforcementAction string `json:"enforcementAction"`
}

// part is what one replica has found, and when that was so.
type part struct {
	At string `json:"auditTimestamp"`
	Violations
}

// AuditWriter writes what an audit has found at constraints, where Gatekeeper's users look for it. Each replica says what it has found itself, in a
// place of its own, and the leader adds up what those say that are alive. Where a Gatekeeper audits the same constraints, it leaves them to that.
type AuditWriter struct {
	// Client needs patch for the status of constraints.
	Client dynamic.Interface
	// Release and Replica are the names of this server.
	Release, Replica string
	Followed         func() []source.Followed
	// Found returns what this replica has found, by policy, or false if that is not known yet.
	Found func() (map[string]Violations, bool)
	// Replicas are the names of those that are alive.
	Replicas func() ([]string, error)
	Log      *slog.Logger
}

// RunPart writes this replica's part until ctx ends; then it returns nil.
func (w *AuditWriter) RunPart(ctx context.Context) error { return w.run(ctx, w.parts) }

// RunSum writes the sum of all parts until ctx ends; then it returns nil. It must run on one server at a time.
func (w *AuditWriter) RunSum(ctx context.Context) error { return w.run(ctx, w.sums) }

func (w *AuditWriter) run(ctx context.Context, step func(context.Context, time.Time) error) error {
	ticker := time.NewTicker(auditEvery)
	defer ticker.Stop()
	told := ""
	for {
		said := ""
		if err := step(ctx, time.Now()); err != nil && ctx.Err() == nil {
			if said = err.Error(); said != told {
				w.Log.Error("the status of constraints does not say what the audit has found; trying again", "error", err)
			}
		}
		told = said
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// parts writes what this replica has found.
func (w *AuditWriter) parts(ctx context.Context, now time.Time) error {
	found, known := w.Found()
	if !known {
		return nil
	}
	return w.each(func(s subject) error {
		mine := found[policyOf(s.at, s.GetKind(), s.GetName())]
		mine.First = slices.Clone(mine.First[:min(len(mine.First), MaxViolations)])
		action, ok, _ := unstructured.NestedString(s.Object, "spec", "enforcementAction")
		if !ok {
			action = "deny"
		}
		for i := range mine.First {
			mine.First[i].Message, mine.First[i].EnforcementAction = review.Sentence(mine.First[i].Message, maxViolation), action
		}
		before := partsOf(s.Unstructured)[w.Replica]
		if reflect.DeepEqual(before.Violations, mine) && fresh(before.At, now) {
			return nil
		}
		return w.patch(ctx, s, "", map[string]any{partsField: map[string]any{w.Replica: mine.at(now)}})
	})
}

// sums writes what all have found.
func (w *AuditWriter) sums(ctx context.Context, now time.Time) error {
	live, err := w.Replicas()
	if err != nil {
		return nil //nolint:nilerr // who keeps the Leases tells of what keeps him from it
	}
	return w.each(func(s subject) error {
		sum, gone := Violations{}, map[string]any{}
		all := partsOf(s.Unstructured)
		for name, one := range all {
			if !slices.Contains(live, name) {
				gone[name] = nil
				continue
			}
			sum.Total += one.Total
			sum.First = append(sum.First, one.First...)
		}
		if len(all) == len(gone) { // whoever is alive has not said anything yet
			return nil
		}
		slices.SortFunc(sum.First, func(a, b Violation) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind),
				cmp.Compare(a.Name, b.Name), cmp.Compare(a.Message, b.Message))
		})
		sum.First = sum.First[:min(len(sum.First), MaxViolations)]
		var before part
		status, _, _ := unstructured.NestedMap(s.Object, "status")
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(status, &before) // what cannot be read is written anew
		if reflect.DeepEqual(before.Violations, sum) && fresh(before.At, now) && len(gone) == 0 {
			return nil
		}
		next := sum.at(now)
		if len(gone) > 0 {
			next[partsField] = gone
		}
		return w.patch(ctx, s, s.GetResourceVersion(), next)
	})
}

// at is how a status says them; a merge patch must say, too, that there are none any more.
func (v Violations) at(now time.Time) map[string]any {
	out := map[string]any{"auditTimestamp": now.UTC().Format(time.RFC3339), "totalViolations": v.Total, "violations": nil}
	if len(v.First) > 0 {
		out["violations"] = v.First
	}
	return out
}

// each calls write with the constraints that are ours to audit.
func (w *AuditWriter) each(write func(subject) error) error {
	var errs []error
	for _, kind := range w.Followed() {
		shape, ok := shapeOf(kind.Resource)
		if !ok || kind.Resource.Group != constraints {
			continue
		}
		for _, u := range kind.List() {
			if auditedBeside(u, w.Release) {
				continue
			}
			err := write(subject{u, kind.Resource, shape})
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err))
			}
			if len(errs) == perStep {
				return errors.Join(errs...)
			}
		}
	}
	return errors.Join(errs...)
}

// auditedBeside reports whether some Pod of a Gatekeeper says that it audits the constraint.
func auditedBeside(u *unstructured.Unstructured, release string) bool {
	foreign, _ := entries(u, release)
	return slices.ContainsFunc(foreign, func(one any) bool {
		entry, _ := one.(map[string]any)
		operations, _ := entry["operations"].([]any)
		return slices.Contains(operations, any("audit"))
	})
}

// partsOf are what replicas have said, by their names.
func partsOf(u *unstructured.Unstructured) map[string]part {
	all, _, _ := unstructured.NestedMap(u.Object, "status", partsField)
	out := map[string]part{}
	for name, one := range all {
		content, _ := one.(map[string]any)
		var p part
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &p); err != nil {
			p = part{}
		}
		out[name] = p
	}
	return out
}

func fresh(at string, now time.Time) bool {
	then, err := time.Parse(time.RFC3339, at)
	return err == nil && now.Sub(then) < freshFor
}

func (w *AuditWriter) patch(ctx context.Context, s subject, over string, status map[string]any) error {
	content := map[string]any{"status": status}
	if over != "" {
		content["metadata"] = map[string]any{"resourceVersion": over}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return err
	}
	_, err = w.Client.Resource(s.at).Patch(ctx, s.GetName(), types.MergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}
