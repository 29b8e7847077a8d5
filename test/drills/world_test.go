package drills

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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

// world is a cluster with the release installed. Drills share it one after the other, and each leaves it as it was.
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

// place is where a world is, as soon as a drill has taken the place.
type place struct {
	world *world
	err   error // it could not be started
}

// places are those that no drill has taken.
var places = make(chan *place, 2)

func TestMain(m *testing.M) {
	flag.Parse()
	count := cap(places)
	if *full {
		count = 1 // a figure is of a cluster that has the machine for itself
	}
	for range count {
		places <- &place{}
	}
	code := m.Run()
	for range count {
		if p := <-places; p.world != nil {
			if err := p.world.stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	os.Exit(code)
}

// start returns a world of the drill's own when all is well in it: three replicas are ready and agree, and team is enforced. Drills run
// beside each other as far as there are places.
func start(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("a cluster with three servers takes half a minute to start, and this is -short")
	}
	t.Parallel()
	p := <-places
	t.Cleanup(func() { places <- p })
	if p.world == nil && p.err == nil {
		p.world, p.err = newWorld(t.Context())
	}
	if p.err != nil {
		t.Fatalf("there is no cluster to drill in: %v", p.err)
	}
	w := p.world
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
	binary, err := props.Server(ctx, root)
	if err != nil {
		return nil, err
	}
	w = &world{
		dir: dir, binary: binary,
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
