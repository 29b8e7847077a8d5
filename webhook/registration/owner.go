package registration

import (
	"context"
	"errors"
	"fmt"
)

// ErrOwnerless is what the Owner of Inputs returns, wrapped, when there should be one and it was waited for long enough. What is not there is
// made then, and stays until somebody deletes it. Should everything else go, nobody is left to answer, so nothing of it is Fail.
var ErrOwnerless = errors.New("what is registered does not vanish with anything, so nothing may be refused for want of an answer")

// own learns with what the configurations vanish. It may be another than before: who repairs an installation makes things anew.
func (k *Keeper) own(ctx context.Context) {
	if k.inputs.Owner == nil {
		return
	}
	owner, err := k.inputs.Owner(ctx)
	k.ownerless = nil
	if errors.Is(err, ErrOwnerless) {
		owner, k.ownerless, err = nil, err, nil
	}
	if k.unowned = err; err == nil {
		k.options.Owner = owner
	}
}

// outlives reports whether a configuration would stay that nobody takes away.
func (k *Keeper) outlives(live *object) bool {
	return k.ownerless != nil && (live == nil || len(live.OwnerReferences) == 0)
}

// keepOwner leaves a configuration the owners it has while no other is known: nothing that fails may untie it from the release. One that is
// not there is not made while that cannot be told. It would stay when the release has gone, perhaps this moment, and with Fail nobody would
// be left to answer.
func (k *Keeper) keepOwner(p place, wanted, live *object) error {
	switch {
	case live == nil && k.unowned != nil:
		return fmt.Errorf("the %s is not made, because it is not known with what it vanishes: %w", p, k.unowned)
	case live != nil && (k.unowned != nil || k.options.Owner == nil):
		wanted.OwnerReferences = live.OwnerReferences
	}
	return nil
}
