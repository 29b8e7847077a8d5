package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// object is one Policy document.
type object struct {
	documents.Document
	policy v1alpha1.Policy
	keys   keys // of spec
	source int  // row before the first line of spec.rego, so that its errors can name the file's own rows
}

// objectsOf reads the Policy documents of a file and passes over documents of other groups: fixtures, suites and manifests may lie
// beside policies.
func objectsOf(file File) (out []object, err error) {
	if len(file.Text) > maxSource {
		return nil, fmt.Errorf("%s: the file is longer than 1 MiB", file.Name)
	}
	found, err := documents.Split(file.Name, file.Text)
	for _, doc := range found {
		all := keysOf(doc)
		ours, err := isPolicy(doc, all)
		if err != nil {
			return out, err
		}
		if !ours {
			continue
		}
		o, err := objectOf(doc, all)
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, err
}

// isPolicy reports whether a document is a Policy. What was meant to be one and is not is an error: passed over it would silently
// not be enforced.
func isPolicy(doc documents.Document, all keys) (bool, error) {
	var head map[string]any
	_ = json.Unmarshal(doc.JSON, &head) // what is not an object has no head
	const want = v1alpha1.Group + "/" + v1alpha1.Version
	wrong, apiVersion := member(head, "apiVersion")
	kindKey, kind := member(head, "kind")
	if apiVersion == want {
		switch kind {
		case policyKind:
			return true, nil
		case exceptionKind:
			return false, nil
		}
		wrong = kindKey
	}
	if items, ok := head["items"].([]any); ok && kind == "List" {
		return false, listOf(doc, all, items)
	}
	at := doc.At()
	if place, depth := all.find([]string{wrong}); depth > 0 {
		at = place
	}
	group, _, _ := strings.Cut(apiVersion, "/")
	name, _, _ := strings.Cut(group, ".")
	switch {
	case group == v1alpha1.Group:
		return false, fmt.Errorf("%s: %s is served with kinds %s and %s in version %s", at, v1alpha1.Group, policyKind, exceptionKind, v1alpha1.Version)
	case spelling.Nearest(name, "portcullis") != "":
		return false, fmt.Errorf("%s: apiVersion %s is not known; did you mean %s?", at, apiVersion, want)
	case (kind == policyKind || kind == exceptionKind) && !strings.Contains(apiVersion, "/"):
		return false, fmt.Errorf("%s: a document of kind %s needs its apiVersion; write \"apiVersion: %s\"", at, kind, want)
	}
	return false, nil
}

// listOf returns an error for a list with one of our kinds in it.
func listOf(doc documents.Document, all keys, items []any) error {
	for i, item := range items {
		of, _ := item.(map[string]any)
		_, apiVersion := member(of, "apiVersion")
		_, kind := member(of, "kind")
		if group, _, _ := strings.Cut(apiVersion, "/"); group != v1alpha1.Group {
			continue
		}
		at := doc.At()
		if place, depth := all.find([]string{"items", strconv.Itoa(i)}); depth > 0 {
			at = place
		}
		return fmt.Errorf("%s: a %s in a List is not read; write it as a document of its own, behind a line %q", at, kind, "---")
	}
	return nil
}

// member returns the text under a key of an object, and how the key is spelled there: a wrong case is told of later, and is no reason
// to pass the document over.
func member(object map[string]any, name string) (key, text string) {
	if text, ok := object[name].(string); ok {
		return name, text
	}
	for key, value := range object {
		if text, ok := value.(string); ok && strings.EqualFold(key, name) {
			return key, text
		}
	}
	return name, ""
}

func objectOf(doc documents.Document, all keys) (object, error) {
	o := object{Document: doc, keys: all.below("spec")}
	if err := all.decode(off(doc.JSON, o.keys), &o.policy); err != nil {
		return o, err
	}
	if o.policy.Name == "" {
		return o, fmt.Errorf("%s: the Policy has no metadata.name", doc.At())
	}
	if source := o.keys.below("rego").node; source != nil {
		if o.source = all.row + source.Line - 2; source.Style == yaml.LiteralStyle {
			o.source++
		}
	}
	return o, nil
}

// off returns the document with "enforcement: off" as it was meant: without quotes it is a boolean to the YAML of kubectl.
func off(text []byte, spec keys) []byte {
	said := spec.below("enforcement").node
	if said == nil || said.Kind != yaml.ScalarNode || said.Value != "off" {
		return text
	}
	var whole, inside map[string]json.RawMessage
	if json.Unmarshal(text, &whole) != nil || json.Unmarshal(whole["spec"], &inside) != nil {
		return text
	}
	inside["enforcement"] = json.RawMessage(`"off"`)
	var err error
	if whole["spec"], err = json.Marshal(inside); err != nil {
		return text
	}
	if out, err := json.Marshal(whole); err == nil {
		return out
	}
	return text
}

// object makes a policy of a Policy document.
func (b *bundle) object(o object) (policies.Spec, error) {
	spec, err := b.inForce(o)
	if err != nil {
		return spec, err
	}
	spec.ID, spec.File, spec.Row = o.policy.Name, o.File, o.Row
	return spec, nil
}

func (b *bundle) inForce(o object) (policies.Spec, error) {
	given := o.policy.Spec
	whom := "Policy " + o.policy.Name
	var modules []module
	from := b
	switch {
	case (given.Use == "") == (given.Rego == ""):
		return policies.Spec{}, blame(under(errors.New("give either spec.use or spec.rego"), "use"), o.At(), whom, o.keys)
	case given.Use != "":
		path := b.lookup(given.Use)
		if path == "" {
			return policies.Spec{}, blame(under(b.notOne(given.Use), "use"), o.At(), whom, o.keys)
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
			err := fmt.Errorf("another policy is also in package %s", identity(m.Package.Path))
			return policies.Spec{}, blame(under(err, "rego"), o.At(), whom, o.keys)
		}
		modules = []module{m}
		from = &bundle{reader: b.reader, packages: packages{m.path(): modules}, shared: b.shared}
		maps.Copy(from.packages, b.packages)
	}
	meta, described, err := readMetadata(modules)
	if err != nil {
		return policies.Spec{}, err
	}
	return from.build(modules, meta, o, !described && given.Match == nil)
}
