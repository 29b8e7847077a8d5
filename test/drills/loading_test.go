package drills

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/test/props"
)

// early is a policy which a server has in a file from the start, unlike those of the cluster.
const early = `package early

# METADATA
# title: Nobody makes a Secret here
deny contains "no Secrets here" if input.request.kind.kind == "Secret"
`

// TestLoading (F10): a server is called before it has heard which policies the cluster has. It answers 503 and Retry-After, at every call,
// and never allows; the API server asks again until there is an answer. The same without Retry-After is refused at once.
func TestLoading(t *testing.T) {
	w := start(t)
	through := newSluice(t, strings.TrimPrefix(w.config.Host, "https://"))
	server := w.lone(t, through.address, early)
	caller := server.caller(t)
	question := review(t, "Secret", "early")
	until(t, "it takes calls", func() bool { _, err := caller.ask(t.Context(), server.address, question); return err == nil })

	var held, allowed atomic.Int32
	asking := begin(t, 2, 5*time.Millisecond, func(ctx context.Context, _ int) error {
		got, err := caller.ask(ctx, server.address, question)
		switch {
		case err != nil:
			return err
		case got.code == http.StatusServiceUnavailable && got.retryAfter == "1":
			held.Add(1)
		case got.code != http.StatusOK:
			return fmt.Errorf("it answers %d with Retry-After %q", got.code, got.retryAfter)
		case got.response.Allowed:
			allowed.Add(1)
		}
		return nil
	})
	w.registerLone(t, server.address, server.authority(t))
	made := make(chan error, 1)
	go func() { made <- w.secret(context.WithoutCancel(t.Context())) }()
	time.Sleep(time.Duration(rounds(2, 5)) * time.Second)
	before := held.Load()
	select {
	case err := <-made:
		t.Errorf("the API server has its answer before there is one: %v", err)
	default:
	}
	if before == 0 || allowed.Load() > 0 {
		t.Errorf("before the policies are there, %d calls are told to come again and %d allowed", before, allowed.Load())
	}
	through.open()
	if err := <-made; !strings.Contains(fmt.Sprint(err), "early: no Secrets here") {
		t.Errorf("the request that had waited: %v", err)
	}
	until(t, "it decides", func() bool {
		got, err := caller.ask(t.Context(), server.address, question)
		return err == nil && strings.Contains(got.message(), "early: no Secrets here")
	})
	got := asking.end()
	if got.failed > 0 || allowed.Load() > 0 {
		t.Errorf("%d allowed, %v", allowed.Load(), got)
	}
	figure(t, "F10: %d calls before the policies were there: all told to come again, none allowed; the request through the API server waited and was decided", before)

	t.Run("control: without Retry-After the request fails", func(t *testing.T) {
		stub := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }))
		defer stub.Close()
		w.registerLone(t, stub.Listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stub.Certificate().Raw}))
		until(t, "the API server gives up", func() bool {
			err := w.secret(t.Context())
			return err != nil && strings.Contains(err.Error(), `failed calling webhook "enforce.early.example.com"`)
		})
	})
}

// secret asks the API server to make a Secret where only the lone server is asked about it.
func (w *world) secret(ctx context.Context) error {
	_, err := w.client.CoreV1().Secrets("early").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// registerLone has the API server ask the lone server, and returns when it does.
func (w *world) registerLone(t *testing.T, address string, authority []byte) {
	t.Helper()
	hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "early"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "enforce.early.example.com", AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: new(int32(10)),
			ClientConfig:  admissionregistrationv1.WebhookClientConfig{URL: new("https://" + address + "/validate"), CABundle: authority},
			FailurePolicy: new(admissionregistrationv1.Fail), SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "early"}},
		}},
	}
	api := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_ = api.Delete(t.Context(), "early", metav1.DeleteOptions{})
	if _, err := api.Create(t.Context(), hook, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.WithoutCancel(t.Context()), "early", metav1.DeleteOptions{}) })
	until(t, "the API server asks it", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return w.secret(ctx) != nil
	})
}

// lone is a server outside of the release.
type lone struct{ address, ca string }

func (l lone) authority(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(l.ca)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (l lone) caller(t *testing.T) *direct {
	t.Helper()
	until(t, "it has said whom to trust", func() bool { _, err := os.Stat(l.ca); return err == nil })
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(l.authority(t))
	return newDirect(t, &tls.Config{RootCAs: trusted})
}

// lone starts a server that may read the cluster at the address and write nothing, with policies of its own in files.
func (w *world) lone(t *testing.T, cluster string, policies ...string) lone {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "drills-readers"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"", "portcullis.dev", "coordination.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: "Group", Name: "drills:readers"}},
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "early"}}
	_, first := w.client.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	_, second := w.client.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	_, third := w.client.CoreV1().Namespaces().Create(t.Context(), space, metav1.CreateOptions{})
	for _, err := range []error{first, second, third} {
		if err != nil && !strings.Contains(err.Error(), "already exists") {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	config, err := clientcmd.LoadFromFile(w.UserKubeconfig("reader"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server = "https://" + cluster
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	out := lone{props.FreeAddressT(t), filepath.Join(dir, "ca.crt")}
	args := []string{
		"serve", "--kubeconfig=" + kubeconfig, "--namespace=early", "--name=early", "--replica=lone", "--cluster-policies",
		"--listen=" + out.address, "--health-listen=" + props.FreeAddressT(t), "--ca-file=" + out.ca, "--drain=0s",
	}
	for i, text := range policies {
		file := filepath.Join(dir, fmt.Sprintf("%d.rego", i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--policies="+file)
	}
	log := &props.Buffer{}
	cmd := exec.Command(w.binary, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the lone server:\n%s", log)
		}
	})
	return out
}

// sluice passes connections on once it is open; until then, and while it is shut, it takes them and stays silent.
type sluice struct {
	address string
	opened  chan struct{}
	gate    sync.RWMutex
}

func newSluice(t *testing.T, to string) *sluice {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sluice{address: l.Addr().String(), opened: make(chan struct{})}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go s.pass(in, to)
		}
	}()
	return s
}

func (s *sluice) open() { close(s.opened) }

// shut lets nothing through any more, in neither direction, until again is called.
func (s *sluice) shut() (again func()) {
	s.gate.Lock()
	return s.gate.Unlock
}

func (s *sluice) pass(in net.Conn, to string) {
	defer in.Close()
	<-s.opened
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { s.flow(out, in); _ = out.Close() }()
	s.flow(in, out)
}

func (s *sluice) flow(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		s.gate.RLock()
		_, failed := to.Write(buffer[:n])
		s.gate.RUnlock()
		if err != nil || failed != nil {
			return
		}
	}
}
