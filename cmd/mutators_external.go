package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/mutators/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/language"
)

// unprovided takes out the mutators that ask a Provider where there is none at all, as policies are that do.
func unprovided(list []*mutator) (left []*mutator, faults policies.Faults) {
	for _, m := range list {
		if m.Provider() == "" {
			left = append(left, m)
			continue
		}
		faults = append(faults, policies.Fault{File: m.file, Policy: m.Name(), Err: &gatekeeper.Error{ID: m.ID(), At: m.at, Err: fmt.Errorf(
			"spec.parameters.assign.externalData: it asks the Provider %s, and no Provider is configured; add that one, or give the value itself", m.Provider())}})
	}
	return left, faults
}

// asking are the mutators for one review, in which data answers what they ask of Providers; nil answers nothing.
func (s *mutatorSet) asking(data language.ExternalData) *gatekeeper.Set {
	if !s.asks || data == nil {
		return s.set
	}
	return s.set.Asking(func(ctx context.Context, provider string, keys []string) (map[string]gatekeeper.ExternalItem, error) {
		answer := data.Fetch(ctx, provider, keys)
		if answer.SystemError != "" {
			return nil, errors.New(answer.SystemError)
		}
		out := map[string]gatekeeper.ExternalItem{}
		for _, item := range answer.Items {
			said := gatekeeper.ExternalItem{Value: item.Value}
			switch {
			case item.Error != "":
				said.Err = fmt.Errorf("the Provider %s: %s", provider, item.Error)
			case !item.Idempotent:
				said.Err = fmt.Errorf("the Provider %s does not say that it will say the same again (idempotent), as it must for mutators", provider)
			}
			out[item.Key] = said
		}
		return out, nil
	})
}
