package policies

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// podSecurity are the parameters of the templates in testdata/podsecurity, with which they find nothing wrong with a bigPod.
var podSecurity = map[string]string{
	"privileged": `{"exemptImages": ["registry.example.com/infra/*"]}`, "escalation": `{"exemptImages": ["*"]}`,
	"capabilities":   `{"allowedCapabilities": ["NET_BIND_SERVICE"], "requiredDropCapabilities": [], "exemptImages": ["registry.example.com/infra/*"]}`,
	"hostnamespaces": `{}`, "hostnetwork": `{"hostNetwork": false, "min": 8000, "max": 9000}`,
	"hostfilesystem": `{"allowedHostPaths": [{"pathPrefix": "/var/log"}]}`,
	"volumes":        `{"volumes": ["configMap", "emptyDir", "projected", "secret"]}`,
	"runasuser":      `{"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]}, "fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 65535}]}}`,
	"readonlyroot":   `{"exemptImages": ["registry.example.com/team/*"]}`, "seccomp": `{"allowedProfiles": ["RuntimeDefault", "not configured"]}`,
	"apparmor": `{"allowedProfiles": ["runtime/default"]}`, "selinux": `{"allowedSELinuxOptions": [{"level": "s0"}]}`,
	"procmount": `{"procMount": "Default"}`, "sysctls": `{"forbiddenSysctls": ["kernel.*"]}`,
	"fsgroup": `{"rule": "MustRunAs", "ranges": [{"min": 1, "max": 1000}]}`, "flexvolumes": `{"allowedFlexVolumes": []}`,
	"repos": `{"repos": ["docker.io/", "quay.io/", "registry.example.com/"]}`, "tags": `{"tags": ["latest"]}`,
	"limits": `{"cpu": "2", "memory": "2Gi"}`, "labels": `{"labels": [{"key": "app", "allowedRegex": "^[a-z]+$"}]}`,
	"probes": `{"probes": [], "probeTypes": ["tcpSocket", "httpGet", "exec"]}`, "automount": `{}`,
}

// podSecuritySpecs makes a constraint of each template.
func podSecuritySpecs(t testing.TB) []Spec {
	t.Helper()
	parse := func(name string) *ast.Module {
		text, err := os.ReadFile(filepath.Join("testdata", "podsecurity", name+".rego"))
		if err != nil {
			t.Fatal(err)
		}
		module, err := ast.ParseModuleWithOpts(name+".rego", string(text), ast.ParserOptions{RegoVersion: ast.RegoV0})
		if err != nil {
			t.Fatal(err)
		}
		return module
	}
	libs := []*ast.Module{parse("lib_exempt"), parse("lib_update")}
	var out []Spec
	for _, name := range slices.Sorted(maps.Keys(podSecurity)) {
		spec := violationOf(t, name, "package template\nviolation[1] { true }", given(podSecurity[name]), ofKinds(GroupKind{"", "Pod"}))
		spec.Modules, spec.Code, spec.Digest = append([]*ast.Module{parse(name)}, libs...), name, name
		out = append(out, spec)
	}
	return out
}

func TestPodSecurity(t *testing.T) {
	set := compiled(t, podSecuritySpecs(t)...)
	if got := verdict(t, set, podCreate(t, bigPod())); got != "allow []" {
		t.Errorf("a Pod with nothing wrong: %s", got)
	}
	bad := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bad","labels":{"app":"X1"},"annotations":{"container.apparmor.security.beta.kubernetes.io/c":"unconfined"}},
		"spec":{"hostPID":true,"hostNetwork":true,"automountServiceAccountToken":true,"securityContext":{"fsGroup":2000,"sysctls":[{"name":"kernel.shm"}]},
		"volumes":[{"name":"a","hostPath":{"path":"/etc"}},{"name":"b","flexVolume":{"driver":"x"}}],
		"containers":[{"name":"c","image":"evil.io/x:latest","ports":[{"hostPort":80}],"resources":{"limits":{"cpu":"3000m","memory":"4Gi"}},
		"securityContext":{"privileged":true,"runAsUser":0,"procMount":"Unmasked","seLinuxOptions":{"level":"s1"},"seccompProfile":{"type":"Unconfined"},"capabilities":{"add":["SYS_ADMIN"]}}}]}}`
	d, err := set.Review(t.Context(), podCreate(t, bad))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, f := range d.Findings {
		if f.Fault {
			t.Errorf("%s: %s %s", f.Policy, f.Message, f.Cause)
		}
		found[f.Policy]++
	}
	for _, name := range slices.Sorted(maps.Keys(podSecurity)) {
		if name != "probes" && name != "escalation" && found[name] == 0 {
			t.Errorf("%s finds nothing wrong", name)
		}
	}
}

func BenchmarkPodSecurity(b *testing.B) {
	set, req := compiled(b, podSecuritySpecs(b)...), podCreate(b, bigPod())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Review(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// Each template by itself, to see which are dear.
func BenchmarkPodSecurityTemplate(b *testing.B) {
	req := podCreate(b, bigPod())
	for _, spec := range podSecuritySpecs(b) {
		b.Run(spec.ID, func(b *testing.B) {
			set := compiled(b, spec)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Review(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
