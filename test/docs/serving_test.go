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

	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/webhook/controlplane"
)

const serving = "docs/serving.md"

// The page shows what setup prints, and its YAML begins with the name of its file.
func TestServingShowsWhatSetupPrints(t *testing.T) {
	need(t, "openssl")
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	p := s.serving(t, "", "127.0.0.1:8443")
	s.furnish(t, p)
	s.write(t, "etc/ca.crt", s.run(t, "cat etc/client-ca.crt")) // any will do
	s.setup(t, p)
	for _, name := range []string{"authorization.yaml", "admission.yaml"} {
		var got, want any
		if err := yaml.Unmarshal([]byte(p.block(t, "yaml", "# "+s.kube(name)+"\n")), &got); err != nil {
			t.Fatal(err)
		}
		printed := s.run(t, "cat "+s.kube(name))
		if err := yaml.Unmarshal([]byte(printed), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the page shows\n%s\nand setup prints\n%s", name, dump(t, got), printed)
		}
	}
	flags := s.kube("kube-apiserver.flags")
	if shown, printed := p.block(t, "sh", "# "+flags), "# "+flags+"\n"+s.run(t, "cat "+flags); shown != printed {
		t.Errorf("the page shows\n%s\nand setup prints\n%s", shown, printed)
	}
}

// serving reads the page as if it were about folders of the shell, the kubeconfig and the address.
func (s shell) serving(t *testing.T, kubeconfig, listen string) page {
	t.Helper()
	return read(t, serving, strings.NewReplacer("/etc/kubernetes/portcullis.conf", kubeconfig, "/etc/kubernetes/portcullis", s.kube(""),
		"/etc/portcullis", filepath.Join(s.folder, "etc"), "/var/lib/portcullis", filepath.Join(s.folder, "lib"), "127.0.0.1:8443", listen))
}

// kube is where the API server finds a file.
func (s shell) kube(name string) string { return filepath.Join(s.folder, "kubernetes", name) }

// furnish writes what the page writes for Portcullis itself.
func (s shell) furnish(t *testing.T, p page) {
	t.Helper()
	for _, b := range p.blocks {
		if b.language != "yaml" {
			continue
		}
		path, _, _ := strings.Cut(strings.TrimPrefix(b.text, "# "), "\n")
		switch {
		case strings.HasPrefix(path, filepath.Join(s.folder, "etc")):
			s.write(t, strings.TrimPrefix(path, s.folder), b.text)
		case !strings.HasPrefix(path, s.kube("")):
			t.Errorf("a YAML block does not begin with the name of its file:\n%s", b.text)
		}
	}
	s.run(t, p.block(t, "sh", "openssl"))
}

// setup prints the files where the page says, for an API server that finds them there.
func (s shell) setup(t *testing.T, p page) {
	t.Helper()
	s.run(t, strings.TrimSpace(p.block(t, "sh", "portcullis setup"))+" --node-dir="+s.kube(""))
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
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	listen := freeAddress(t)
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
	p := s.serving(t, before.UserKubeconfig("portcullis"), listen)
	s.furnish(t, p)
	s.write(t, "pod.yaml", `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: default},
  spec: {containers: [{name: app, image: nginx, securityContext: {privileged: true}}]}}`)
	if _, stderr, err := before.Kubectl(t.Context(), "", nil, "apply", "-f", filepath.Join(s.folder, "etc", "rbac.yaml")); err != nil {
		t.Fatal(err, stderr)
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}

	ready, stop := s.serve(t, p.block(t, "sh", "--client-ca="), listen)
	eventually(t, "an authority to trust", func() bool { _, err := os.Stat(filepath.Join(s.folder, "etc", "ca.crt")); return err == nil })
	s.setup(t, p)
	_, flags, _ := strings.Cut(p.block(t, "sh", "--authorization-config="), "\n")
	for flag := range strings.FieldsSeq(flags) {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if err := options.Take([]controlplane.Flag{{Name: name, Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	c := cluster.StartT(t, options)
	eventually(t, "ready", ready)
	eventually(t, "a refusal", func() bool {
		_, stderr, err := c.Kubectl(t.Context(), "", nil, "create", "--dry-run=server", "-f", filepath.Join(s.folder, "pod.yaml"))
		return err != nil && strings.Contains(stderr, `admission webhook "enforce.validate.portcullis.dev" denied the request: privileged: `)
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
	stop() // here: an API server does not end while it is watched

	create := func() error {
		_, stderr, err := c.Kubectl(t.Context(), "", nil, "create", "--dry-run=server", "-f", filepath.Join(s.folder, "pod.yaml"))
		if err != nil && !strings.Contains(stderr, "failed calling webhook") {
			t.Fatal(stderr)
		}
		return err
	}
	for _, open := range []string{"sed -i", "rm "} {
		s.setup(t, p)
		eventually(t, "a Pod is stopped, since nobody answers", func() bool { return create() != nil })
		s.run(t, p.block(t, "sh", open))
		eventually(t, "it is let through", func() bool { return create() == nil })
	}
}
