package release_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/test/release"
)

// A policy of the library that no server would start with is seen at the upgrade, and not when a Pod is made again: those that serve go on,
// and one that takes the place of theirs has what they have.
func TestAFaultyReleaseCostsNoPod(t *testing.T) {
	t.Parallel()
	p := newPlane(t, server(t), "--drain=0s")
	client := p.client
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	helm := func(command, timeout, library string) error {
		_, err := r.Helm(t.Context(), p.cluster.Kubeconfig, command, r.Name, r.Chart(), "--namespace=guard", "--create-namespace", "--set=image.tag=test",
			"--set-json=policies.library="+library, "--wait", "--timeout="+timeout)
		return err
	}
	if err := helm("install", "120s", `{"names":["images.no_latest_tag"]}`); err != nil {
		t.Fatal(err)
	}
	// No schema knows every resource.
	err := helm("upgrade", "20s", `{"names":["images.no_latest_tag"],"specs":{"images.no_latest_tag":{"match":{"resources":["podz"]}}}}`)
	if err == nil {
		t.Fatal("nobody is told that the new Pods do not start")
	}
	pods := func() (serve, others []corev1.Pod) {
		t.Helper()
		list, err := client.CoreV1().Pods("guard").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Items {
			if len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready {
				serve = append(serve, p)
			} else {
				others = append(others, p)
			}
		}
		return serve, others
	}
	serve, others := pods()
	if len(serve) != 3 || len(others) != 1 {
		t.Fatalf("%d Pods serve, and %d do not", len(serve), len(others))
	}
	for _, gone := range serve {
		if err := client.CoreV1().Pods("guard").Delete(t.Context(), gone.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "another serves in its place", func() bool {
			serve, _ := pods()
			return len(serve) == 3 && !slices.ContainsFunc(serve, func(p corev1.Pod) bool { return p.Name == gone.Name })
		})
	}
	until(t, "what was in force is", func() bool {
		_, err := client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx:latest"}}},
		}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "images.no-latest-tag: ")
	})
}
