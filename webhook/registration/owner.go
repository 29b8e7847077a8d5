package registration

import (
	"context"
	"fmt"
)

// own learns with what the configurations vanish. It may be another than before: who repairs an installation makes things anew.
func (k *Keeper) own(ctx context.Context) {
	if k.inputs.Owner == nil {
		return
	}
	owner, err := k.inputs.Owner(ctx)
	if k.unowned = err; err == nil {
		k.options.Owner = owner
	}
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
