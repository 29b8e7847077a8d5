package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// The annotations of a configuration that say that the cluster is unlocked. Once their time is over they mean nothing, and stay as a record.
const (
	UnlockedUntil  = "portcullis.dev/unlocked-until" // RFC 3339
	UnlockedBy     = "portcullis.dev/unlocked-by"
	UnlockedReason = "portcullis.dev/unlocked-reason"
)

// MaxUnlock is how long a cluster may be unlocked at a time. What must last longer is not an emergency, and has an owner who comes back.
const MaxUnlock = 24 * time.Hour

// clocksApart is by how much the clock of who unlocks may be ahead of ours.
const clocksApart = 5 * time.Minute

// Unlocked says until when there are no webhooks, and why.
type Unlocked struct {
	Until      time.Time
	By, Reason string
}

// ErrNotRegistered is the error of Unlock and Lock when there is nothing to change.
var ErrNotRegistered = errors.New("there is no webhook configuration")

// Unlock takes the webhooks out of the release's configurations until period from now, at most MaxUnlock. It needs nothing but the API
// server, which asks no webhook about this, and works although no Portcullis is running: where one is, it puts them back when the time is
// over; where none is, they are put back when one runs again. Unlocking what is unlocked sets a new end.
func Unlock(ctx context.Context, client dynamic.Interface, name string, period time.Duration, reason, by string, now time.Time) (Unlocked, error) {
	u := Unlocked{Until: now.Add(period).UTC().Truncate(time.Second), By: by, Reason: reason}
	switch {
	case period <= 0 || period > MaxUnlock:
		return Unlocked{}, fmt.Errorf("a cluster can be unlocked for at most %v, not for %v", MaxUnlock, period)
	case reason == "":
		return Unlocked{}, errors.New("say why the cluster is unlocked; it is kept with the webhook configurations")
	case by == "":
		return Unlocked{}, errors.New("say who unlocks the cluster; it is kept with the webhook configurations")
	}
	return u, patch(ctx, client, name, map[string]any{
		"metadata": map[string]any{"annotations": u.annotations()},
		"webhooks": []any{},
	})
}

// Lock ends what Unlock began. The Portcullis that is running, or the next to run, registers the webhooks again.
func Lock(ctx context.Context, client dynamic.Interface, name string) error {
	return patch(ctx, client, name, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{UnlockedUntil: nil, UnlockedBy: nil, UnlockedReason: nil}},
	})
}

// patch changes all the configurations of a release that exist, whatever has become of them: in an emergency nobody wants to hear of a
// conflict.
func patch(ctx context.Context, client dynamic.Interface, name string, change map[string]any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("change the webhook configurations: %w", err)
	}
	found := 0
	var errs []error
	for _, p := range places(name) {
		_, err := p.client(client).Patch(ctx, p.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager + "-unlock"})
		switch {
		case err == nil:
			found++
		case !apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("change the %s: %w", p, err))
		}
	}
	if len(errs) == 0 && found == 0 {
		return fmt.Errorf("%w named %q; if the release has another name, give it with --name", ErrNotRegistered, name)
	}
	return errors.Join(errs...)
}

// unlocked returns what the configurations say about it, nil if nothing that counts now. One of them is enough: the others may have been
// deleted. What is malformed or further ahead than MaxUnlock does not count, and is an error.
func unlocked(live []*object, now time.Time) (*Unlocked, error) {
	var errs []error
	for _, o := range live {
		if o == nil || o.Annotations[UnlockedUntil] == "" {
			continue
		}
		until, err := time.Parse(time.RFC3339, o.Annotations[UnlockedUntil])
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s %s: annotation %s: %w", o.Kind, o.Name, UnlockedUntil, err))
		case !until.After(now):
		case until.Sub(now) > MaxUnlock+clocksApart:
			errs = append(errs, fmt.Errorf("%s %s: annotation %s is more than %v ahead", o.Kind, o.Name, UnlockedUntil, MaxUnlock))
		default:
			return &Unlocked{Until: until, By: o.Annotations[UnlockedBy], Reason: o.Annotations[UnlockedReason]}, nil
		}
	}
	return nil, errors.Join(errs...)
}
