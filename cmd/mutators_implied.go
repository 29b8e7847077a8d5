package cmd

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

var _ expansion.Mutators = (*mutatorSet)(nil)

// Mutate applies the mutators to an object that a template makes of what req is about.
func (s *mutatorSet) Mutate(ctx context.Context, req *review.Request, template string, object *unstructured.Unstructured) error {
	gvk := object.GroupVersionKind()
	implied := &review.Request{
		Stage: review.Mutate, Origin: req.Origin, Verb: req.Verb, DryRun: req.DryRun, User: req.User, ImpliedBy: template,
		Target: review.Target{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()},
	}
	s.awaitNamespace(ctx, implied)
	return s.asking(language.ExternalDataOf(ctx)).Mutate(ctx, implied, object)
}
