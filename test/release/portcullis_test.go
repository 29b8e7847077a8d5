package release_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/test/release"
)

const noTeam = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: team}
spec:
  rego: |
    # METADATA
    # title: ConfigMaps name their team
    # custom:
    #   portcullis:
    #     match: {resources: [configmaps]}
    package team

    deny contains "a ConfigMap needs the label team" if not input.request.object.metadata.labels.team
`

// TestPortcullisFromInstallToUninstall walks the whole life of a release: installed into an empty control plane, given a Policy that it
// then enforces, restarted replica by replica, and uninstalled, after which nothing is refused any more.
func TestPortcullisFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	p := newPlane(t, server(t), "--drain=2s")
	client, kubectl := p.client, p.kubectl
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	helm := func(args ...string) {
		t.Helper()
		if _, err := r.Helm(t.Context(), p.cluster.Kubeconfig, append(args, "--namespace="+r.Namespace)...); err != nil {
			t.Fatal(err)
		}
	}
	helm("install", r.Name, r.Chart(), "--create-namespace", "--set=image.tag=test", "--wait", "--timeout=120s")

	kubectl(noTeam, "apply", "-f", "-")
	kubectl("", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	write := func(name string, labels map[string]string) error {
		_, err := client.CoreV1().ConfigMaps("default").Create(t.Context(),
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	create := func(name string) error { return write(name, nil) }
	if err := create("first"); !denies(err) {
		t.Errorf("the Policy is Ready, and a moment later what it refuses: %v", err)
	}

	steady := func(while string, right func() error, do func()) {
		t.Helper()
		stop, failed := make(chan struct{}), make(chan error, 1)
		asked := 0
		go func() {
			defer close(failed)
			for ; ; asked++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := right(); err != nil {
					failed <- err
					return
				}
			}
		}()
		do()
		close(stop)
		if err, bad := <-failed; bad {
			t.Errorf("%s: %v", while, err)
		}
		t.Logf("%s: %d requests, each answered", while, asked)
	}
	refuses := func() error {
		if err := create("during"); !denies(err) {
			return fmt.Errorf("it is not denied: %w", err)
		}
		return nil
	}
	steady("while every replica is restarted", refuses, func() {
		kubectl("", "rollout", "restart", "deployment/portcullis", "--namespace="+r.Namespace)
		kubectl("", "rollout", "status", "deployment/portcullis", "--namespace="+r.Namespace, "--timeout=120s")
		until(t, "the old replicas have gone", func() bool {
			pods, err := client.CoreV1().Pods(r.Namespace).List(t.Context(), metav1.ListOptions{})
			return err == nil && len(pods.Items) == 3
		})
	})
	steady("while the authority is replaced", refuses, func() {
		before := issuer(t, client, r.Namespace)
		if err := client.CoreV1().Secrets(r.Namespace).Delete(t.Context(), "portcullis-ca", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		until(t, "another authority signs", func() bool { return issuer(t, client, r.Namespace) != before })
	})

	helm("test", r.Name, "--timeout=60s")

	// What is right passes at every moment. Without the Pod that unlocks first, the API server still calls servers that have gone.
	passes := func() error { return write("during", map[string]string{"team": "shop"}) }
	steady("while it is uninstalled", passes, func() { helm("uninstall", r.Name, "--wait", "--timeout=60s") })
	until(t, "nothing is refused", func() bool { return create("after") == nil })
	until(t, "what the server had made has gone", func() bool {
		left := kubectl("", "get", "secrets,leases,pods,endpointslices", "--namespace="+r.Namespace, "-o", "name") +
			kubectl("", "get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name")
		return left == ""
	})
	if kept := kubectl("", "get", "policies", "-o", "name"); kept != "policy.portcullis.dev/team\n" {
		t.Errorf("the Policies are not kept: %q", kept)
	}
}

// issuer is who signed what the replicas serve.
func issuer(t *testing.T, client kubernetes.Interface, namespace string) string {
	t.Helper()
	secret, err := client.CoreV1().Secrets(namespace).Get(t.Context(), "portcullis-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(secret.Data["tls.crt"])
	if block == nil {
		t.Fatalf("the Secret has no certificate: %s", secret.Data["tls.crt"])
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Issuer.CommonName
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 2*time.Minute, true, func(context.Context) (bool, error) { return ok(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
