package drills

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// static is what setup printed for policies that want everything, with Fail, of a server that never runs.
type static struct {
	dir string
}

// plane is a control plane that reads it.
type plane struct {
	*cluster.Cluster
	client *kubernetes.Clientset
}

// TestStatic (F2, F4): the webhooks are files of the API server, everything is registered with Fail, and nobody runs. A fresh control plane
// comes up whole, what opens a cluster is not refused, and to take the files away opens it.
func TestStatic(t *testing.T) {
	t.Parallel()
	s := printed(t)
	c := s.start(t)
	until(t, "a Pod elsewhere is stopped, which shows that nobody answers", func() bool { return unanswered(c.makePod(t.Context(), metav1.NamespaceDefault)) })
	c.comesUpWhole(t)
	c.servesOurs(t)
	c.canBeUnlocked(t)

	t.Run("opened on the node", func(t *testing.T) {
		kept := s.take(t)
		until(t, "everything passes", func() bool { return c.makePod(t.Context(), metav1.NamespaceDefault) == nil })
		s.put(t, kept)
		until(t, "nothing passes", func() bool { return unanswered(c.makePod(t.Context(), metav1.NamespaceDefault)) })
	})
	t.Run("control: without what is spared it can be neither unlocked nor started", func(t *testing.T) {
		s.put(t, unspared(t, s.take(t)))
		until(t, "no webhook configuration passes", func() bool { return unanswered(c.register(t.Context(), "another")) })
		if out, err := c.unlock(t); err == nil || !strings.Contains(out, "failed calling webhook") {
			t.Errorf("it is unlocked: %s", out)
		}
		cold, err := cluster.Start(t.Context(), s.options(filepath.Join(t.TempDir(), "plane"), 20*time.Second))
		if err == nil {
			_ = cold.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), "serviceaccounts") {
			t.Errorf("a control plane comes up: %v", err)
		}
	})
}

// printed has setup print.
func printed(t *testing.T) static {
	t.Helper()
	s := static{dir: t.TempDir()}
	s.write(t, "policies/everything.yaml", []byte(everything))
	s.write(t, "audit.yaml", []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"))
	out, err := exec.CommandContext(t.Context(), binary(t), "setup", "--url=https://127.0.0.1:1", "--callouts=mutate,validate",
		"--policies="+filepath.Join(s.dir, "policies"), "--namespace="+namespace, "--dir="+s.dir, "--node-dir="+s.dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

func binary(t *testing.T) string {
	t.Helper()
	return props.ServerT(t, "../..")
}

func (s static) write(t *testing.T, file string, text []byte) {
	t.Helper()
	path := filepath.Join(s.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func manifests() []string {
	return []string{"static-mutating/portcullis.yaml", "static-validating/portcullis.yaml"}
}

// take removes the manifests, and returns them by file.
func (s static) take(t *testing.T) map[string][]byte {
	t.Helper()
	taken := map[string][]byte{}
	for _, file := range manifests() {
		text, err := os.ReadFile(filepath.Join(s.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(s.dir, file)); err != nil {
			t.Fatal(err)
		}
		taken[file] = text
	}
	return taken
}

func (s static) put(t *testing.T, files map[string][]byte) {
	t.Helper()
	for file, text := range files {
		s.write(t, file, text)
	}
}

// unspared are the manifests without the conditions that spare webhook configurations and what controllers make.
func unspared(t *testing.T, files map[string][]byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for file, text := range files {
		c := admissionregistrationv1.MutatingWebhookConfiguration{} // has all the fields of the other
		if err := yaml.Unmarshal(text, &c); err != nil {
			t.Fatal(err)
		}
		hook := &c.Webhooks[0]
		before := len(hook.MatchConditions)
		hook.MatchConditions = slices.DeleteFunc(hook.MatchConditions, func(m admissionregistrationv1.MatchCondition) bool {
			return m.Name == "not-admission-configurations" || m.Name == "not-what-controllers-make-by-themselves"
		})
		if before-len(hook.MatchConditions) != 2 {
			t.Fatalf("%s has not both conditions:\n%s", file, text)
		}
		text, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = text
	}
	return out
}

func (s static) options(dir string, timeout time.Duration) cluster.Options {
	return cluster.Options{
		Dir: dir, AdmissionConfig: filepath.Join(s.dir, "admission.yaml"), AuditPolicy: filepath.Join(s.dir, "audit.yaml"), Timeout: timeout,
	}
}

func (s static) start(t *testing.T) plane {
	t.Helper()
	c := cluster.StartT(t, s.options(filepath.Join(t.TempDir(), "plane"), 0))
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	return plane{c, kubernetes.NewForConfigOrDie(config)}
}

// comesUpWhole waits for what a control plane makes for itself, and then reads in the audit log that it was refused nothing.
func (p plane) comesUpWhole(t *testing.T) {
	t.Helper()
	for what, made := range map[string]func(context.Context) bool{
		"the accounts of namespaces": func(ctx context.Context) bool {
			_, err := p.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
			return err == nil
		},
		"the authorities in namespaces": func(ctx context.Context) bool {
			_, err := p.client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err == nil
		},
		"the roles made of others": func(ctx context.Context) bool {
			return !slices.ContainsFunc([]string{"admin", "edit", "view"}, func(name string) bool {
				role, err := p.client.RbacV1().ClusterRoles().Get(ctx, name, metav1.GetOptions{})
				return err != nil || len(role.Rules) == 0
			})
		},
		"the authorities of the API server": func(ctx context.Context) bool {
			bundles, err := p.client.CertificatesV1().ClusterTrustBundles().List(ctx, metav1.ListOptions{})
			return err == nil && len(bundles.Items) == 1
		},
		"the addresses of services": func(ctx context.Context) bool {
			addresses, err := p.client.NetworkingV1().ServiceCIDRs().Get(ctx, "kubernetes", metav1.GetOptions{})
			return err == nil && len(addresses.Finalizers) > 0 && len(addresses.Status.Conditions) > 0
		},
		"the classes of priority": func(ctx context.Context) bool {
			classes, err := p.client.SchedulingV1().PriorityClasses().List(ctx, metav1.ListOptions{})
			return err == nil && len(classes.Items) == 2
		},
	} {
		until(t, what+" are there", func() bool { return made(t.Context()) })
	}
	refused, passed := 0, 0
	for _, event := range p.audited(t) {
		switch {
		case !strings.HasPrefix(event.User.Username, "system:"):
		case event.ResponseStatus != nil && strings.Contains(event.ResponseStatus.Message, "failed calling webhook"):
			refused++
			t.Errorf("%s may not %s %+v: %s", event.User.Username, event.Verb, event.ObjectRef, event.ResponseStatus.Message)
		case slices.Contains([]string{"create", "update", "patch", "delete"}, event.Verb):
			passed++
		}
	}
	if passed == 0 {
		t.Error("the audit log has nothing of the control plane's")
	}
	figure(t, "F2 static: of %d writes by which a fresh control plane comes up %d are refused", passed+refused, refused)
}

func (p plane) audited(t *testing.T) (out []auditv1.Event) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Logs(), "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, line := range lines[:len(lines)-1] { // the last may be half a line
		var event auditv1.Event
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		out = append(out, event)
	}
	return out
}

// servesOurs makes our namespace and a Pod in it, for which it needs its account.
func (p plane) servesOurs(t *testing.T) {
	t.Helper()
	ours := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := p.client.CoreV1().Namespaces().Create(t.Context(), ours, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "a Pod of ours is made", func() bool { return p.makePod(t.Context(), namespace) == nil })
}

func (p plane) makePod(ctx context.Context, in string) error {
	_, err := p.client.CoreV1().Pods(in).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	return err
}

// canBeUnlocked changes webhook configurations in each way, and unlocks.
func (p plane) canBeUnlocked(t *testing.T) {
	t.Helper()
	configurations := p.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for _, of := range []string{name, "another"} {
		if err := p.register(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := configurations.Patch(t.Context(), "another", types.MergePatchType, []byte(`{"webhooks":[]}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
	if err := configurations.Delete(t.Context(), "another", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	if out, err := p.unlock(t); err != nil {
		t.Errorf("unlock: %v: %s", err, out)
	}
	live, err := configurations.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(live.Webhooks) > 0 {
		t.Errorf("after unlock there is %+v, %v", live, err)
	}
}

// register makes a webhook configuration of no consequence.
func (p plane) register(ctx context.Context, name string) error {
	_, err := p.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "some.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
		}},
	}, metav1.CreateOptions{})
	return err
}

func (p plane) unlock(t *testing.T) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t), "unlock", "--for=1h", "--reason=a drill", "--kubeconfig="+p.Kubeconfig, "--name="+name).CombinedOutput()
	return string(out), err
}
