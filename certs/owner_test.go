package certs

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRotationOwner has only what is made wait for its owner: what is there is renewed whatever becomes of that.
func TestRotationOwner(t *testing.T) {
	w := newWorld(t)
	unknown := errors.New("the cluster does not say")
	r := w.rotation(func(o *RotationOptions) {
		o.Owner = func(context.Context) (*metav1.OwnerReference, error) {
			return &metav1.OwnerReference{APIVersion: "v1", Kind: "ClusterRole", Name: "portcullis", UID: "1"}, unknown
		}
	})
	const waits = "writing Secret portcullis/portcullis-ca: it is not known with what it vanishes: the cluster does not say"
	if _, err := r.once(t.Context()); err == nil || err.Error() != waits || w.secret(caSecret) != nil {
		t.Errorf("got  %v\nwant %s", err, waits)
	}
	unknown = nil
	w.settle(r)
	before := w.secret(tlsSecret)

	unknown = errors.New("the cluster does not say")
	w.pass(leafLife * 3 / 4)
	w.settle(r)
	after := w.secret(tlsSecret)
	if string(after.Data[certificateFile]) == string(before.Data[certificateFile]) {
		t.Error("the leaf is not renewed")
	}
	if owners := after.OwnerReferences; len(owners) != 1 || owners[0].UID != "1" {
		t.Errorf("it is owned by %+v", owners)
	}
}
