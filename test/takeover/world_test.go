package takeover

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

const (
	// namespace is that of the servers, work the one whose objects policies are about.
	namespace, work = "default", "shop"
	// patience bounds what is awaited: much more than it takes.
	patience = 2 * time.Minute
)

// needs is a policy by which objects in work without a label are refused.
const needs = `# METADATA
# custom:
#   portcullis: {match: {resources: [configmaps], namespaces: [shop]}}
package %[1]s

deny contains "it has no %[1]s" if not input.request.object.metadata.labels.%[1]s
`

// world is a real cluster, and what should be in its reports.
type world struct {
	*testing.T
	*cluster.Cluster
	client   *kubernetes.Clientset
	policies string
	want     map[string]bool // policy and object
}

// start starts a control plane with the definitions of the reports.
func start(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, Cluster: cluster.StartT(t, cluster.Options{NoControllerManager: true}), policies: t.TempDir(), want: map[string]bool{}}
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", "../../audit/reports/testdata", "-f", "../../charts/portcullis/files/crds"},
		{"wait", "--for=condition=Established", "crd", "--all"},
		{"create", "namespace", work},
	} {
		if _, said, err := w.Kubectl(t.Context(), "", nil, args...); err != nil {
			t.Fatal(said)
		}
	}
	config, err := w.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if w.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"owner", "purpose"} {
		if err := os.WriteFile(filepath.Join(w.policies, name+".rego"), fmt.Appendf(nil, needs, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// server is a process of Portcullis.
type server struct {
	name string
	cmd  *exec.Cmd
}

// serve starts a server that audits and keeps reports.
func (w *world) serve(name string) *server {
	w.Helper()
	log := &props.Buffer{}
	cmd := exec.CommandContext(w.Context(), props.ServerT(w, filepath.Join("..", "..")), "serve", "--kubeconfig="+w.Kubeconfig, "--cluster-policies", "--audit",
		"--namespace="+namespace, "--replica="+name, "--policies="+w.policies, "--cert-dir="+filepath.Join(w.TempDir(), "certs"), "--drain=0s",
		"--listen="+props.FreeAddressT(w), "--health-listen="+props.FreeAddressT(w))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = cmd.Process.Kill() // whether it is stopped or not
		_ = cmd.Wait()
		if w.Failed() {
			w.Logf("%s\n%s", name, log)
		}
	})
	return &server{name, cmd}
}

func (w *world) signal(s *server, signal syscall.Signal) {
	w.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		w.Fatal(err)
	}
}

// leader is the replica that leads.
func (w *world) leader() (name string) {
	w.Helper()
	w.until("one leads", func() bool {
		lease, err := w.client.CoordinationV1().Leases(namespace).Get(w.Context(), "portcullis-leader", metav1.GetOptions{})
		if err != nil || lease.Spec.HolderIdentity == nil {
			return false
		}
		name, _, _ = strings.Cut(*lease.Spec.HolderIdentity, "_")
		return name != ""
	})
	return name
}

// put makes or changes an object; one that is owned is refused by one of the policies, and one that is not by both.
func (w *world) put(i int, owned bool) {
	w.Helper()
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("c-%d", i), Namespace: work}}
	if owned {
		o.Labels = map[string]string{"owner": "web"}
	}
	client := w.client.CoreV1().ConfigMaps(work)
	_, err := client.Create(w.Context(), o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = client.Update(w.Context(), o, metav1.UpdateOptions{})
	}
	if err != nil {
		w.Fatal(err)
	}
	w.want["purpose "+o.Name] = true
	if w.want["owner "+o.Name] = true; owned {
		delete(w.want, "owner "+o.Name)
	}
}

func (w *world) remove(i int) {
	w.Helper()
	name := fmt.Sprintf("c-%d", i)
	if err := w.client.CoreV1().ConfigMaps(work).Delete(w.Context(), name, metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	delete(w.want, "owner "+name)
	delete(w.want, "purpose "+name)
}

// reported is what is in the reports.
type reported struct {
	pairs  map[string]int // policy and object, and how often
	shards map[string]bool
}

// has reports whether everything is there.
func (r reported) has(want map[string]bool) bool {
	for pair := range want {
		if r.pairs[pair] == 0 {
			return false
		}
	}
	return true
}

// reported reads the reports of the namespace, all at one moment.
func (w *world) reported() reported {
	w.Helper()
	out := reported{map[string]int{}, map[string]bool{}}
	text, err := w.client.RESTClient().Get().AbsPath("/apis/wgpolicyk8s.io/v1alpha2/namespaces", work, "policyreports").DoRaw(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta
			Results  []struct {
				Policy    string
				Resources []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		w.Fatal(err)
	}
	for _, report := range list.Items {
		out.shards[report.Metadata.Labels["audit.portcullis.dev/shard"]] = true
		for _, result := range report.Results {
			out.pairs[result.Policy+" "+result.Resources[0].Name]++
		}
	}
	return out
}

// whole reports whether every pair that is wanted is in one report, and nothing else.
func (w *world) whole() bool {
	now := w.reported()
	for _, n := range now.pairs {
		if n != 1 {
			return false
		}
	}
	return len(now.pairs) == len(w.want) && now.has(w.want)
}

// until waits for what takes seconds.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			w.Fatalf("it did not come to be that %s: %s", what, w.difference())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
