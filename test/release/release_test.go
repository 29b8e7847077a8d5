package release_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/test/release"
)

// TestMain lets this binary stand in for Portcullis: what the chart needs of it is that it takes its arguments and answers its probes.
func TestMain(m *testing.M) {
	run := map[string]func([]string) error{"serve": serve, "doctor": authorized, "unlock": authorized}
	if len(os.Args) > 1 && run[os.Args[1]] != nil {
		fmt.Println(strings.Join(os.Args[1:], " "))
		if err := run[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// given is the value of a flag among arguments: the last, as it is to Portcullis.
func given(args []string, name string) (last string) {
	for _, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			last = value
		}
	}
	return last
}

// serve is ready when its service account may read what the server reads.
func serve(args []string) error {
	namespace := given(args, "namespace")
	config, err := clientcmd.BuildConfigFromFlags("", given(args, "kubeconfig"))
	if err != nil {
		return err
	}
	if text, err := os.ReadFile(given(args, "policies") + "/pods.privileged.yaml"); err != nil || !strings.Contains(string(text), "use: pods.privileged") {
		return fmt.Errorf("the policy is not there: %w: %s", err, text)
	}
	client := kubernetes.NewForConfigOrDie(config)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		_, err := client.CoreV1().Namespaces().List(r.Context(), metav1.ListOptions{})
		if err == nil {
			_, err = client.CoordinationV1().Leases(namespace).List(r.Context(), metav1.ListOptions{})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: given(args, "health-listen"), Handler: mux, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

// authorized is what a command of a Pod has to be.
func authorized(args []string) error {
	if !strings.Contains(strings.Join(args, " "), "--kubeconfig=") {
		return fmt.Errorf("it has no credentials: %s", args)
	}
	return nil
}

// TestHelmInstallsTestsUpgradesAndUninstalls walks a release through its life with Helm itself, in a control plane whose node runs the
// Pods.
func TestHelmInstallsTestsUpgradesAndUninstalls(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := newPlane(t, self)
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	helm := func(args ...string) string {
		t.Helper()
		out, err := r.Helm(t.Context(), c.cluster.Kubeconfig, append(args, "--namespace="+r.Namespace)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	// Why the chart makes no Policy objects. When this no longer fails, it could.
	policy := `--set-json=extraObjects=[{"apiVersion":"portcullis.dev/v1alpha1","kind":"Policy","metadata":{"name":"first"},"spec":{"use":"pods.privileged"}}]`
	_, err = r.Helm(t.Context(), c.cluster.Kubeconfig, "install", r.Name, r.Chart(), "--create-namespace", policy, "--namespace="+r.Namespace)
	if err == nil || !strings.Contains(err.Error(), `no matches for kind "Policy"`) {
		t.Errorf("an object of a kind that comes with the release: %v", err)
	}

	values := "--set=image.tag=test,policies.library.names={pods.privileged}"
	helm("install", r.Name, r.Chart(), "--create-namespace", values, "--wait", "--timeout=60s")

	client := c.client
	pods := func() []corev1.Pod {
		t.Helper()
		list, err := client.CoreV1().Pods(r.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		if err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	first := pods()
	if len(first) != 3 {
		t.Fatalf("there are %d Pods, and Helm says that all is well", len(first))
	}
	for _, p := range first {
		log, err := c.node.Log(r.Namespace, p.Name)
		if err != nil || !strings.Contains(log, "--namespace=guard --name=portcullis --replica="+p.Name+" ") {
			t.Errorf("%s: %v: %s", p.Name, err, log)
		}
		if s := p.Status.ContainerStatuses[0]; !s.Ready || s.RestartCount != 0 {
			t.Errorf("%s: %+v", p.Name, s)
		}
	}
	if out := helm("test", r.Name, "--timeout=60s"); !strings.Contains(out, "Succeeded") {
		t.Errorf("helm test:\n%s", out)
	}

	// Every Pod is replaced by one of the new kind, and Helm waits for it.
	helm("upgrade", r.Name, r.Chart(), values, "--set=log.level=debug", "--wait", "--timeout=60s")
	for _, p := range pods() {
		if log, _ := c.node.Log(r.Namespace, p.Name); p.DeletionTimestamp == nil && !strings.Contains(log, "--log-level=debug") {
			t.Errorf("%s is still of the old kind: %s", p.Name, log)
		}
	}

	helm("uninstall", r.Name, "--wait", "--timeout=60s")
	deadline := time.Now().Add(time.Minute) // Helm does not wait for what the Deployment has made
	for len(pods()) > 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	out, _, err := c.cluster.Kubectl(t.Context(), "", nil, "get", "all,secrets,configmaps,serviceaccounts,roles,rolebindings,leases,endpointslices,networkpolicies,poddisruptionbudgets",
		"--namespace="+r.Namespace, "-o", "name")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if line := strings.TrimSpace(line); line != "configmap/kube-root-ca.crt" && line != "serviceaccount/default" {
			t.Errorf("%s is left behind", line)
		}
	}
	for _, kind := range []string{"clusterroles", "clusterrolebindings"} {
		if out, _, err := c.cluster.Kubectl(t.Context(), "", nil, "get", kind, "-o", "name"); err != nil || strings.Contains(out, "portcullis") {
			t.Errorf("%v: a role is left behind:\n%s", err, out)
		}
	}
}
