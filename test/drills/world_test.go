package drills

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/cluster/node"
	"github.com/portcullis-dev/portcullis/test/props"
	"github.com/portcullis-dev/portcullis/test/release"
)

var full = flag.Bool("drills.full", os.Getenv("DRILLS") == "full", "run the drills as long as the figures of docs/reliability.md were measured")

// rounds is how often something is done: a few times, or as often as the page says.
func rounds(short, long int) int {
	if *full {
		return long
	}
	return short
}

// figure logs what belongs into docs/reliability.md.
func figure(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf("FIGURE "+format, args...)
}

const (
	// name and namespace are those of the release, work the namespace in which drills ask.
	name, namespace, work = "portcullis", "guard", "work"
	replicas              = 3
	image                 = "ghcr.io/portcullis-dev/portcullis:test"
	usualDrain            = "2s"
	// apiServer is the name in the client certificate of the API server.
	apiServer = "kube-apiserver"
	// patience bounds what is awaited: much more than it takes.
	patience = 2 * time.Minute
)

// team is in force during all drills. It refuses when nobody can be asked.
const team = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: team}
spec:
  rego: |
    # METADATA
    # title: ConfigMaps name their team
    # custom:
    #   portcullis:
    #     match: {resources: [configmaps], namespaces: [work]}
    package team

    deny contains "a ConfigMap needs the label team" if not input.request.object.metadata.labels.team
`

// world is a cluster with the release installed. The drills share it one after the other, and each leaves it as it was.
type world struct {
	*cluster.Cluster
	options cluster.Options
	node    *node.Node
	dir     string

	config  *rest.Config
	client  *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
	release release.Release
	callers *authority // who signs the certificates of those who may call the servers
	caller  pair       // what the API server shows them

	binary string       // what the servers' processes execute is a link to it
	drain  atomic.Value // of servers started from now on, a string
}

var shared struct {
	world *world
	err   error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if shared.world != nil {
		if err := shared.world.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// start returns the world when all is well in it: three replicas are ready and agree, and team is enforced. The first drill starts it.
func start(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("a cluster with three servers takes half a minute to start, and this is -short")
	}
	if shared.world == nil && shared.err == nil {
		shared.world, shared.err = newWorld(t.Context())
	}
	if shared.err != nil {
		t.Fatalf("there is no cluster to drill in: %v", shared.err)
	}
	w := shared.world
	w.settled(t)
	t.Cleanup(func() {
		if t.Failed() {
			w.tellLogs(t)
		}
	})
	return w
}

func newWorld(ctx context.Context) (w *world, err error) {
	dir, err := os.MkdirTemp("", "drills-")
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	w = &world{
		dir: dir, binary: filepath.Join(root, "bin", "portcullis"),
		release: release.Release{Root: root, Name: name, Namespace: namespace},
	}
	w.drain.Store(usualDrain)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	admission, err := w.credentials()
	if err != nil {
		return w, err
	}
	address, err := props.FreeAddress(ctx)
	if err != nil {
		return w, err
	}
	w.options = cluster.Options{
		Dir: filepath.Join(dir, "plane"), ExtraArgs: []string{node.AggregatorRouting}, AdmissionConfig: admission,
		Users: map[string][]string{"reader": {"drills:readers"}}, AuditPolicy: w.file("audit.yaml"),
	}
	if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &w.options.Port); err != nil {
		return w, err
	}
	if err := w.putBinary(); err != nil {
		return w, err
	}
	if err := w.startPlane(ctx); err != nil {
		return w, err
	}
	if err := w.startNode(ctx); err != nil {
		return w, err
	}
	if err := w.trustCallers(ctx); err != nil {
		return w, err
	}
	if err := w.helm(ctx, "install"); err != nil {
		return w, err
	}
	if _, err = w.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: work}},
		metav1.CreateOptions{}); err != nil {
		return w, err
	}
	return w, w.apply(ctx, team)
}

// helm installs or upgrades the release, and waits for it. The arguments add to the values that all drills need.
func (w *world) helm(ctx context.Context, command string, args ...string) error {
	args = append([]string{
		command, name, w.release.Chart(), "--namespace=" + namespace, "--wait", "--timeout=180s", "--set=image.tag=test",
		"--set=clientCA.configMapName=callers,clientCA.names={" + apiServer + "}",
	}, args...)
	_, err := w.release.Helm(ctx, w.Kubeconfig, args...)
	return err
}

// credentials writes the files by which the API server proves to the servers who it is, and they check it.
func (w *world) credentials() (admission string, err error) {
	if w.callers, err = newAuthority("callers"); err != nil {
		return "", err
	}
	if w.caller, err = w.callers.issue(apiServer, time.Now().Add(24*time.Hour)); err != nil {
		return "", err
	}
	kubeconfig := fmt.Sprintf(`{apiVersion: v1, kind: Config, users: [{name: "%s.%s.svc:443", user: {client-certificate: %s, client-key: %s}}]}`,
		name, namespace, w.file("caller.crt"), w.file("caller.key"))
	config := "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n"
	for _, plugin := range []string{"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"} {
		config += fmt.Sprintf("- name: %s\n  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %s}\n",
			plugin, w.file("caller.kubeconfig"))
	}
	for file, text := range map[string][]byte{
		"caller.crt": w.caller.cert, "caller.key": w.caller.key, "caller.kubeconfig": []byte(kubeconfig),
		"admission.yaml": []byte(config), "audit.yaml": []byte(auditPolicy),
	} {
		if err := os.WriteFile(w.file(file), text, 0o600); err != nil {
			return "", err
		}
	}
	return w.file("admission.yaml"), nil
}

// trustCallers puts the authority of the API server's certificate where the chart is told to find it.
func (w *world) trustCallers(ctx context.Context) error {
	_, err := w.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = w.client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "callers"}, Data: map[string]string{"ca.crt": string(w.callers.PEM)},
	}, metav1.CreateOptions{})
	return err
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

// startPlane starts the control plane, which finds what it knew before.
func (w *world) startPlane(ctx context.Context) (err error) {
	if w.Cluster, err = cluster.Start(ctx, w.options); err != nil {
		return err
	}
	if w.config, err = w.RESTConfig(); err != nil {
		return err
	}
	if w.client, err = kubernetes.NewForConfig(w.config); err != nil {
		return err
	}
	w.dynamic, err = dynamic.NewForConfig(w.config)
	return err
}

// startNode starts what runs Pods.
func (w *world) startNode(ctx context.Context) error {
	n, err := node.Start(ctx, node.Options{Config: w.config, Dir: w.file("node"), Programs: map[string]node.Program{image: {
		Path: w.file("portcullis"),
		Arguments: func(i node.Instance) []string {
			return []string{"--listen=" + i.Address(8443), "--health-listen=" + i.Address(8081), "--drain=" + w.drain.Load().(string)}
		},
	}}})
	if err == nil {
		w.node = n
	}
	return err
}

func (w *world) stop() error {
	if w.node != nil {
		w.node.Stop()
	}
	var err error
	if w.Cluster != nil {
		err = w.Stop()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// putBinary lets processes of the release start; takeBinary keeps them from it.
func (w *world) putBinary() error {
	if _, err := os.Stat(w.binary); err != nil {
		return fmt.Errorf("the server is not built: %w; run `make bin/portcullis`", err)
	}
	err := os.Symlink(w.binary, w.file("portcullis"))
	if os.IsExist(err) {
		return nil
	}
	return err
}

func (w *world) takeBinary() error { return os.Remove(w.file("portcullis")) }

// killAll crashes every server at once, and none starts again until revive.
func (w *world) killAll(t *testing.T) {
	t.Helper()
	if err := w.takeBinary(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.putBinary() })
	for _, pod := range w.pods(t) {
		w.signal(t, pod.Name, syscall.SIGKILL)
	}
}

// revive lets the servers start again, as they do by themselves.
func (w *world) revive(t *testing.T) {
	t.Helper()
	if err := w.putBinary(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) signal(t *testing.T, pod string, signal syscall.Signal) {
	t.Helper()
	if err := w.node.Signal(namespace, pod, signal); err != nil {
		t.Fatal(err)
	}
}

// pods are the servers that are not about to go.
func (w *world) pods(t *testing.T) (out []corev1.Pod) {
	t.Helper()
	list, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			out = append(out, pod)
		}
	}
	return out
}

// settled waits until nothing moves: the Deployment is rolled out, no other Pod is left, every replica decides by team, its status says so,
// and it is enforced.
func (w *world) settled(t *testing.T) {
	t.Helper()
	until(t, "three replicas are ready, and no other is left", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			return false
		}
		all, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && len(all.Items) == replicas
	})
	caller, question := w.asAPIServer(t), review(t, "ConfigMap", work)
	until(t, "each replica decides by team", func() bool {
		pods := w.pods(t)
		for _, pod := range pods {
			instance, err := w.node.Instance(namespace, pod.Name, "")
			if err != nil || !ready(pod) {
				return false
			}
			got, err := caller.ask(t.Context(), instance.Address(8443), question)
			if err != nil || !strings.HasPrefix(got.message(), "team: ") {
				return false
			}
		}
		return len(pods) == replicas
	})
	w.ready(t, "team")
	until(t, "team is enforced with Fail", func() bool {
		v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && len(v.Webhooks) > 0 && strings.HasPrefix(v.Webhooks[0].Name, "enforce.") && *v.Webhooks[0].FailurePolicy == "Fail" &&
			refusedBy(w.configMap(t.Context(), false), "team")
	})
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration == d.Generation && s.UpdatedReplicas == replicas && s.Replicas == replicas && s.AvailableReplicas == replicas
}

// ready waits until every replica serves the Policy as it is now.
func (w *world) ready(t *testing.T, policy string) {
	t.Helper()
	until(t, "every replica serves "+policy, func() bool {
		p := w.policy(t.Context(), policy)
		return p != nil && p.Status.ObservedGeneration == p.Generation && p.Status.Replicas == fmt.Sprintf("%d/%d", replicas, replicas) &&
			meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.PolicyReady)
	})
}

func policyResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: v1alpha1.Group, Version: "v1alpha1", Resource: "policies"}
}

// policy reads a Policy; nil is none.
func (w *world) policy(ctx context.Context, name string) *v1alpha1.Policy {
	object, err := w.dynamic.Resource(policyResource()).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	text, err := object.MarshalJSON()
	p := &v1alpha1.Policy{}
	if err != nil || yaml.Unmarshal(text, p) != nil {
		return nil
	}
	return p
}

// apply makes or changes one Policy.
func (w *world) apply(ctx context.Context, text string) error {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		return err
	}
	_, err := w.dynamic.Resource(policyResource()).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "drills", Force: true})
	return err
}

// put applies a Policy for the length of a drill, and waits until every replica serves it.
func (w *world) put(t *testing.T, policy, text string) {
	t.Helper()
	until(t, policy+" is accepted", func() bool {
		err := w.apply(t.Context(), text)
		if err != nil && !apierrors.IsInternalError(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := w.dynamic.Resource(policyResource()).Delete(ctx, policy, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	w.ready(t, policy)
}

// restart replaces every Pod by a new one, one after the other, and returns when the old ones have gone.
func (w *world) restart(t *testing.T) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"drills/restarted":%q}}}}}`, time.Now().Format(time.RFC3339Nano))
	w.change(t, patch)
}

// change patches the Deployment and waits until it is rolled out.
func (w *world) change(t *testing.T, patch string) {
	t.Helper()
	if _, err := w.client.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch),
		metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the old replicas have gone", func() bool {
		d, err := w.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !rolledOut(d) {
			return false
		}
		all, err := w.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		return err == nil && len(all.Items) == replicas
	})
}

// leader is the Pod that leads, empty if none does.
func (w *world) leader(ctx context.Context) string {
	lease, err := w.client.CoordinationV1().Leases(namespace).Get(ctx, name+"-leader", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	pod, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return pod
}

// tellLogs shows the end of what servers and API server wrote.
func (w *world) tellLogs(t *testing.T) {
	logs, _ := filepath.Glob(filepath.Join(w.node.Logs(), "*.log"))
	if len(logs) > 2*replicas {
		logs = logs[len(logs)-2*replicas:]
	}
	for _, log := range append(logs, filepath.Join(w.Logs(), "kube-apiserver.log")) {
		text, _ := os.ReadFile(log)
		lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		t.Logf("the end of %s:\n%s", filepath.Base(log), strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// until asks until the answer is yes. It is not for what has to be quick: it fails only when patience is over.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}

// holds asks for a while whether something is so all the time.
func holds(t *testing.T, what string, for_ time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(for_); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if !ok() {
			t.Fatalf("it did not stay so that %s", what)
		}
	}
}
