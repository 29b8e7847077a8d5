package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// reviewUID is the uid of a review, with holes.
const reviewUID = "@review.h8@-1b2c-4d3e-8f40-@reviewb.h12@"

// admission is a review of one object as the API server sends it.
type admission struct {
	operation      admissionv1.Operation
	gvk            metav1.GroupVersionKind
	resource       string
	namespace      string
	name           string
	user           authenticationv1.UserInfo
	object, before object // before is nil except for an update
}

// replicaSets is who makes most Pods.
func replicaSets() authenticationv1.UserInfo {
	return authenticationv1.UserInfo{
		Username: "system:serviceaccount:kube-system:replicaset-controller",
		UID:      "6d4f0a52-7a0e-4c61-8f3a-0f3ad5f5d6a1",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
		Extra:    map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=@jti.h8@-9f1e-4e9b-b2d2-0c1d2e3f4a5b"}},
	}
}

// podCreation is the review of the creation of a Pod.
func podCreation(pod object) (*template, error) {
	return admission{
		operation: admissionv1.Create, gvk: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, resource: "pods",
		namespace: podNamespace, name: podName, user: replicaSets(), object: pod,
	}.template()
}

func (a admission) template() (*template, error) {
	var parts [3]runtime.RawExtension
	options := object{"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
	if a.operation == admissionv1.Update {
		options["kind"] = "UpdateOptions"
	}
	for i, o := range []object{a.object, a.before, options} {
		var err error
		if parts[i], err = encoded(o); err != nil {
			return nil, fmt.Errorf("encode a review: %w", err)
		}
	}
	resource := metav1.GroupVersionResource{Group: a.gvk.Group, Version: a.gvk.Version, Resource: a.resource}
	dry := false
	return newTemplate(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{Kind: "AdmissionReview", APIVersion: "admission.k8s.io/v1"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID(reviewUID), Kind: a.gvk, Resource: resource, RequestKind: &a.gvk, RequestResource: &resource,
			Name: a.name, Namespace: a.namespace, Operation: a.operation, UserInfo: a.user,
			Object: parts[0], OldObject: parts[1], DryRun: &dry, Options: parts[2],
		},
	})
}

// encoded is an object as part of a review; null if there is none.
func encoded(o object) (runtime.RawExtension, error) {
	if o == nil {
		return runtime.RawExtension{}, nil
	}
	text, err := json.Marshal(o)
	return runtime.RawExtension{Raw: text}, err
}

// allowed is a check that the review of this number was allowed under its own uid, with a patch where one is expected.
func allowed(uid *template, number uint64, patched bool) func([]byte) error {
	want := string(uid.fill(nil, number))
	return func(answer []byte) error {
		var got struct {
			Response *struct {
				UID     string          `json:"uid"`
				Allowed bool            `json:"allowed"`
				Patch   json.RawMessage `json:"patch"`
			} `json:"response"`
		}
		switch err := json.Unmarshal(answer, &got); {
		case err != nil:
			return fmt.Errorf("the answer is not JSON: %w", err)
		case got.Response == nil:
			return errors.New("the answer has no response")
		case got.Response.UID != want:
			return fmt.Errorf("the answer is for the uid %q and not for %q", got.Response.UID, want)
		case !got.Response.Allowed:
			return errors.New("what should be allowed was refused")
		case patched && len(bytes.TrimSpace(got.Response.Patch)) == 0:
			return errors.New("what should be changed came back without a patch")
		}
		return nil
	}
}

// newUID returns the uids of reviews.
func newUID() (*template, error) { return parseTemplate([]byte(reviewUID)) }

// reviews is a traffic of admission reviews, all of which have to be allowed.
func reviews(path string, bodies texts, patched bool) (traffic, error) {
	if len(bodies) == 0 {
		return nil, errors.New("there is nothing to review")
	}
	uid, err := newUID()
	if err != nil {
		return nil, err
	}
	path += "?timeout=10s"
	return trafficFunc(func(number uint64) question {
		return question{path: path, body: bodies.text(number), check: allowed(uid, number, patched)}
	}), nil
}
