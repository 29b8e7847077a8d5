package contract

import (
	"testing"

	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
)

// ImagePolicyWebhook is not among the packages an API server is made of, but its client is: a plugin of kube-apiserver makes exactly
// these calls.
func TestImages(t *testing.T) {
	t.Parallel() // the server takes a second to part from a caller over HTTP/2
	s := serve(t, files{"images.rego": policy("images", "{stage: [admission, image], resources: [pods]}", `
deny contains sprintf("%s is not from our registry", [i.image]) if {
	some i in kubernetes.images
	not startswith(i.image, "registry.example.com/")
}`)})
	scheme := runtime.NewScheme()
	must(t, imagepolicyv1alpha1.AddToScheme(scheme))
	client, err := webhookutil.NewGenericWebhook(scheme, serializer.NewCodecFactory(scheme), s.kubeconfig(t, "/image"),
		[]schema.GroupVersion{imagepolicyv1alpha1.SchemeGroupVersion}, once)
	must(t, err)
	for _, c := range []struct {
		image, reason string
	}{
		{"registry.example.com/app:1", ""},
		{"docker.io/evil:1", "images: docker.io/evil:1 is not from our registry"},
	} {
		review := &imagepolicyv1alpha1.ImageReview{Spec: imagepolicyv1alpha1.ImageReviewSpec{
			Containers: []imagepolicyv1alpha1.ImageReviewContainerSpec{{Image: c.image}}, Namespace: "shop",
			Annotations: map[string]string{"ticket.image-policy.k8s.io/reason": "none"},
		}}
		result := client.WithExponentialBackoff(t.Context(), func() rest.Result { return client.RestClient.Post().Body(review).Do(t.Context()) })
		answered := &imagepolicyv1alpha1.ImageReview{}
		must(t, result.Into(answered))
		if answered.Status.Allowed != (c.reason == "") || answered.Status.Reason != c.reason {
			t.Errorf("%s: %+v", c.image, answered.Status)
		}
		if want := (metav1.TypeMeta{APIVersion: "imagepolicy.k8s.io/v1alpha1", Kind: "ImageReview"}); answered.TypeMeta != want {
			t.Errorf("%s: %+v", c.image, answered.TypeMeta)
		}
	}
}
