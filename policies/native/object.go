package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// object is one Policy document.
type object struct {
	Document
	policy v1alpha1.Policy
	source int // row before the first line of spec.rego, so that its errors can name the file's own rows
}

// objectsOf reads the Policy documents of a file and passes over documents of other groups: fixtures, suites and manifests may lie
// beside policies.
func objectsOf(file File) (out []object, err error) {
	if len(file.Text) > maxSource {
		return nil, fmt.Errorf("%s: the file is longer than 1 MiB", file.Name)
	}
	documents, err := Documents(file)
	for _, doc := range documents {
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if json.Unmarshal(doc.JSON, &head) != nil || !strings.HasPrefix(head.APIVersion, v1alpha1.Group+"/") {
			continue
		}
		switch {
		case head.APIVersion == v1alpha1.Group+"/"+v1alpha1.Version && head.Kind == exceptionKind:
			continue
		case head.APIVersion != v1alpha1.Group+"/"+v1alpha1.Version || head.Kind != "Policy":
			return out, fmt.Errorf("%s: %s is served with kinds Policy and %s in version %s",
				doc.At(), v1alpha1.Group, exceptionKind, v1alpha1.Version)
		}
		o, err := objectOf(doc)
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, err
}

func objectOf(doc Document) (object, error) {
	o := object{Document: doc}
	var root yaml.Node
	if err := yaml.Unmarshal(doc.text, &root); err != nil || len(root.Content) == 0 {
		return o, fmt.Errorf("%s: the document is not YAML", doc.At())
	}
	first := doc.Row - blank(doc.text) // the file's row of the document's row 1
	if err := strict(doc.JSON, &o.policy); err != nil {
		return o, fmt.Errorf("%s:%d: %w", doc.File, first+rowOf(root.Content[0], err)-1, err)
	}
	if o.policy.Name == "" {
		return o, fmt.Errorf("%s: the Policy has no metadata.name", doc.At())
	}
	if spec := field(root.Content[0], "spec"); spec != nil {
		if source := field(spec, "rego"); source != nil {
			if o.source = first + source.Line - 2; source.Style == yaml.LiteralStyle {
				o.source++
			}
		}
	}
	return o, nil
}

// field returns the value of a mapping's member, or nil.
func field(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// rowOf finds the row of an unknown field, or else that of the document.
func rowOf(node *yaml.Node, err error) int {
	unknown, ok := errors.AsType[unknownFieldError](err)
	if !ok {
		return node.Line
	}
	row := node.Line
	var walk func(*yaml.Node) bool
	walk = func(n *yaml.Node) bool {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && child.Value == string(unknown) {
				row = child.Line
				return true
			}
			if walk(child) {
				return true
			}
		}
		return false
	}
	walk(node)
	return row
}

// object makes a policy of a Policy document.
func (b *bundle) object(o object) (policies.Spec, error) {
	spec, err := b.inForce(o)
	if err != nil {
		return spec, err
	}
	spec.ID, spec.File = o.policy.Name, o.File
	return spec, nil
}

func (b *bundle) inForce(o object) (policies.Spec, error) {
	given := o.policy.Spec
	at := fmt.Sprintf("%s: Policy %s", o.At(), o.policy.Name)
	var modules []module
	from := b
	switch {
	case (given.Use == "") == (given.Rego == ""):
		return policies.Spec{}, fmt.Errorf("%s: give either spec.use or spec.rego", at)
	case given.Use != "":
		path := b.lookup(given.Use)
		if path == "" {
			return policies.Spec{}, fmt.Errorf("%s: there is no policy %q, neither in the library nor beside it", at, given.Use)
		}
		modules = b.packages[path]
	default:
		m, err := parse(o.File, []byte(strings.Repeat("\n", o.source)+given.Rego))
		if err != nil {
			return policies.Spec{}, err
		}
		if err := b.foreign(m); err != nil {
			return policies.Spec{}, err
		}
		if b.packages[m.path()] != nil {
			return policies.Spec{}, fmt.Errorf("%s: another policy is also in package %s", at, identity(m.Package.Path))
		}
		modules = []module{m}
		from = &bundle{packages: packages{m.path(): modules}, shared: b.shared}
		maps.Copy(from.packages, b.packages)
	}
	meta, described, err := readMetadata(modules)
	if err != nil {
		return policies.Spec{}, err
	}
	spec, err := from.build(modules, meta, given, !described && given.Match == nil)
	if err != nil {
		return spec, fmt.Errorf("%s: %w", at, err)
	}
	return spec, nil
}
