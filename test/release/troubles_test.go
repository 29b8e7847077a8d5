package release_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
	"github.com/portcullis-dev/portcullis/test/release"
)

// troubled is a release whose one server runs here, with the rights the chart gives it and no others.
type troubled struct {
	*cluster.Cluster
	client         kubernetes.Interface
	listen, health string
	authority      []byte
}

// keyPair makes a key pair and its authority.
func keyPair(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	if _, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = text
	}
	return out
}

// startTroubled has the server given all of pair's, or a Secret without ca.crt and an API server that has the authority from its machine.
func startTroubled(t *testing.T, without ...string) *troubled {
	t.Helper()
	w := installTroubled(t, without...)
	w.serve(t, "one", w.listen, w.health)
	return w
}

// installTroubled is startTroubled before the server runs.
func installTroubled(t *testing.T, without ...string) *troubled {
	t.Helper()
	mine := keyPair(t)
	authority := mine["ca.crt"]
	if len(without) > 0 {
		file := filepath.Join(t.TempDir(), "ca.crt")
		if err := os.WriteFile(file, authority, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SSL_CERT_FILE", file)
	}
	for _, key := range without {
		delete(mine, key)
	}
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard", Set: []string{"audit.enabled=false"}} // which may list more
	if err := r.Install(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	w := &troubled{Cluster: c, client: kubernetes.NewForConfigOrDie(config), listen: props.FreeAddressT(t), health: props.FreeAddressT(t)}
	w.authority = authority
	_, err = w.client.CoreV1().Secrets("guard").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "portcullis-tls"}, Type: corev1.SecretTypeTLS, Data: mine,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// serve runs one more server of the release, until the test ends.
func (w *troubled) serve(t *testing.T, replica, listen, health string, args ...string) {
	t.Helper()
	as, err := clientcmd.LoadFromFile(w.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range as.AuthInfos {
		user.Impersonate = "system:serviceaccount:guard:portcullis"
		user.ImpersonateGroups = []string{"system:serviceaccounts", "system:serviceaccounts:guard", "system:authenticated"}
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*as, kubeconfig); err != nil {
		t.Fatal(err)
	}
	var log props.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- cmd.Run(ctx, append([]string{
			"serve", "--kubeconfig=" + kubeconfig, "--namespace=guard", "--replica=" + replica, "--listen=" + listen, "--health-listen=" + health,
			"--owner=portcullis-owner", "--cluster-policies", "--register", "--webhook-url=https://" + w.listen, "--tls=existing-secret", "--tls-secret=portcullis-tls", "--drain=0s",
		}, args...), nil, io.Discard, &log)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("serve ended with %d\n%s", code, log.String())
		}
	})
}

func (w *troubled) kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	if _, stderr, err := w.Kubectl(t.Context(), "", strings.NewReader(stdin), args...); err != nil {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), stderr)
	}
}

// told waits for the Event, and returns how many there are of its kind.
func (w *troubled) told(t *testing.T, namespace, about, reason, note string) int {
	t.Helper()
	count := 0
	until(t, reason+" is told of "+about, func() bool {
		list, err := w.client.EventsV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false
		}
		count = 0
		found := false
		for _, e := range list.Items {
			if e.Regarding.Kind+"/"+e.Regarding.Name != about || e.Reason != reason || e.Regarding.UID == "" {
				continue
			}
			count++
			found = found || strings.Contains(e.Note, note) && e.Type == corev1.EventTypeWarning && e.ReportingController == "portcullis.dev/portcullis"
		}
		return found
	})
	return count
}

func (w *troubled) shows(t *testing.T, sample string) {
	t.Helper()
	w.showing(t, sample, func(line string) bool { return line == sample })
}

func (w *troubled) showing(t *testing.T, what string, ok func(line string) bool) {
	t.Helper()
	until(t, "the metrics show "+what, func() bool {
		response, err := http.Get("http://" + w.health + "/metrics")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && slices.ContainsFunc(strings.Split(string(body), "\n"), ok)
	})
}

const leader = "Lease/portcullis-leader"

// Without ca.crt nobody is told whom to trust: the API server goes by the authorities of its machine.
func TestACertificateOfAnAuthorityThatTheMachineKnows(t *testing.T) {
	w := startTroubled(t, "ca.crt")
	w.kubectl(t, noTeam, "apply", "-f", "-")
	w.kubectl(t, "", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	until(t, "the Policy denies", func() bool {
		_, err := w.client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "first"}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "team: a ConfigMap needs the label team")
	})
	until(t, "it is refused, too, while nobody answers", func() bool {
		configuration, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), "portcullis", metav1.GetOptions{})
		if err != nil {
			return false
		}
		fail := false
		for _, hook := range configuration.Webhooks {
			if len(hook.ClientConfig.CABundle) > 0 {
				t.Fatalf("%s has a caBundle", hook.Name)
			}
			fail = fail || *hook.FailurePolicy == admissionregistrationv1.Fail
		}
		return fail
	})
}

// Whatever is wrong with what a server is given is told where people look: at the object, or where there is none at the Lease of the leader;
// and what was good goes on.
func TestTroublesAreTold(t *testing.T) {
	t.Parallel()
	w := startTroubled(t)
	w.kubectl(t, noTeam, "apply", "-f", "-")
	w.kubectl(t, "", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	refuses := func() bool {
		_, err := w.client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "first"}},
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "team: a ConfigMap needs the label team")
	}
	until(t, "the Policy denies", refuses)

	t.Run("a kind that is not there", func(t *testing.T) {
		w.kubectl(t, reading, "apply", "-f", "-")
		w.kubectl(t, "", "wait", "--for=condition=Informed=False", "policy/reads", "--timeout=60s")
		w.told(t, "default", "Policy/reads", "Missing", "nothing is known of widgets.example.com: the cluster has no such kind")
		w.told(t, "guard", leader, "KindMissing", "policies read widgets.example.com: the cluster has no such kind")
		w.shows(t, `portcullis_inventory_missing{kind="widgets.example.com"} 1`)
	})
	t.Run("a kind of ours that vanishes", func(t *testing.T) {
		w.kubectl(t, "", "delete", "crd", "policyexceptions.portcullis.dev")
		w.told(t, "guard", leader, "PolicyFaulty", "policyexceptions.portcullis.dev: ")
		w.shows(t, "portcullis_policy_faults 1")
		if !refuses() {
			t.Error("the policies are not in force any more")
		}
	})
	t.Run("a certificate that its authority has not signed", func(t *testing.T) {
		secrets := w.client.CoreV1().Secrets("guard")
		secret, err := secrets.Get(t.Context(), "portcullis-tls", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		other := keyPair(t)
		secret.Data["tls.crt"], secret.Data["tls.key"] = other["tls.crt"], other["tls.key"]
		if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.told(t, "guard", leader, "CertificateFaulty", "the certificate cannot be used; the last good one, if any, is served: ")
		w.shows(t, "portcullis_certificate_faulty 1")
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(w.authority)
		conn, err := tls.Dial("tcp", w.listen, &tls.Config{RootCAs: trusted})
		if err != nil {
			t.Fatalf("the last good certificate is not served: %v", err)
		}
		conn.Close()
		if !refuses() {
			t.Error("the policies are not asked any more")
		}
	})
	t.Run("a registration that cannot be written", func(t *testing.T) {
		patch := `[{"op":"replace","path":"/rules","value":[]}]`
		role, err := w.client.RbacV1().ClusterRoles().Get(t.Context(), "portcullis", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rules := role.Rules
		for i, rule := range rules {
			if slices.Contains(rule.Resources, "validatingwebhookconfigurations") && slices.Contains(rule.Verbs, "patch") {
				patch = fmt.Sprintf(`[{"op":"remove","path":"/rules/%d"}]`, i)
			}
		}
		w.kubectl(t, "", "patch", "clusterrole", "portcullis", "--type=json", "-p", patch)
		w.kubectl(t, "", "annotate", "validatingwebhookconfiguration", "portcullis", "drift=yes")
		w.kubectl(t, changed, "apply", "-f", "-") // which wants more to be asked about
		w.told(t, "guard", leader, "RegistrationFailed", "what is registered stays: ")
		w.showing(t, "failures", func(line string) bool {
			return strings.HasPrefix(line, "portcullis_registration_failures_total ") && !strings.HasSuffix(line, " 0")
		})
		until(t, "what was registered is asked", refuses)
	})
	t.Run("a faulty version past the gate", func(t *testing.T) {
		w.kubectl(t, "", "delete", "validatingwebhookconfiguration", "portcullis-policies") // nobody may mend it now
		w.kubectl(t, strings.ReplaceAll(noTeam, "not input", "no_such_function(input)\n    deny contains \"x\" if not input"), "apply", "-f", "-")
		w.kubectl(t, "", "wait", "--for=condition=Stalled", "policy/team", "--timeout=60s")
		w.told(t, "default", "Policy/team", "LastGoodServes", "no_such_function")
		w.shows(t, "portcullis_policy_faults 2")
		if !refuses() {
			t.Error("the last good version is not in force")
		}
	})
	if n := w.told(t, "guard", leader, "CertificateFaulty", ""); n != 1 {
		t.Errorf("what lasts is told %d times", n)
	}
}

const reading = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: reads}
spec:
  rego: |
    # METADATA
    # custom:
    #   portcullis:
    #     match: {resources: [services]}
    #     onError: allow
    #     data: [widgets.example.com]
    package reads

    deny contains "there is one" if data.kubernetes["widgets.example.com"][input.request.name]
`

const changed = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: more}
spec:
  rego: |
    # METADATA
    # custom:
    #   portcullis:
    #     match: {resources: [endpoints]}
    package more

    deny contains "never" if input.request.name == "never"
`
