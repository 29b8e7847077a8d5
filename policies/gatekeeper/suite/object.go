package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// head is what an object says of itself.
type head struct {
	APIVersion, Kind, Namespace, Name string
	Labels                            map[string]string
}

func (h head) group() string {
	group, _, found := strings.Cut(h.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}

func (h head) version() string { return h.APIVersion[strings.Index(h.APIVersion, "/")+1:] }

func (h head) isNamespace() bool { return h.group() == "" && h.Kind == "Namespace" }

// headOf reads the head of an object. What is not of its type is taken for absent: templates are also tested with objects that no API server
// would let by.
func headOf(doc documents.Document) (head, error) {
	var content map[string]any
	if err := json.Unmarshal(doc.JSON, &content); err != nil {
		return head{}, err
	}
	text := func(from map[string]any, name string) string { found, _ := from[name].(string); return found }
	metadata, _ := content["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	h := head{text(content, "apiVersion"), text(content, "kind"), text(metadata, "namespace"), text(metadata, "name"), map[string]string{}}
	for name := range labels {
		h.Labels[name] = text(labels, name)
	}
	if h.Kind == "" {
		return h, errors.New("the document is not a Kubernetes object: it has no kind")
	}
	return h, nil
}

// objects reads the objects of a file of a case; there is at least one.
func objects(file string) ([]documents.Document, error) {
	text, err := readable(file)
	if err != nil {
		return nil, err
	}
	docs, err := documents.Objects(file, text)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("%s:1: there is no object in the file", file)
	}
	for _, doc := range docs {
		if _, err := headOf(doc); err != nil {
			return nil, fmt.Errorf("%s: %w", doc.At(), err)
		}
	}
	return docs, nil
}

// single reads the one object of a file.
func single(file string) (documents.Document, error) {
	docs, err := objects(file)
	switch {
	case err != nil:
		return documents.Document{}, err
	case len(docs) > 1:
		return documents.Document{}, fmt.Errorf("%s: it is the second object of the file, and a case is about one; "+
			"what lies in the cluster beside it goes into the inventory", docs[1].At())
	}
	return docs[0], nil
}

// cluster is what policies see of one.
type cluster struct {
	objects    *inventory.Snapshot
	namespaces policies.Namespaces
}

// clusterOf is a cluster with some objects, as Gatekeeper's suites have it: at data.inventory, and Namespaces for the sake of their labels.
func clusterOf(docs []documents.Document) (cluster, error) {
	var items []inventory.Item
	namespaces := map[string]policies.Namespace{}
	for _, doc := range docs {
		h, err := headOf(doc)
		if err == nil && h.APIVersion == "" {
			err = errors.New("an object of the inventory needs an apiVersion")
		}
		var value policies.Value
		if err == nil {
			value, err = policies.ParseValue(doc.JSON)
		}
		if err != nil {
			return cluster{}, fmt.Errorf("%s: %w", doc.At(), err)
		}
		if h.isNamespace() {
			namespaces[h.Name] = policies.Namespace{Labels: h.Labels}
		}
		items = append(items, inventory.Item{
			APIVersion: h.APIVersion, Kind: h.Kind,
			Object: inventory.Object{Namespace: h.Namespace, Name: h.Name, Value: value},
		})
	}
	return cluster{new(inventory.Snapshot).WithSynced(items...), known(namespaces)}, nil
}

func known(namespaces map[string]policies.Namespace) policies.Namespaces {
	return func(name string) (policies.Namespace, bool) { ns, ok := namespaces[name]; return ns, ok }
}
