package cmd

import (
	"encoding/json"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// question is what a review says of what it asks. There is no token in it.
type question struct {
	Request struct {
		Operation   string
		Kind        struct{ Kind string }
		SubResource string
		Namespace   string
		Name        string
		UserInfo    struct{ Username string }
	}
	Spec struct {
		User               string
		ResourceAttributes *struct {
			Namespace, Verb, Group, Resource, Subresource, Name string
		}
		NonResourceAttributes *struct{ Path, Verb string }
		Audiences             []string
		Containers            []struct{ Image string }
		Namespace             string
	}
}

// maxAbout is wider than a terminal; what is longer is cut.
const maxAbout = 200

// about is one line that tells a person which document of a file this is.
func (s subject) about() string {
	h := s.head
	words := []string{h.Kind, slashed(h.Metadata.Namespace, h.Metadata.Name)}
	var q question
	if h.isReview() && json.Unmarshal(s.text, &q) == nil {
		words = append([]string{h.Kind}, q.words(h.Kind)...)
	}
	return review.Sentence(strings.Join(strings.Fields(strings.Join(words, " ")), " "), maxAbout)
}

func (q question) words(kind string) []string {
	spec := q.Spec
	switch {
	case kind == "AdmissionReview":
		r := q.Request
		words := []string{r.Operation, slashed(r.Kind.Kind, r.SubResource), slashed(r.Namespace, r.Name)}
		if r.UserInfo.Username != "" {
			words = append(words, "by", r.UserInfo.Username)
		}
		return words
	case kind == "SubjectAccessReview" && spec.ResourceAttributes != nil:
		a := spec.ResourceAttributes
		resource := a.Resource
		if a.Group != "" {
			resource += "." + a.Group
		}
		words := []string{spec.User, a.Verb, slashed(resource, a.Subresource)}
		if a.Name == "" && a.Namespace != "" {
			return append(words, "in", a.Namespace)
		}
		return append(words, slashed(a.Namespace, a.Name))
	case kind == "SubjectAccessReview" && spec.NonResourceAttributes != nil:
		return []string{spec.User, spec.NonResourceAttributes.Verb, spec.NonResourceAttributes.Path}
	case kind == "TokenReview" && len(spec.Audiences) > 0:
		return append([]string{"for"}, spec.Audiences...)
	case kind == "ImageReview":
		var images []string
		for _, container := range spec.Containers {
			images = append(images, container.Image)
		}
		return []string{strings.Join(images, ", "), "in", spec.Namespace}
	}
	return nil
}

// slashed joins what there is of two names.
func slashed(first, second string) string { return strings.Trim(first+"/"+second, "/") }
