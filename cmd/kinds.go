package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authenticationv1beta1 "k8s.io/api/authentication/v1beta1"
	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationv1beta1 "k8s.io/api/authorization/v1beta1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
)

// reviewKinds are the questions an API server asks, by group.
func reviewKinds() map[string]string {
	return map[string]string{
		admissionv1.GroupName: "AdmissionReview", authenticationv1.GroupName: "TokenReview",
		authorizationv1.GroupName: "SubjectAccessReview", imagepolicyv1alpha1.GroupName: "ImageReview",
	}
}

// isReview reports whether the document is a question itself.
func (h head) isReview() bool {
	group, _, _ := strings.Cut(h.APIVersion, "/")
	return h.Kind != "" && reviewKinds()[group] == h.Kind
}

// checkReview returns what is wrong with a document that is a review or is meant to be one. Judged as a manifest it would be allowed, which
// reads as if the answer were yes.
func (h head) checkReview(text []byte) error {
	if h.isReview() {
		return unknownFields(h, text)
	}
	group, _, _ := strings.Cut(h.APIVersion, "/")
	if kind, ok := reviewKinds()[group]; ok {
		return fmt.Errorf("a %s is not a question the API server asks; of %s it asks a %s%s", h.Kind, group, kind, inItsPlace(h.Kind))
	}
	for group, kind := range reviewKinds() {
		if strings.EqualFold(kind, h.Kind) {
			return fmt.Errorf("apiVersion %s has no %s; write the one of %s, "+
				"or for an object of your own put it in an AdmissionReview, as request.object", h.APIVersion, h.Kind, group)
		}
	}
	return nil
}

// inItsPlace says how to ask about what a user asks an API server about himself.
func inItsPlace(kind string) string {
	switch {
	case strings.HasSuffix(kind, "SubjectAccessReview"): // Self and Local
		return ", with spec.user to say whose access it is about and spec.resourceAttributes.namespace to say where"
	case strings.HasPrefix(kind, "Self"):
		return ", for one user and one request at a time"
	}
	return ""
}

// unknownFields reads a review as the API server reads what is sent to it, and returns what it does not know. A newer API server's reviews
// have fields that are not known here; in a file a person wrote, it is a slip of the pen.
func unknownFields(h head, text []byte) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, admissionv1beta1.AddToScheme, authenticationv1.AddToScheme, authenticationv1beta1.AddToScheme,
		authorizationv1.AddToScheme, authorizationv1beta1.AddToScheme, imagepolicyv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	decoder := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme, serializer.SerializerOptions{Strict: true})
	_, _, err := decoder.Decode(text, nil, nil)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		return fmt.Errorf("the %s has what none has: %w; correct the spelling, or leave it out", h.Kind, strict.Errors()[0])
	}
	return h.nobody(text) // whatever else is wrong is found when it is asked
}

// nobody returns an error for a question about the access of nobody, which no API server asks.
func (h head) nobody(text []byte) error {
	var q question
	if err := json.Unmarshal(text, &q); err == nil && h.Kind == "SubjectAccessReview" && q.Spec.User == "" {
		return errors.New("the SubjectAccessReview has no spec.user; say whose access it is about")
	}
	return nil
}
