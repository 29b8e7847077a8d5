package registration

import (
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	create  = admissionregistrationv1.Create
	update  = admissionregistrationv1.Update
	remove  = admissionregistrationv1.Delete
	connect = admissionregistrationv1.Connect
)

func writes() []admissionregistrationv1.OperationType {
	return []admissionregistrationv1.OperationType{create, update}
}

func testOptions() Options {
	return Options{Name: "portcullis", Namespace: "portcullis-system", Bundle: []byte(oneAuthority)}
}

// plans are the cases whose configurations stand in testdata, and which the API server itself is shown.
func plans() map[string]struct {
	interests []Interest
	options   Options
} {
	type plan = struct {
		interests []Interest
		options   Options
	}
	pods := []Resource{{"", "pods", ""}, {"", "pods", "ephemeralcontainers"}, {"", "pods", "resize"}}
	anything := Resource{"*", "*", ""}
	url := testOptions()
	url.URL, url.Bundle = "https://127.0.0.1:8443", nil
	url.MutateSeconds, url.ValidateSeconds = 1, 30
	url.ExemptNamespaces = []string{"kube-system", "cattle-system"}
	url.Labels = map[string]string{"app.kubernetes.io/name": "portcullis"}
	url.Annotations = map[string]string{"cert-manager.io/inject-ca-from": "portcullis-system/portcullis"}
	url.Conditions = []admissionregistrationv1.MatchCondition{{Name: "example.com/mine", Expression: "request.dryRun != true"}}
	url.Owner = &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "portcullis", UID: "1-2-3"}
	theirs := testOptions()
	theirs.Gatekeeper = true
	return map[string]plan{
		"nothing":    {nil, testOptions()},
		"gatekeeper": {nil, theirs},
		"pods": {[]Interest{
			{Phase: Validate, Resources: pods, Operations: writes(), Fail: true},
			{Phase: Validate, Resources: []Resource{{"", "pods", "exec"}}, Operations: []admissionregistrationv1.OperationType{connect}, Fail: true},
			{Phase: Mutate, Resources: pods, Operations: []admissionregistrationv1.OperationType{create, update, remove}},
		}, testOptions()},
		"observed-beside": {[]Interest{
			{Phase: Validate, Resources: pods, Operations: writes(), Fail: true},
			{Phase: Validate, Resources: append([]Resource{{"apps", "*", ""}}, pods...), Operations: writes()},
			{Phase: Validate, Resources: []Resource{{"", "configmaps", ""}}, Operations: []admissionregistrationv1.OperationType{remove}},
			{Phase: Validate, Resources: []Resource{{"rbac.authorization.k8s.io", "clusterroles", ""}}, Scope: admissionregistrationv1.ClusterScope},
		}, testOptions()},
		"everything": {[]Interest{
			{Phase: Validate, Fail: true},
			{Phase: Mutate, Resources: []Resource{anything}, Operations: writes(), Fail: true},
		}, testOptions()},
		"in-namespaces": {[]Interest{
			{Phase: Validate, Resources: pods, Operations: writes(), Namespaces: []string{"prod-*", "team-a"}, Fail: true},
			{Phase: Validate, Resources: []Resource{anything}, Namespaces: []string{"*-live", "*x*", "prod-eu"}, Operations: writes(), Fail: true},
			{Phase: Validate, Resources: pods, Operations: writes(), Namespaces: []string{"prod-eu"}},
			{Phase: Validate, Resources: pods, Operations: writes(), Namespaces: []string{"dev"}},
		}, testOptions()},
		"address": {[]Interest{{Phase: Validate, Resources: pods, Operations: writes(), Fail: true}}, url},
		"never-asked": {[]Interest{
			{Phase: Validate, Resources: []Resource{{"", "nodes", ""}, {"", "nodes", "status"}, {"coordination.k8s.io", "leases", ""}}, Fail: true},
			{Phase: Validate, Resources: []Resource{{"authorization.k8s.io", "subjectaccessreviews", ""}, {"portcullis.dev", "policies", ""}}},
			{Phase: "", Resources: []Resource{{"", "pods", ""}}, Fail: true},
		}, testOptions()},
	}
}

func TestPlan(t *testing.T) {
	for name, plan := range plans() {
		t.Run(name, func(t *testing.T) {
			got := spell(t, Plan(plan.interests, plan.options))
			path := filepath.Join("testdata", "plan", name+".yaml")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what is planned now; run with UPDATE=1 and look at the difference. It is now:\n%s", path, got)
			}
		})
	}
	files, err := filepath.Glob("testdata/plan/*.yaml")
	if err != nil || len(files) != len(plans()) {
		t.Errorf("%d files for %d plans: %v", len(files), len(plans()), err)
	}
}

func spell(t testing.TB, c Configurations) []byte {
	t.Helper()
	var out []byte
	for _, object := range []any{c.Validating, c.Mutating, c.Policies} {
		data, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, "---\n"...), data...)
	}
	return out
}

// The order in which policies come, and in which authorities stand in the bundle, changes nothing.
func TestPlanDoesNotDependOnOrder(t *testing.T) {
	for name, plan := range plans() {
		plan.options.Bundle = []byte(oneAuthority + otherAuthority)
		want := spell(t, Plan(plan.interests, plan.options))
		random := rand.New(rand.NewSource(1))
		for range 20 {
			interests := slices.Clone(plan.interests)
			random.Shuffle(len(interests), func(a, b int) { interests[a], interests[b] = interests[b], interests[a] })
			for n := range interests {
				i := &interests[n]
				i.Resources, i.Operations, i.Namespaces = slices.Clone(i.Resources), slices.Clone(i.Operations), slices.Clone(i.Namespaces)
				random.Shuffle(len(i.Resources), func(a, b int) { i.Resources[a], i.Resources[b] = i.Resources[b], i.Resources[a] })
				random.Shuffle(len(i.Operations), func(a, b int) { i.Operations[a], i.Operations[b] = i.Operations[b], i.Operations[a] })
				random.Shuffle(len(i.Namespaces), func(a, b int) { i.Namespaces[a], i.Namespaces[b] = i.Namespaces[b], i.Namespaces[a] })
			}
			plan.options.Bundle = []byte("our authorities\n" + otherAuthority + "\n" + oneAuthority + otherAuthority)
			if got := spell(t, Plan(interests, plan.options)); !bytes.Equal(got, want) {
				t.Fatalf("%s: another order gives\n%s\nin place of\n%s", name, got, want)
			}
		}
	}
}

func TestSpared(t *testing.T) {
	got := Spared(Interest{Resources: []Resource{
		{"", "pods", ""}, {"", "nodes", "status"}, {"events.k8s.io", "events", ""}, {"*", "*", "*"}, {"portcullis.dev", "policies", "status"},
	}})
	want := []Resource{{"", "nodes", "status"}, {"events.k8s.io", "events", ""}, {"portcullis.dev", "policies", "status"}}
	if !slices.Equal(got, want) {
		t.Errorf("never asked about: %v, want %v", got, want)
	}
}

func TestBundle(t *testing.T) {
	one, both := []byte(oneAuthority), []byte(oneAuthority+otherAuthority)
	if got := common([][]byte{both, one}); !bytes.Equal(got, bundle(one)) {
		t.Errorf("the common authority is\n%s", got)
	}
	if got := common([][]byte{one, []byte(otherAuthority)}); got != nil {
		t.Errorf("two bundles have nothing in common, but %s", got)
	}
	if common(nil) != nil || bundle([]byte("no certificate")) != nil {
		t.Error("out of nothing came a bundle")
	}
	if Fingerprint(both) != Fingerprint([]byte(otherAuthority+oneAuthority)) || Fingerprint(one) == Fingerprint(both) {
		t.Error("a fingerprint names the authorities, not their order")
	}
	if !strings.HasPrefix(string(bundle(both)), "-----BEGIN CERTIFICATE-----\n") {
		t.Errorf("not PEM: %s", bundle(both))
	}
}

// Two bundles that are PEM and no more: nothing here reads the certificates.
const (
	oneAuthority   = "-----BEGIN CERTIFICATE-----\nb25lIGF1dGhvcml0eQ==\n-----END CERTIFICATE-----\n"
	otherAuthority = "-----BEGIN CERTIFICATE-----\nYW5vdGhlciBvbmU=\n-----END CERTIFICATE-----\n"
)
