package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// remembered is an unlocking that this Keeper, or the one before, has seen. The configurations that say so go with what owns them, and that
// must not lock a cluster which somebody has unlocked because he needs it so.
type remembered struct {
	*Unlocked
	by []bool // whether the configuration at that place has said so
}

// remember returns the unlocking that counts: the one that configurations say, or else one from before, until its time is over or a
// configuration is there that has said so and says it no more, as after Lock.
func (k *Keeper) remember(ctx context.Context, live []*object, open *Unlocked) (*Unlocked, error) {
	if !k.recalled && k.inputs.Lease != "" {
		var err error
		if k.open.Unlocked, err = k.recall(ctx); err != nil {
			return nil, err
		}
		k.open.by, k.noted = slices.Repeat([]bool{true}, len(live)), k.open.Unlocked != nil
	}
	k.recalled = true
	switch before := k.open; {
	// What our own account has unlocked goes away. Whoever installs the release again is not to find that.
	case open != nil && open.By == k.options.user():
		k.open = remembered{}
	case open != nil:
		k.open = remembered{Unlocked: open}
		for _, o := range live {
			k.open.by = append(k.open.by, o != nil && o.Annotations[UnlockedUntil] != "")
		}
	case before.Unlocked == nil:
	case !before.Until.After(k.now()), before.takenBack(live):
		k.open = remembered{}
	default:
		open = before.Unlocked
	}
	k.note(ctx)
	return open, nil
}

// takenBack reports whether a configuration is there that has said so; it is asked when none says so any more.
func (r remembered) takenBack(live []*object) bool {
	for n, o := range live {
		if o != nil && r.by[n] {
			return true
		}
	}
	return false
}

// recall reads what the leader before has remembered.
func (k *Keeper) recall(ctx context.Context) (*Unlocked, error) {
	lease, err := k.client.Resource(leases()).Namespace(k.options.Namespace).Get(ctx, k.inputs.Lease, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read from the Lease %s whether the cluster is unlocked: %w", k.inputs.Lease, err)
	}
	said := &object{}
	said.Kind, said.Name, said.Annotations = lease.GetKind(), lease.GetName(), lease.GetAnnotations()
	open, err := unlocked([]*object{said}, k.now())
	if err != nil {
		k.log.Error("an annotation that should unlock the cluster is not understood", "error", err)
	}
	return open, nil
}

// note keeps what is remembered on the Lease, for the leader that comes next. It is written with every look: the Lease may go with its owner,
// too, and is made anew by whoever leads.
func (k *Keeper) note(ctx context.Context) {
	open := k.open.Unlocked
	if k.inputs.Lease == "" || open == nil && !k.noted {
		return
	}
	annotations := map[string]any{UnlockedUntil: nil, UnlockedBy: nil, UnlockedReason: nil}
	if open != nil {
		for key, value := range open.annotations() {
			annotations[key] = value
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err == nil {
		_, err = k.client.Resource(leases()).Namespace(k.options.Namespace).
			Patch(ctx, k.inputs.Lease, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager})
	}
	if err != nil && (open != nil || !apierrors.IsNotFound(err)) {
		k.log.Warn("whoever leads next may not know whether the cluster is unlocked", "error", err)
		return
	}
	k.noted = open != nil
}

// annotations say an unlocking.
func (u Unlocked) annotations() map[string]string {
	return map[string]string{UnlockedUntil: u.Until.UTC().Format(time.RFC3339), UnlockedBy: u.By, UnlockedReason: u.Reason}
}
