package library

import (
	"fmt"
	"io/fs"
	"sync"
	"testing"

	engine "github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// readOnce parses the library once for all tests.
var readOnce = sync.OnceValues(func() (*native.Reader, error) {
	var embedded []native.File
	err := fs.WalkDir(FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(FS(), name)
		embedded = append(embedded, native.File{Name: name, Text: text})
		return err
	})
	if err != nil {
		return nil, err
	}
	return native.NewReader(embedded)
})

// reader reads with the library at hand, as a server does.
func reader(t testing.TB) *native.Reader {
	t.Helper()
	out, err := readOnce()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// load puts one policy of the library in force with parameters.
func load(t *testing.T, use, parameters string) ([]engine.Spec, engine.Faults) {
	t.Helper()
	return reader(t).Read([]native.File{{Name: "p.yaml", Text: fmt.Appendf(nil,
		"apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {use: %s, parameters: %s}\n", use, parameters)}})
}

// A glob or a regular expression that cannot be read would be a fault of every request. It is refused when the policy is loaded.
func TestPatternsAreReadWhenTheyAreLoaded(t *testing.T) {
	const registry = `^(localhost|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+:[0-9]+|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?(/[a-z0-9._-]+)*/?$`
	for _, c := range []struct{ use, parameters, want string }{
		{"pods.no_exec", `{namespaces: ["prod-*", vault, "*-a"]}`, ""},
		{"pods.no_exec", `{namespaces: [vault, "prod-["]}`, `p.yaml:4: Policy p: parameters.namespaces.1: "prod-[" is no namespace's name, which is lower-case letters, digits and "-"; in a pattern "*" stands for any text`},
		{"pods.no_exec", `{namespaces: ["{a"]}`, `p.yaml:4: Policy p: parameters.namespaces.0: "{a" is no namespace's name, which is lower-case letters, digits and "-"; in a pattern "*" stands for any text`},
		{"pods.no_exec", `{namespaces: [""]}`, `p.yaml:4: Policy p: parameters.namespaces.0: "" is no namespace's name, which is lower-case letters, digits and "-"; in a pattern "*" stands for any text`},
		{"images.allowed_registries", `{registries: [registry.example.com, "localhost:5000/a", "[::1]:5000", docker.io/library/, "registry:5000/a/b_c"]}`, ""},
		{"images.allowed_registries", `{registries: [acme/app]}`, `p.yaml:4: Policy p: parameters.registries.0: 'acme/app' does not match pattern '` + registry + `'`},
		{"images.allowed_registries", `{registries: ["https://registry.example.com"]}`, `p.yaml:4: Policy p: parameters.registries.0: 'https://registry.example.com' does not match pattern '` + registry + `'`},
		{"images.allowed_registries", `{registries: ["registry.example.com/*"]}`, `p.yaml:4: Policy p: parameters.registries.0: 'registry.example.com/*' does not match pattern '` + registry + `'`},
		{"services.external_ips", `{allowed: ["203.0.113.7/32", "2001:db8::/64"]}`, ""},
		{"pods.privileged", `{exemptImages: ["registry.example.com:5000/Debug_*/a.b@sha256:*"]}`, ""},
		{"pods.privileged", `{exemptImages: ["registry.example.com/["]}`, `p.yaml:4: Policy p: parameters.exemptImages.0: 'registry.example.com/[' does not match pattern '^[a-zA-Z0-9._:/@*-]+$'`},
		{"metadata.names", `{pattern: "(?i)[a-z]+"}`, ""},
		{"metadata.names", `{pattern: "(a"}`, "p.yaml:4: Policy p: parameters.pattern: '(a' is not valid regex: error parsing regexp: missing closing ): `(a`"},
		{"access.sealed_namespaces", `{namespaces: [a], unaskedUsers: ["v[0-9"]}`, `p.yaml:4: Policy p: parameters.unaskedUsers.0: "v[0-9" is not a pattern: glob: syntax error at 5: unexpected end of input`},
		{"images.allowed_tags", `{patterns: ["v[0-9"]}`, "p.yaml:4: Policy p: parameters.patterns.0: 'v[0-9' is not valid regex: error parsing regexp: missing closing ]: `[0-9`"},
		{"access.business_hours", `{namespaces: ["*"], timeZone: Europe/Berlin}`, ""},
		{"access.business_hours", `{namespaces: ["*"], timeZone: Nowhere/Land}`, `p.yaml:4: Policy p: parameters.timeZone: "Nowhere/Land" is not a time zone; write UTC, or one as Europe/Berlin`},
		{"access.business_hours", `{namespaces: ["*"], timeZone: Local}`, `p.yaml:4: Policy p: parameters.timeZone: "Local" is not a time zone; write UTC, or one as Europe/Berlin`},
		{"access.protected_objects", `{objects: [{resource: secrets, names: ["*"], namespaces: []}]}`, "p.yaml:4: Policy p: parameters.objects.0.namespaces: minItems: got 0, want 1"},
		{
			"access.jwt", `{issuers: [{issuer: a, audiences: [x], jwks: {keys: [{kty: EC}]}}, {issuer: b, audiences: [x], jwks: {keys: [{kty: EC}]}}]}`,
			`p.yaml:4: Policy p: parameters.issuers: two items have the prefix ""; give each one of its own`,
		},
		{"access.jwt", `{issuers: [{issuer: a, audiences: [x], jwks: {keys: [{kty: EC}]}}, {issuer: b, prefix: "b:", audiences: [x], jwks: {keys: [{kty: EC}]}}]}`, ""},
		{"metadata.guarded_keys", `{keys: ["a/[b"]}`, `p.yaml:4: Policy p: parameters.keys.0: 'a/[b' does not match pattern '^[a-zA-Z0-9._/*-]+$'`},
	} {
		_, faults := load(t, c.use, c.parameters)
		if got := faults.Error(); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.use, c.parameters, got, c.want)
		}
	}
}

// Whoever may scale a workload does so by a subresource, which no policy on the workload alone is asked about.
func TestReplicasAreImmutableByWayOfScale(t *testing.T) {
	specs, faults := load(t, "metadata.immutable_field", "{fields: [spec.replicas]}")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	set, err := engine.Compile(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	for group, resource := range map[string]string{"apps": "deployments", "": "replicationcontrollers"} {
		req, _, err := review.DialectValidate(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"UPDATE",
			"kind":{"group":"autoscaling","version":"v1","kind":"Scale"},"resource":{"group":%q,"version":"v1","resource":%q},"subResource":"scale",
			"name":"web","namespace":"shop","userInfo":{"username":"jane"},
			"object":{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"web"},"spec":{"replicas":3}},
			"oldObject":{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"web"},"spec":{"replicas":2}}}}`, group, resource))
		if err != nil {
			t.Fatal(err)
		}
		d, err := set.Review(t.Context(), req)
		if want := "p: spec.replicas is 2 and cannot be changed; leave it as it is"; err != nil || d.Refusal() != want {
			t.Errorf("%s: %q %v", resource, d.Refusal(), err)
		}
	}
}

// What a policy reads of containers is held to the fields that containers have, although custom resources may have theirs anywhere.
func TestFieldsOfContainersAreKnown(t *testing.T) {
	for of, want := range map[string]string{
		"pods, workloads": `a.rego:7: c.container.securityContxt: there is no field "securityContxt" in CronJob's spec.jobTemplate.spec.template.spec.containers[_], ` +
			`CronJob's spec.jobTemplate.spec.template.spec.ephemeralContainers[_], CronJob's spec.jobTemplate.spec.template.spec.initContainers[_] or 24 others; ` +
			`did you mean "securityContext"?`,
		"pods, rollouts.argoproj.io": "<nil>",
	} {
		specs, faults := reader(t).Read([]native.File{{Name: "a.rego", Text: fmt.Appendf(nil,
			"# METADATA\n# custom: {portcullis: {match: {resources: [%s]}}}\npackage a\n\nimport data.portcullis.kubernetes\n\n"+
				"deny contains \"no\" if {some c in kubernetes.containers; c.container.securityContxt.privileged}\n", of)}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		_, err := engine.Compile(t.Context(), specs)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s:\n got %s\nwant %s", of, got, want)
		}
	}
}

// BenchmarkCompile compiles every policy of the library that needs no parameters.
func BenchmarkCompile(b *testing.B) {
	from := reader(b)
	var specs []engine.Spec
	for _, name := range from.Names() {
		if one, faults := from.Use(name); len(faults) == 0 {
			specs = append(specs, one...)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Compile(b.Context(), specs); err != nil {
			b.Fatal(err)
		}
	}
}
