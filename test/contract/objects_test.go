package contract

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
)

func core(resource string) schema.GroupVersionResource {
	return corev1.SchemeGroupVersion.WithResource(resource)
}

func pod(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app:1"}}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func privileged(p *corev1.Pod) {
	p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
}

// refusal of library policy pods.privileged about the first container of pod.
const privilegedRefusal = `pods.privileged: container "app" is privileged; remove securityContext.privileged (spec.containers[0].securityContext.privileged)`

func deployment(change ...func(*corev1.Pod)) *appsv1.Deployment {
	p := pod(change...)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: p.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec},
		},
	}
}

// widget is a custom object; the API server has no Go type for it.
func widget(version string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/" + version, "kind": "Widget",
		"metadata": map[string]any{"namespace": "shop", "name": "w"},
		"spec":     spec,
	}}
}

func widgets(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "example.com", Version: version, Resource: "widgets"}
}

func deployments(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: version, Resource: "deployments"}
}

// createPod, updatePod and deletePod are the calls most tests make.
func createPod(p *corev1.Pod) call {
	return call{operation: admission.Create, resource: core("pods"), namespace: p.Namespace, name: p.Name, object: p, options: createOptions()}
}

func updatePod(old, p *corev1.Pod) call {
	return call{operation: admission.Update, resource: core("pods"), namespace: p.Namespace, name: p.Name, object: p, old: old, options: updateOptions()}
}

func deletePod(p *corev1.Pod) call {
	return call{operation: admission.Delete, resource: core("pods"), namespace: p.Namespace, name: p.Name, old: p, options: deleteOptions()}
}

func createOptions() runtime.Object {
	return &metav1.CreateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "CreateOptions"}, FieldManager: "kubectl"}
}

func updateOptions() runtime.Object {
	return &metav1.UpdateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "UpdateOptions"}, FieldManager: "kubectl"}
}

func deleteOptions() runtime.Object {
	return &metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "DeleteOptions"}, PropagationPolicy: new(metav1.DeletePropagationForeground)}
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// checks is rapid.Check with n cases, unless the command line asks for another number than rapid's own.
func checks(t *testing.T, n int, property func(*rapid.T)) {
	t.Helper()
	given := flag.Lookup("rapid.checks")
	if given.Value.String() == given.DefValue {
		must(t, given.Value.Set(strconv.Itoa(n)))
		defer func() { must(t, given.Value.Set(given.DefValue)) }()
	}
	rapid.Check(t, property)
}
