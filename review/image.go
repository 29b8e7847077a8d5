package review

import (
	"errors"

	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// DialectImage is a Dialect: ImageReview, imagepolicy.k8s.io/v1alpha1, the only version there is.
func DialectImage(body []byte) (*Request, func(Decision) any, error) {
	req := &Request{Stage: Image, Body: body}
	specified := false
	version, err := document(body, "ImageReview", []string{"imagepolicy.k8s.io/v1alpha1"},
		func(r reader, name string) error {
			if name != "spec" {
				return r.other("", name, "spec", "apiVersion", "kind")
			}
			specified = r.Kind() != rawjson.Null
			return r.object("spec", func(name string) error {
				switch name {
				case "containers":
					// There may be none: Kubernetes asks so when ephemeral containers are updated and there are none.
					return r.list("spec.containers", func() error { return r.record("spec.containers", member{"image", nil}) })
				case "annotations":
					return r.object("spec.annotations", func(name string) error { return r.member("spec.annotations", member{name, nil}) })
				case "namespace":
					return r.text("", "spec.namespace", &req.Target.Namespace)
				default:
					return r.other("spec.", name, "containers", "namespace", "annotations")
				}
			})
		})
	switch {
	case err != nil:
		return nil, nil, err
	case !specified:
		return nil, nil, errors.New("the ImageReview has no spec")
	}
	// What is asked about are the images of a Pod, though the review does not say so.
	req.Target.Version, req.Target.Resource, req.Target.Kind = "v1", "pods", "Pod"
	return req, func(d Decision) any {
		out := &imagepolicyv1alpha1.ImageReview{TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: "ImageReview"}}
		out.Status.AuditAnnotations = annotations(req, d)
		if out.Status.Allowed = d.Verdict == Allow; !out.Status.Allowed {
			out.Status.Reason = refusalStatus(d).Message
		}
		return out
	}, nil
}
