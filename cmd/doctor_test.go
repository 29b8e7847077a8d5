package cmd

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/webhook"
	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// patient is a server that has no opinion about anything but probes.
func patient(t *testing.T) (server *httptest.Server, ca []byte) {
	t.Helper()
	none := review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		if req.Stage == review.Mutate || req.Stage == review.Validate {
			return review.Decision{Verdict: review.Allow}, nil
		}
		return review.Decision{Verdict: review.NoOpinion}, nil
	})
	table := webhook.Endpoints(func(review.Stage) review.Reviewer { return none }, 0)
	probe := registration.Answering("portcullis-0", func() []byte { return ca })
	table = append(table, webhook.Endpoint{
		Stage: review.Validate, Path: registration.ProbePath, MaxBody: 1 << 20, Deadline: time.Second, Dialect: review.DialectValidate, Reviewer: probe,
	})
	metrics, err := webhook.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	handler, err := webhook.NewHandler(table, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server, ca
}

type examined struct {
	t      *testing.T
	plane  *cluster.Cluster
	client kubernetes.Interface
}

// doctor returns the exit code and a line for each check, without what differs from run to run.
func (e examined) doctor() (int, string) {
	e.t.Helper()
	var stdout, stderr buffer
	code := Run(e.t.Context(), []string{"doctor", "-o=json", "--namespace=default", "--kubeconfig=" + e.plane.Kubeconfig}, nil, &stdout, &stderr)
	var report struct{ Checks []check }
	if err := json.Unmarshal([]byte(stdout.String()), &report); err != nil {
		e.t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	out := ""
	for _, c := range report.Checks {
		if (c.Status == checkOK) != (c.Remedy == "") {
			e.t.Errorf("no remedy, or one for what is well: %+v", c)
		}
		out += c.Status + " " + c.Check + ": " + c.Message + "\n"
	}
	return code, regexp.MustCompile(`127\.0\.0\.1:\d+|portcullis-probe-\w+`).ReplaceAllString(out, "ADDRESS")
}

func (e examined) expect(what string, code int, want ...string) {
	e.t.Helper()
	got, out := e.doctor()
	if got != code {
		e.t.Errorf("%s: exit code %d", what, got)
	}
	for _, line := range want {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(out) {
			e.t.Errorf("%s: missing %q", what, line)
		}
	}
	if e.t.Failed() {
		e.t.Logf("%s:\n%s", what, out)
	}
}

func (e examined) replica(name, revision string) (stop func()) {
	e.t.Helper()
	r, err := replicas.New(replicas.Options{Client: e.client, Namespace: "default", Name: "portcullis", Replica: name}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Serve(replicas.State{Revision: revision})
	ctx, cancel := context.WithCancel(e.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.Run(ctx)
	}()
	eventually(e.t, "alive", func() bool { _, err := r.Members(); return err == nil })
	return func() {
		cancel()
		<-ended
	}
}

func TestDoctorInARealCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	server, ca := patient(t)
	dir := t.TempDir()
	caFile := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	var said buffer
	setup := []string{
		"setup", "--url=" + server.URL, "--ca-file=" + caFile, "--callouts=authenticate,guard,grant", "--dir=" + dir, "--node-dir=" + dir,
	}
	if code := Run(t.Context(), setup, nil, &said, &said); code != exitOK {
		t.Fatal(said.String())
	}
	options := cluster.Options{NoControllerManager: true}
	if err := options.TakeFile(filepath.Join(dir, "kube-apiserver.flags")); err != nil {
		t.Fatal(err)
	}
	plane := cluster.StartT(t, options)
	config, err := plane.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	e := examined{t, plane, kubernetes.NewForConfigOrDie(config)}

	e.expect("nothing but the authorizers", exitRefused,
		`FAIL registration: there is no webhook configuration named "portcullis"$`,
		`FAIL mutate: there is no webhook to probe, so it is not known whether the API server reaches Portcullis$`,
		`ok lock-out: no webhook that fails closed covers Pods of kube-system, nodes, leases or certificates$`,
		`ok guard: portcullis-guard answers, before RBAC$`,
		`ok grant: portcullis-grant answers, after RBAC$`,
		`ok tokens: the API server asks ADDRESS about tokens, which answers$`,
		`FAIL replicas: no replica of portcullis is alive in namespace default$`,
		`warn policies: the cluster does not serve the kind Policy$`,
	)

	plan := registration.Plan([]registration.Interest{{Phase: registration.Validate, Fail: true}},
		registration.Options{Name: "portcullis", Namespace: "default", URL: server.URL, Bundle: ca})
	if _, err := e.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), plan.Validating, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), plan.Mutating, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.expect("one of three is missing", exitRefused, `FAIL registration: there is no ValidatingWebhookConfiguration portcullis-policies$`)
	if _, err := e.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), plan.Policies, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"apply", "-f", "../charts/portcullis/files/crds"},
		{"wait", "--for=condition=Established", "crd/policies.portcullis.dev"},
	} {
		if _, stderr, err := plane.Kubectl(t.Context(), "", nil, args...); err != nil {
			t.Fatal(stderr)
		}
	}
	defer e.replica("portcullis-0", "r1")()
	e.expect("no Secret and no owner", exitOK,
		`warn registration: the configurations named portcullis stay when the release goes, and what fails closed is refused then$`,
		`warn certificates: there is no Secret portcullis-tls in namespace default, so it is not known until when the certificate that is served is valid$`)
	role, err := e.client.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "portcullis"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owner := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","name":"portcullis","uid":%q}]}}`, role.UID)
	for _, object := range []string{
		"validatingwebhookconfiguration/portcullis", "mutatingwebhookconfiguration/portcullis", "validatingwebhookconfiguration/portcullis-policies",
	} {
		if _, stderr, err := plane.Kubectl(t.Context(), "", nil, "patch", object, "-p", owner); err != nil {
			t.Fatal(stderr)
		}
	}
	pair := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "portcullis-tls"}, Data: map[string][]byte{"tls.crt": ca}}
	if _, err := e.client.CoreV1().Secrets("default").Create(t.Context(), pair, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	e.expect("all is well", exitOK,
		`ok registration: enforce.validate.portcullis.dev is registered with failurePolicy Fail$`,
		`ok certificates: the authority that the registration names is valid until 20\d\d-\d\d-\d\d$`,
		`ok certificates: the certificate that is served is valid until 20\d\d-\d\d-\d\d \d\d:\d\d UTC$`,
		`ok certificates: the registration's authorities vouch for the certificate that is served$`,
		`ok mutate: the API server reaches portcullis-0 and trusts it$`,
		`ok validate: the API server reaches portcullis-0 and trusts it$`,
		`ok lock-out: `, `ok guard: `, `ok grant: `, `ok tokens: `,
		`ok replicas: 1 alive, all serve r1$`,
		`ok policies: there is no Policy$`,
	)
	var table buffer
	if code := Run(t.Context(), []string{"doctor", "--namespace=default", "--kubeconfig=" + plane.Kubeconfig}, nil, &table, &table); code != exitOK ||
		!strings.Contains(table.String(), "ok  replicas      1 alive, all serve r1\n") {
		t.Errorf("%d\n%s", code, table.String())
	}

	// Everything that can go wrong.
	fail := admissionregistrationv1.Fail
	none := admissionregistrationv1.SideEffectClassNone
	stranger := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "stranger"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "all.stranger.example", FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &server.URL},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Delete},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"*"}, Resources: []string{"pods"}},
			}, {
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"certificates.k8s.io"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
			}, {
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"pods"}},
			}},
		}},
	}
	if _, err := e.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), stranger, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer e.replica("portcullis-1", "r2")()
	client := dynamic.NewForConfigOrDie(config)
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": "p"}, "spec": map[string]any{"use": "pods.privileged"},
	}}
	if _, err := client.Resource(v1alpha1.GroupVersion().WithResource("policies")).Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	server.CloseClientConnections()
	server.Close()
	e.expect("nobody answers", exitRefused,
		`FAIL mutate: the probe of the mutate webhook was not answered: .*connection refused`,
		`FAIL validate: the probe of the validate webhook was not answered: .*connection refused`,
		`warn lock-out: all.stranger.example of stranger stops Pods of kube-system, certificate requests when nobody answers it$`,
		`FAIL guard: the API server asks portcullis-guard and has no answer$`,
		`FAIL tokens: the API server asks about tokens and has no answer: .*connection refused`,
		`warn replicas: replicas serve different policies: r1: portcullis-0; r2: portcullis-1$`,
		`warn policies: Policy p has not been looked at since it was changed$`,
	)

	if code := Run(t.Context(), []string{"unlock", "--for=1h", "--reason=a test", "--kubeconfig=" + plane.Kubeconfig}, nil, &said, &said); code != exitOK {
		t.Fatal(said.String())
	}
	e.expect("unlocked", exitRefused,
		`FAIL registration: nothing is enforced at admission: unlocked until \S+ by \S+: a test$`,
		`FAIL admission: the API server asks nobody, because the cluster is unlocked until \S+Z$`,
	)
}

func TestWhatTheMetricsSayOfAuthorizers(t *testing.T) {
	of := func(answered, unanswered float64) asked {
		return asked{map[string]float64{"portcullis-guard": answered}, map[string]float64{"portcullis-guard": unanswered}}
	}
	for _, row := range []struct {
		what, topic     string
		allowed, refuse asked
		want            string
	}{
		{"before RBAC", "guard", of(10, 0), of(10, 0), "ok guard portcullis-guard answers, before RBAC"},
		{"after RBAC", "guard", of(0, 0), of(10, 0), "FAIL guard portcullis-guard is asked after RBAC, and cannot stop what RBAC allows"},
		{"not at all", "guard", of(0, 0), of(0, 0), "warn guard the API server does not ask an authorizer named portcullis-guard"},
		{"others asked meanwhile", "guard", of(2, 0), of(3, 0), "warn guard the API server does not ask an authorizer named portcullis-guard"},
		{"no answer", "guard", of(0, 10), of(0, 10), "FAIL guard the API server asks portcullis-guard and has no answer"},
		{"a grant after RBAC", "grant", of(0, 0), of(10, 0), "ok grant portcullis-guard answers, after RBAC"},
		{"a grant before RBAC", "grant", of(10, 0), of(10, 0), "warn grant portcullis-guard is asked before RBAC, about every request that RBAC would allow"},
	} {
		place := "before"
		if row.topic == "grant" {
			place = "after"
		}
		c := judgeAuthorizer(row.topic, "portcullis-guard", place, row.allowed, row.refuse)
		if got := c.Status + " " + c.Check + " " + c.Message; got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
	}
}

func TestSamples(t *testing.T) {
	text := "# HELP a b\na{x=\"1\",y=\"}\\\" {\"} 3\na{x=\"2\"} 1e+06 1700000000\nab{x=\"1\"} 4\na 5\na{x=\"1\"} what\n"
	got := samplesOf([]byte(text), "a")
	if len(got) != 2 || got[0].value != 3 || got[0].labels["x"] != "1" || got[1].value != 1e6 {
		t.Errorf("%+v", got)
	}
}
