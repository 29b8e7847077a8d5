// Package replay holds "portcullis replay" to its word: what it says would change is what does change when the requests are sent again to a real
// API server after the policies have changed.
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/gate"
	"github.com/portcullis-dev/portcullis/test/props"
)

// before and after are the policies at either time.
const before = `package names

deny contains "the name is forbidden" if startswith(input.request.object.metadata.name, "forbidden")
`

const after = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [pods, configmaps, deployments, services, secrets]}
package names

import data.portcullis.kubernetes as k8s

deny contains "the label team is missing" if {
	input.request.operation == "CREATE"
	input.request.resource.resource in {"pods", "deployments", "secrets"}
	not k8s.object.metadata.labels.team
}

deny contains sprintf("%d replicas are too many", [k8s.object.spec.replicas]) if k8s.object.spec.replicas > 3

deny contains "the host's network is used" if k8s.object.spec.hostNetwork

deny contains "dev writes nothing closed" if {
	input.request.userInfo.username == "dev"
	startswith(k8s.object.metadata.name, "closed")
}

# The API server adds them, after it has recorded what was sent.
deny contains "there are no tolerations" if {
	input.request.resource.resource == "pods"
	not k8s.object.spec.tolerations
}
`

// moving is a policy that no audit log suffices for.
const moving = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [configmaps], operations: [UPDATE]}
package moving

deny contains "the owner stays" if input.request.object.data.owner != input.request.oldObject.data.owner
`

// labelled is a policy by the labels of the namespace.
const labelled = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [services], namespaceLabels: {matchLabels: {tier: gold}}}
package labelled

deny contains "gold has no services" if true
`

// marks is the same at both times.
const marks = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [pods]}
package marks

mutate contains {"default": ["metadata", "labels", "marked"], "value": "yes"}
`

// request is one that is sent, and sent again.
type request struct {
	name string // "pods shop/web"
	user string
	args []string
	in   string
}

func create(user, kind, resource, name, more string) request {
	version := "v1"
	if kind == "Deployment" {
		version = "apps/v1"
	}
	manifest := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: shop}\n%s", version, kind, name, more)
	if rest, labelled := strings.CutPrefix(more, "labelled "); labelled {
		manifest = fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: shop, labels: {team: a}}\n%s", version, kind, name, rest)
	}
	return request{"create " + resource + " shop/" + name, user, []string{"create", "-f", "-"}, manifest}
}

const (
	podSpec        = "spec: {containers: [{name: a, image: nginx}]}\n"
	hostPodSpec    = "spec: {hostNetwork: true, containers: [{name: a, image: nginx}]}\n"
	deploymentSpec = "spec: {replicas: %d, selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: a, image: nginx}]}}}\n"
)

func requests() []request {
	out := []request{
		create("root", "Pod", "pods", "plain", podSpec),
		create("root", "Pod", "pods", "good", "labelled "+podSpec),
		create("dev", "Pod", "pods", "host", "labelled "+hostPodSpec),
		create("root", "Deployment", "deployments.apps", "forbidden-few", "labelled "+fmt.Sprintf(deploymentSpec, 1)),
		create("root", "ConfigMap", "configmaps", "forbidden", "data: {a: b}\n"),
		create("dev", "ConfigMap", "configmaps", "closed-1", "data: {owner: a}\n"),
		create("root", "ConfigMap", "configmaps", "closed-2", "data: {owner: a}\n"),
		create("root", "ConfigMap", "configmaps", "owned", "data: {owner: a}\n"),
		create("root", "Secret", "secrets", "secret", "stringData: {password: hunter2hunter2}\n"),
		create("root", "Secret", "secrets", "labelled", "labelled stringData: {password: hunter2hunter2}\n"),
		create("root", "Service", "services", "service", "spec: {ports: [{port: 80}]}\n"),
		create("root", "Deployment", "deployments.apps", "few", "labelled "+fmt.Sprintf(deploymentSpec, 1)),
		create("root", "Deployment", "deployments.apps", "many", "labelled "+fmt.Sprintf(deploymentSpec, 5)),
		// Patches, of which the audit log has what became of them, and what is replaced.
		{"update deployments.apps shop/few", "root", []string{"patch", "deployment", "few", "-n", "shop", "--type=merge", "-p", `{"spec":{"replicas":7}}`}, ""},
		{"update configmaps shop/owned", "dev", []string{"patch", "configmap", "owned", "-n", "shop", "--type=merge", "-p", `{"data":{"owner":"b"}}`}, ""},
		{"update configmaps shop/closed-2", "dev", []string{"replace", "-f", "-"}, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: closed-2, namespace: shop}\ndata: {owner: c}\n"},
	}
	return out
}

func TestWhatReplaySaysIsWhatBecomesOfIt(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("then/names.rego", before)
	write("then/marks.rego", marks)
	for name, text := range map[string]string{"names": after, "moving": moving, "labelled": labelled, "marks": marks} {
		write("now/"+name+".rego", text)
	}
	decisions := filepath.Join(dir, "decisions.log")
	binary := props.ServerT(t, filepath.Join("..", ".."))
	g, err := gate.Start(t.Context(), gate.Options{
		Dir: filepath.Join(dir, "gate"), Binary: binary, Policies: []string{filepath.Join(dir, "then")},
		Arguments: []string{"--decision-log=" + decisions},
		Cluster: cluster.Options{
			Users: map[string][]string{"root": {"admins"}, "dev": {"developers"}}, NoControllerManager: true,
			AuditPolicy: write("audit.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse, namespaces: [shop], omitManagedFields: true}]\n"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of Portcullis:\n%s", g.Log())
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := func(in string, args ...string) {
		t.Helper()
		if _, stderr, err := g.Kubectl(t.Context(), "", strings.NewReader(in), args...); err != nil {
			t.Fatal(err, stderr)
		}
	}
	for _, user := range []string{"root", "dev"} {
		admin("", "create", "clusterrolebinding", user, "--clusterrole=cluster-admin", "--user="+user)
	}
	admin("", "create", "namespace", "shop")
	admin("", "label", "namespace", "shop", "tier=gold")
	admin("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: shop}\n", "apply", "-f", "-")

	then := send(t, g, requests())
	audit := filepath.Join(dir, "audit.log")
	copied(t, filepath.Join(g.Logs(), "audit.log"), audit)
	copied(t, decisions, filepath.Join(dir, "recorded.log"))

	admin("", "patch", "configmap", "owned", "-n", "shop", "--type=merge", "-p", `{"data":{"owner":"a"}}`) // as it was
	for name, text := range map[string]string{"names": after, "moving": moving, "labelled": labelled} {
		write("then/"+name+".rego", text)
	}
	untilInForce(t, g)
	now := send(t, g, requests())

	var denied, allowed []string
	for _, r := range requests() {
		switch {
		case !then[r.name] && now[r.name]:
			denied = append(denied, r.name)
		case then[r.name] && !now[r.name]:
			allowed = append(allowed, r.name)
		}
	}
	slices.Sort(denied)
	slices.Sort(allowed)
	if len(denied) < 8 || len(allowed) != 2 {
		t.Errorf("the requests do not do what they should: denied are now %q, allowed %q", denied, allowed)
	}
	for _, log := range []struct {
		path   string
		unsaid []string // what this log does not tell
	}{
		{filepath.Join(dir, "recorded.log"), nil},
		{audit, []string{"update configmaps shop/owned", "update configmaps shop/closed-2"}},
	} {
		t.Run(filepath.Base(log.path), func(t *testing.T) {
			report := replayed(t, binary, log.path, "--policies="+filepath.Join(dir, "now"), "--kubeconfig="+g.UserKubeconfig("root"), "--examples=1000", "-o=json")
			want := slices.DeleteFunc(slices.Clone(denied), func(name string) bool {
				return slices.Contains(log.unsaid, name) && !slices.Contains(report.of("denied"), name)
			})
			if got := report.of("denied"); !slices.Equal(got, want) {
				t.Errorf("denied would be\n%q, and are\n%q", got, want)
			}
			if got := report.of("allowed"); !slices.Equal(got, allowed) {
				t.Errorf("allowed would be\n%q, and are\n%q", got, allowed)
			}
			if got := report.of("patched"); len(got) > 0 {
				t.Errorf("patched differently would be %q, and nothing is", got)
			}
			unsaid := 0
			for _, reason := range report.CouldNotSay {
				if unsaid += reason.Count; !strings.Contains(reason.Policy, "moving") {
					t.Errorf("could not say: %+v", reason)
				}
			}
			if want := len(denied) - len(report.of("denied")); unsaid < want || unsaid > len(log.unsaid) {
				t.Errorf("of %d it could not be said, and %d are missing", unsaid, want)
			}
		})
	}
}

// send sends the requests and reports of each whether policies refused it.
func send(t *testing.T, g *gate.Gate, all []request) map[string]bool {
	t.Helper()
	refused := map[string]bool{}
	for _, r := range all {
		_, stderr, err := g.Kubectl(t.Context(), r.user, strings.NewReader(r.in), r.args...)
		refused[r.name] = strings.Contains(stderr, "denied the request")
		if err != nil && !refused[r.name] && !strings.Contains(stderr, "AlreadyExists") {
			t.Fatalf("%s: %v %s", r.name, err, stderr)
		}
	}
	return refused
}

// untilInForce waits until the policies of now judge.
func untilInForce(t *testing.T, g *gate.Gate) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	probe := create("root", "ConfigMap", "configmaps", "closed-probe", "data: {}\n")
	for ctx.Err() == nil {
		if _, stderr, _ := g.Kubectl(ctx, "dev", strings.NewReader(probe.in), "create", "--dry-run=server", "-f", "-"); strings.Contains(stderr, "nothing closed") {
			return
		}
	}
	t.Fatal("the new policies did not come into force")
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// report is what is read of the JSON of replay.
type report struct {
	Groups []struct {
		Kind     string
		Examples []struct{ Request string }
	}
	CouldNotSay []struct {
		Policy, Why string
		Count       int
	}
}

// of lists the requests of a kind of change, each once, in order.
func (r report) of(kind string) (out []string) {
	for _, group := range r.Groups {
		if group.Kind == kind {
			for _, e := range group.Examples {
				out = append(out, e.Request)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func replayed(t *testing.T, binary string, args ...string) (out report) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"replay"}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if exit := (*exec.ExitError)(nil); !errors.As(cmd.Run(), &exit) || exit.ExitCode() != 2 {
		t.Fatalf("it ended with %v: %s", cmd.ProcessState, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
