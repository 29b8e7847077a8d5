package native

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const exceptionKind = "PolicyException"

// maxTerm is how far ahead an exception may end: a year, whichever it is. What is to last longer is a change of the policy.
const maxTerm = 366 * 24 * time.Hour

// Exceptions reads the PolicyException documents among the files of a bundle. What is wrong with one is a Fault; the others are read all
// the same. A file that is not YAML has none; Read says what is wrong with it.
func (r *Reader) Exceptions(files []File) (out []policies.Exception, faults policies.Faults) {
	for _, file := range files {
		if format, ok := file.format(); !ok || format != YAMLText || len(file.Text) > maxSource {
			continue
		}
		documents, _ := Documents(file) //nolint:errcheck // it is Read's to tell
		for _, doc := range documents {
			var head struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
				Metadata   struct {
					Namespace string `json:"namespace"`
					Name      string `json:"name"`
				} `json:"metadata"`
			}
			if json.Unmarshal(doc.JSON, &head) != nil || head.APIVersion != v1alpha1.Group+"/"+v1alpha1.Version || head.Kind != exceptionKind {
				continue
			}
			exception, err := r.exception(doc)
			if err != nil {
				name := strings.Trim(head.Metadata.Namespace+"/"+head.Metadata.Name, "/")
				faults = append(faults, policies.Fault{File: file.Name, Exception: name, Err: err})
				continue
			}
			out = append(out, exception)
		}
	}
	return out, faults
}

func (r *Reader) exception(doc Document) (out policies.Exception, err error) {
	var root yaml.Node
	if err := yaml.Unmarshal(doc.text, &root); err != nil || len(root.Content) == 0 {
		return out, fmt.Errorf("%s: the document is not YAML", doc.At())
	}
	first := doc.Row - blank(doc.text) // the file's row of the document's row 1
	at := func(row int) string { return fmt.Sprintf("%s:%d", doc.File, first+row-1) }
	var object v1alpha1.PolicyException
	if err := strict(doc.JSON, &object); err != nil {
		if bad, ok := errors.AsType[*time.ParseError](err); ok {
			return out, fmt.Errorf(`%s: spec.expires is %s where a time such as "2027-01-31T00:00:00Z" should be`,
				at(rowAt(root.Content[0], "spec", "expires")), bad.Value)
		}
		return out, fmt.Errorf("%s: %w", at(rowOf(root.Content[0], err)), err)
	}
	if object.Name == "" || object.Namespace == "" {
		return out, fmt.Errorf("%s: the PolicyException has no metadata.name or no metadata.namespace", doc.At())
	}
	fault := func(err error, path ...string) error {
		return fmt.Errorf("%s: PolicyException %s/%s: %w", at(rowAt(root.Content[0], path...)), object.Namespace, object.Name, err)
	}
	spec := object.Spec
	switch given := spec.Match; {
	case len(spec.Policies) == 0:
		return out, fault(errors.New("name at least one policy in spec.policies"), "spec", "policies")
	case len(given.Resources)+len(given.Names) == 0 && given.Labels == nil:
		return out, fault(errors.New("give at least one of resources, names and labels in spec.match"), "spec", "match")
	case strings.TrimSpace(spec.Reason) == "":
		return out, fault(errors.New("say in spec.reason why"), "spec", "reason")
	case spec.Expires.IsZero():
		return out, fault(errors.New("say in spec.expires when the exception ends, at most a year from now"), "spec", "expires")
	case spec.Expires.After(r.now().Add(maxTerm)):
		return out, fault(errors.New("spec.expires is more than a year ahead; choose an earlier day, and renew the exception then if it is still needed"),
			"spec", "expires")
	}
	out = policies.Exception{
		Namespace: object.Namespace, Name: object.Name, Policies: spec.Policies,
		Reason: review.Sentence(spec.Reason, review.MaxMessage), Expires: spec.Expires.Time,
	}
	out.Match, err = match(
		v1alpha1.Match{Resources: spec.Match.Resources, Operations: spec.Match.Operations, Labels: spec.Match.Labels},
		[]policies.Rule{{Stage: review.Validate}}, false)
	if err != nil {
		return out, fault(err, "spec", "match")
	}
	if len(out.Match.Resources) == 0 { // "*/*", which to a policy is everything there is, is one resource more than an exception has
		return out, fault(errors.New(`match.resources: name subresources one by one; "*/*" is not for exceptions`), "spec", "match", "resources")
	}
	for _, name := range spec.Match.Names {
		glob, err := policies.ParseGlob(name)
		if err != nil {
			return out, fault(fmt.Errorf("match.names: %w", err), "spec", "match", "names")
		}
		out.Names = append(out.Names, glob)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return out, fault(err)
	}
	sum := sha256.Sum256(text)
	out.Digest = hex.EncodeToString(sum[:])
	return out, nil
}

// rowAt is the row of the member at path in a document, or of the last one on the way to it that is there.
func rowAt(node *yaml.Node, path ...string) int {
	row := node.Line
	for _, name := range path {
		for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
			if node.Content[i].Value == name {
				row = node.Content[i].Line
				break
			}
		}
		if node = field(node, name); node == nil {
			break
		}
	}
	return row
}
