package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// fillInventory lets policies see, of the kinds they need, the documents that are judged, as if they all lay in the cluster. Reviews are
// questions and no objects; what they are about is not seen.
func fillInventory(store *inventory.Store, needs map[inventory.Kind]*inventory.Need, subjects []subject, place func(subject) string) error {
	for kind, need := range needs {
		list := inventory.List{Fixed: true}
		var found []subject
		for _, s := range subjects {
			if !s.head.isReview() && s.kind() == kind {
				found = append(found, s)
				list.Namespaced = list.Namespaced || place(s) != ""
			}
		}
		list.Fields = need.Fields.Of(list.Namespaced)
		builder := inventory.NewBuilder(kind, list.Fields)
		for _, s := range found {
			object, err := s.object(builder, place(s))
			if err != nil {
				return fmt.Errorf("%s: %w", s.at(), err)
			}
			list.Objects = append(list.Objects, object)
		}
		store.Replace(kind, list)
	}
	return nil
}

// synced lets policies written for Gatekeeper see all documents that are judged at data.inventory.
func synced(subjects []subject, place func(subject) string) ([]inventory.Item, error) {
	var out []inventory.Item
	for _, s := range subjects {
		if s.err != nil || s.head.isReview() {
			continue
		}
		namespace := place(s)
		text, err := placed(s, namespace)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.at(), err)
		}
		value, err := policies.ParseValue(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.at(), err)
		}
		out = append(out, inventory.Item{
			APIVersion: s.head.APIVersion, Kind: s.head.Kind,
			Object: inventory.Object{Namespace: namespace, Name: s.head.Metadata.Name, Value: value},
		})
	}
	return out, nil
}

// kind is what policies call the document's kind.
func (s subject) kind() inventory.Kind {
	kind := schema.FromAPIVersionAndKind(s.head.APIVersion, s.head.Kind).GroupKind()
	return inventory.Kind(registration.GuessPlural(kind).String())
}

func (s subject) object(builder *inventory.Builder, namespace string) (inventory.Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(s.text))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return inventory.Object{}, err
	}
	value, err := builder.Build(content)
	return inventory.Object{Namespace: namespace, Name: s.head.Metadata.Name, Value: value}, err
}
