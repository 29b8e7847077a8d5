package fields

import (
	"reflect"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"

	"github.com/portcullis-dev/portcullis/review"
)

// Input is what policies see as input at any of the stages, when the objects of admission requests are of a type. The members of a review
// and those of its question are told of where they are read; here they may have any other.
func Input(stages []review.Stage, objects Type) Type {
	var out []Type
	for _, stage := range stages {
		switch stage {
		case review.Validate, review.Mutate:
			request := part(reflect.TypeFor[admissionv1.AdmissionRequest](), "input.request")
			request.members["object"], request.members["oldObject"] = objects, objects
			out = append(out, input("request", request))
		case review.Guard, review.Grant:
			out = append(out, input("spec", part(reflect.TypeFor[authorizationv1.SubjectAccessReviewSpec](), "input.spec")))
		case review.Authenticate:
			out = append(out, input("spec", part(reflect.TypeFor[authenticationv1.TokenReviewSpec](), "input.spec")))
		case review.Image:
			out = append(out, input("spec", part(reflect.TypeFor[imagepolicyv1alpha1.ImageReviewSpec](), "input.spec")))
		}
	}
	return union(out...)
}

func input(question string, asked *object) Type {
	return typeOf(&object{map[string]Type{
		question:    typeOf(asked),
		"namespace": valueOf(reflect.TypeFor[corev1.Namespace](), place{kind: "Namespace"}),
	}})
}

func part(of reflect.Type, path string) *object {
	out := &object{map[string]Type{}}
	for name, of := range members(of) {
		out.members[name] = valueOf(of, place{path: path}.field(name))
	}
	return out
}
