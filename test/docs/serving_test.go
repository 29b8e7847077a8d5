package docs

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	webhookadmissionv1 "k8s.io/apiserver/pkg/admission/plugin/webhook/config/apis/webhookadmission/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

const serving = "docs/serving.md"

// imagePolicy is what the plugin ImagePolicyWebhook reads; the type of its own is not exported.
type imagePolicy struct {
	ImagePolicy struct {
		KubeConfigFile string `json:"kubeConfigFile"`
		AllowTTL       int    `json:"allowTTL"`
		DenyTTL        int    `json:"denyTTL"`
		RetryBackoff   int    `json:"retryBackoff"`
		DefaultAllow   bool   `json:"defaultAllow"`
	} `json:"imagePolicy"`
}

// The API server takes some of its files with a misspelt field in them, and goes on without. Its own types judge them here, strictly.
func TestServingIsSpeltRight(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range read(t, serving, strings.NewReplacer()).blocks {
		if b.language != "yaml" {
			continue
		}
		if !strings.HasPrefix(b.text, "# /etc/portcullis/") {
			t.Errorf("a YAML block does not begin with the name of its file:\n%s", b.text)
		}
		for document := range strings.SplitSeq(b.text, "\n---\n") {
			var meta metav1.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
				t.Fatalf("%v\n%s", err, document)
			}
			seen[meta.Kind] = true
			strictly(t, document, meta)
		}
	}
	for _, kind := range []string{
		"Config", "AuthorizationConfiguration", "AdmissionConfiguration", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
	} {
		if !seen[kind] {
			t.Errorf("%s has no %s", serving, kind)
		}
	}
}

func strictly(t *testing.T, document string, meta metav1.TypeMeta) {
	t.Helper()
	into := map[string]any{
		"v1/Config": &clientcmdv1.Config{},
		"apiserver.config.k8s.io/v1/AuthorizationConfiguration":          &apiserverv1.AuthorizationConfiguration{},
		"apiserver.config.k8s.io/v1/AdmissionConfiguration":              &apiserverv1.AdmissionConfiguration{},
		"admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration": &admissionregistrationv1.ValidatingWebhookConfiguration{},
		"admissionregistration.k8s.io/v1/MutatingWebhookConfiguration":   &admissionregistrationv1.MutatingWebhookConfiguration{},
		"rbac.authorization.k8s.io/v1/ClusterRole":                       &rbacv1.ClusterRole{},
		"rbac.authorization.k8s.io/v1/ClusterRoleBinding":                &rbacv1.ClusterRoleBinding{},
	}[meta.APIVersion+"/"+meta.Kind]
	if into == nil {
		t.Errorf("there is no %s %s", meta.APIVersion, meta.Kind)
		return
	}
	if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
		t.Errorf("%s: %v", meta.Kind, err)
	}
	config, ok := into.(*apiserverv1.AdmissionConfiguration)
	if !ok {
		return
	}
	for _, plugin := range config.Plugins {
		var into any = &webhookadmissionv1.WebhookAdmission{}
		if plugin.Name == "ImagePolicyWebhook" {
			into = &imagePolicy{}
		}
		if err := yaml.UnmarshalStrict(plugin.Configuration.Raw, into); err != nil {
			t.Errorf("%s of plugin %s: %v", meta.Kind, plugin.Name, err)
		}
	}
}

// The registration a reader copies is the one that all tests are run with.
func TestServingRegistersWhatIsTested(t *testing.T) {
	validating, mutating := cluster.Callouts{URL: "https://127.0.0.1:8443"}.WebhookConfigurations()
	documents := strings.Split(read(t, serving, strings.NewReplacer()).block(t, "yaml", "# /etc/portcullis/webhooks.yaml"), "\n---\n")
	if len(documents) != 2 {
		t.Fatalf("%d documents", len(documents))
	}
	for i, want := range []any{validating, mutating} {
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := yaml.UnmarshalStrict([]byte(documents[i]), got); err != nil {
			t.Fatal(err)
		}
		for _, one := range []any{got, want} { // what the page leaves to the API server's default, or to the reader
			switch one := one.(type) {
			case *admissionregistrationv1.ValidatingWebhookConfiguration:
				one.Webhooks[0].ClientConfig.CABundle, one.Webhooks[0].Rules = nil, anyScope(one.Webhooks[0].Rules)
			case *admissionregistrationv1.MutatingWebhookConfiguration:
				one.Webhooks[0].ClientConfig.CABundle, one.Webhooks[0].Rules = nil, anyScope(one.Webhooks[0].Rules)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the page registers\n%s\nand the tests\n%s", dump(t, got), dump(t, want))
		}
	}
}

func anyScope(rules []admissionregistrationv1.RuleWithOperations) []admissionregistrationv1.RuleWithOperations {
	for i := range rules {
		rules[i].Scope = nil
	}
	return rules
}

func dump(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The first commands of the page, and the answer it prints.
func TestServingWithoutAnAPIServer(t *testing.T) {
	need(t, "curl")
	listen := freeAddress(t)
	p := read(t, serving, strings.NewReplacer("127.0.0.1:8443", listen))
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	ready, _ := s.serve(t, p.block(t, "sh", "--policies library:"), listen)
	eventually(t, "ready", ready)

	var got, want map[string]any
	if err := json.Unmarshal([]byte(s.run(t, p.block(t, "sh", "curl "))), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.block(t, "json", "AdmissionReview")), &want); err != nil {
		t.Fatal(err)
	}
	for _, review := range []map[string]any{got, want} {
		annotations := review["response"].(map[string]any)["auditAnnotations"].(map[string]any)
		if annotations["revision"] == "" {
			t.Error("no revision")
		}
		delete(annotations, "revision") // of the library, which goes on
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page prints\n%s\nand the answer is\n%s", dump(t, want), dump(t, got))
	}
}

// serve starts the command of a page at other addresses. It returns how to ask whether it is ready, and how to stop it.
func (s shell) serve(t *testing.T, command, listen string) (ready func() bool, stop func()) {
	t.Helper()
	health := freeAddress(t)
	stop = s.start(t, strings.TrimSpace(command)+" --listen="+listen+" --health-listen="+health+" --decision-log=decisions.jsonl")
	return func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, stop
}

// A cluster that is there already is given every file of the page, in the order of the page, and the API server asks at every callout.
func TestServing(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	need(t, "openssl")
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis"), "kubectl": binary(t, "controlplane")})
	etc, listen := filepath.Join(s.folder, "etc"), freeAddress(t)
	options := cluster.Options{
		Dir: filepath.Join(s.folder, "plane"), Binary: binary(t, "controlplane"), Users: map[string][]string{"portcullis": nil, "jane": nil},
		NoControllerManager: true,
	}
	before, err := cluster.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	// It is anybody's cluster so far. Its address stays the same, as that of any.
	server, err := url.Parse(before.Server)
	if err != nil {
		t.Fatal(err)
	}
	if options.Port, err = strconv.Atoi(server.Port()); err != nil {
		t.Fatal(err)
	}
	p := read(t, serving, strings.NewReplacer("/etc/portcullis", etc, "/var/lib/portcullis", filepath.Join(s.folder, "lib"),
		"/etc/kubernetes/portcullis.conf", before.UserKubeconfig("portcullis"), "127.0.0.1:8443", listen))
	for _, b := range p.blocks {
		if b.language == "yaml" {
			path, _, _ := strings.Cut(strings.TrimPrefix(b.text, "# "), "\n")
			s.write(t, strings.TrimPrefix(path, s.folder), b.text)
		}
	}
	s.write(t, "etc/policies/privileged.yaml",
		"apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: privileged}\nspec: {use: pods.privileged}\n")
	s.write(t, "pod.yaml", `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: default},
  spec: {containers: [{name: app, image: nginx, securityContext: {privileged: true}}]}}`)
	s.run(t, p.block(t, "sh", "openssl"))
	if _, stderr, err := before.Kubectl(t.Context(), "", nil, "apply", "-f", filepath.Join(etc, "rbac.yaml")); err != nil {
		t.Fatal(err, stderr)
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}

	ready, stop := s.serve(t, p.block(t, "sh", "--client-ca="), listen)
	eventually(t, "an authority to trust", func() bool { _, err := os.Stat(filepath.Join(etc, "ca.crt")); return err == nil })
	s.run(t, p.block(t, "sh", "image.kubeconfig"))
	withFlags(t, p.block(t, "sh", "--authorization-config="), &options)
	c := cluster.StartT(t, options)
	eventually(t, "ready", ready)
	t.Setenv("KUBECONFIG", c.Kubeconfig)
	s.run(t, p.block(t, "sh", "kubectl apply"))
	eventually(t, "a refusal", func() bool {
		_, stderr, err := c.Kubectl(t.Context(), "", nil, "create", "--dry-run=server", "-f", filepath.Join(s.folder, "pod.yaml"))
		return err != nil && strings.Contains(stderr, `admission webhook "validate.portcullis.dev" denied the request: privileged: `)
	})
	for _, args := range [][]string{{"get", "pods"}, {"get", "pods", "--token=nobodys"}} {
		if _, _, err := c.Kubectl(t.Context(), "jane", nil, args...); err == nil {
			t.Errorf("%q is allowed", args)
		}
	}
	eventually(t, "a decision of every callout", func() bool {
		log, err := os.ReadFile(filepath.Join(s.folder, "decisions.jsonl"))
		for _, stage := range []string{"authenticate", "guard", "grant", "mutate", "validate", "image"} {
			if err != nil || !strings.Contains(string(log), `"path":"`+stage+`"`) {
				return false
			}
		}
		return true
	})
	stop() // first: an API server does not end while it is watched
}

// withFlags puts the flags of the page into the options.
func withFlags(t *testing.T, text string, o *cluster.Options) {
	t.Helper()
	for flag := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "--authentication-token-webhook-config-file":
			o.TokenWebhookConfig = value
		case "--authentication-token-webhook-version":
			o.TokenWebhookVersion = value
		case "--authorization-config":
			o.AuthorizationConfig = value
		case "--admission-control-config-file":
			o.AdmissionConfig = value
		case "--enable-admission-plugins":
			o.AdmissionPlugins = strings.Split(value, ",")
		default:
			t.Errorf("this test does not know the flag %s", flag)
		}
	}
}
