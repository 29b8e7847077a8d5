package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/review"
)

// admission is the question that a case of Gatekeeper's suites puts: about an object by itself, which nobody creates or updates, or what an
// AdmissionReview says.
func admission(doc documents.Document) (*review.Request, error) {
	h, err := headOf(doc)
	if err != nil {
		return nil, err
	}
	if h.Kind == "AdmissionReview" && h.group() == admissionv1.GroupName {
		return written(doc)
	}
	group, version, namespace := h.group(), h.version(), h.Namespace
	request := map[string]any{
		"uid": "", "operation": "", "name": h.Name, "userInfo": map[string]any{}, "options": nil,
		"kind":     map[string]any{"group": group, "version": version, "kind": h.Kind},
		"resource": map[string]any{"group": "", "version": "", "resource": ""},
		"object":   json.RawMessage(doc.JSON), "oldObject": nil,
	}
	if namespace != "" {
		request["namespace"] = namespace
	}
	return asked(request, &review.Request{
		Target: review.Target{Group: group, Version: version, Kind: h.Kind, Namespace: namespace, Name: h.Name},
		Object: doc.JSON,
	})
}

// asked is a question of the command line.
func asked(request any, out *review.Request) (*review.Request, error) {
	body, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	if err != nil {
		return nil, err
	}
	out.Stage, out.Origin, out.Body = review.Validate, review.FromCommandLine, body
	return out, nil
}

// written is the question of an AdmissionReview that a person wrote: with what the v1 of it has and nothing else, but as little of it as
// the policy reads.
func written(doc documents.Document) (*review.Request, error) {
	var content unstructured.Unstructured
	if err := content.UnmarshalJSON(doc.JSON); err != nil {
		return nil, fmt.Errorf("the AdmissionReview cannot be read: %w", err)
	}
	var read admissionv1.AdmissionReview
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content.Object, &read, true); err != nil {
		if strict, ok := runtime.AsStrictDecodingError(err); ok {
			return nil, fmt.Errorf("the AdmissionReview has what none has: %w; correct the spelling, or leave it out", strict.Errors()[0])
		}
		return nil, unfit(doc.JSON, err)
	}
	r := read.Request
	if r == nil {
		return nil, errors.New("the AdmissionReview has no request")
	}
	object, old := present(r.Object), present(r.OldObject)
	for _, one := range []review.Raw{object, old} {
		if one == nil {
			continue
		}
		if _, err := headOf(documents.Document{JSON: one}); err != nil {
			return nil, fmt.Errorf("the AdmissionReview cannot be read: %w", err)
		}
	}
	switch {
	case object == nil && old == nil:
		return nil, errors.New("the AdmissionReview has neither request.object nor request.oldObject")
	case r.Operation == admissionv1.Delete && old == nil:
		return nil, errors.New("the AdmissionReview is of a DELETE, and has no request.oldObject")
	}
	out := &review.Request{
		ID: r.UID, Verb: strings.ToLower(string(r.Operation)), Object: object, OldObject: old,
		User: review.User{Username: r.UserInfo.Username, UID: r.UserInfo.UID, Groups: r.UserInfo.Groups},
		Target: review.Target{
			Group: r.Resource.Group, Version: r.Resource.Version, Resource: r.Resource.Resource, Subresource: r.SubResource,
			Kind: r.Kind.Kind, Namespace: r.Namespace, Name: r.Name,
		},
	}
	if r.Resource.Resource == "" { // where an API server would say it, a person often says the kind alone
		out.Target.Group, out.Target.Version = r.Kind.Group, r.Kind.Version
	}
	return asked(r, out)
}

// present is the JSON of an object, or nil if there is none.
func present(object runtime.RawExtension) review.Raw {
	if len(object.Raw) == 0 || string(object.Raw) == "null" {
		return nil
	}
	return object.Raw
}

// unfit says in a sentence why a text is no AdmissionReview, for which there is an error already.
func unfit(text []byte, err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(text, new(admissionv1.AdmissionReview)))
	if !ok {
		return fmt.Errorf("the AdmissionReview cannot be read: %w", err)
	}
	return fmt.Errorf("the AdmissionReview cannot be read: %s must not be %s", wrong.Field, valueName(wrong.Value))
}
