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
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

const (
	policyKind    = "Policy"
	exceptionKind = "PolicyException"
)

// MaxTerm is how far ahead an exception may end: a year, whichever it is. What is to last longer is a change of the policy.
const MaxTerm = 366 * 24 * time.Hour

// Exceptions reads the PolicyException documents among the files of a bundle. What is wrong with one is a Fault; the others are read all
// the same. A file that is not YAML has none; Read says what is wrong with it.
func (r *Reader) Exceptions(files []File) (out []policies.Exception, faults policies.Faults) {
	for _, file := range files {
		if !file.HasDocuments() {
			continue
		}
		found, _ := documents.Split(file.Name, file.Text) // what is wrong with it is Read's to tell
		for _, doc := range found {
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

func (r *Reader) exception(doc documents.Document) (out policies.Exception, err error) {
	all := keysOf(doc)
	if at := all.below("spec").below("expires").node; at != nil && at.Kind == yaml.ScalarNode && at.Value != "" {
		if _, err := time.Parse(time.RFC3339, at.Value); err != nil {
			return out, fmt.Errorf(`%s: spec.expires is %s where a time such as "2027-01-31T00:00:00Z" should be`, all.place(at), at.Value)
		}
	}
	var object v1alpha1.PolicyException
	if err := all.decode(doc.JSON, &object); err != nil {
		return out, err
	}
	if object.Name == "" || object.Namespace == "" {
		return out, fmt.Errorf("%s: the PolicyException has no metadata.name or no metadata.namespace", doc.At())
	}
	whom := exceptionKind + " " + object.Namespace + "/" + object.Name
	fault := func(err error, path ...string) error {
		return blame(under(err, path...), doc.At(), whom, all.below("spec"))
	}
	spec := object.Spec
	switch given := spec.Match; {
	case len(spec.Policies) == 0:
		return out, fault(errors.New("name at least one policy in spec.policies"), "policies")
	case len(given.Resources)+len(given.Names) == 0 && given.Labels == nil:
		return out, fault(errors.New("give at least one of resources, names and labels in spec.match"), "match")
	case strings.TrimSpace(spec.Reason) == "":
		return out, fault(errors.New("say in spec.reason why"), "reason")
	case spec.Expires.IsZero():
		return out, fault(errors.New("say in spec.expires when the exception ends, at most a year from now"), "expires")
	case spec.Expires.After(r.now().Add(MaxTerm)):
		return out, fault(errors.New("spec.expires is more than a year ahead; choose an earlier day, and renew the exception then if it is still needed"),
			"expires")
	}
	out = policies.Exception{
		Namespace: object.Namespace, Name: object.Name, Policies: spec.Policies,
		Reason: review.Sentence(spec.Reason, review.MaxMessage), Expires: spec.Expires.Time,
	}
	out.Match, err = match(
		v1alpha1.Match{Resources: spec.Match.Resources, Operations: spec.Match.Operations, Labels: spec.Match.Labels},
		[]policies.Rule{{Stage: review.Validate}}, false)
	if err != nil {
		return out, blame(err, doc.At(), whom, all.below("spec"))
	}
	if len(out.Match.Resources) == 0 { // "*/*", which to a policy is everything there is, is one resource more than an exception has
		return out, fault(errors.New(`match.resources: name subresources one by one; "*/*" is not for exceptions`), "match", "resources")
	}
	for _, name := range spec.Match.Names {
		glob, err := policies.ParseGlob(name)
		if err != nil {
			return out, fault(fmt.Errorf("match.names: %w", err), "match", "names")
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
