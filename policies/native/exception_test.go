package native

import (
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
)

func readExceptions(t *testing.T, name, text string) ([]policies.Exception, policies.Faults) {
	t.Helper()
	r := newTestReader(t)
	r.now = func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	return r.Exceptions([]File{{Name: name, Text: []byte(text)}})
}

const exceptionHead = "apiVersion: portcullis.dev/v1alpha1\nkind: PolicyException\nmetadata: {name: legacy, namespace: prod}\n"

func TestAnExceptionIsReadBesideAPolicy(t *testing.T) {
	text := policy("  use: deployments.replicas\n  parameters: {names: []}\n") + "---\n" + exceptionHead + `spec:
  policies: [mine]
  match: {resources: [pods, deployments], names: ["web-*"], labels: {matchLabels: {app: web}}}
  reason: "it goes\nin spring"
  expires: "2027-06-01T00:00:00Z"
`
	specs, faults := read(t, "p.yaml", text)
	if len(specs) != 1 || len(faults) > 0 {
		t.Fatal(specs, faults)
	}
	found, faults := readExceptions(t, "p.yaml", text)
	if len(found) != 1 || len(faults) > 0 {
		t.Fatal(found, faults)
	}
	e := found[0]
	resources := []policies.Resource{
		{Resource: "pods"},
		{Resource: "pods", Subresource: "ephemeralcontainers"},
		{Resource: "pods", Subresource: "resize"},
		{Group: "apps", Resource: "deployments"},
	}
	for i, want := range resources {
		if i >= len(e.Match.Resources) || e.Match.Resources[i] != want {
			t.Errorf("resources %v", e.Match.Resources)
		}
	}
	if e.Namespace != "prod" || e.Name != "legacy" || e.Policies[0] != "mine" || e.Reason != "it goes in spring" || len(e.Digest) != 64 ||
		e.Names[0] != "web-*" || e.Match.Labels.String() != "app=web" || len(e.Match.Operations) != 2 ||
		!e.Expires.Equal(time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", e)
	}
}

func TestWhatIsWrongWithAnException(t *testing.T) {
	const (
		policies = "  policies: [a]\n"
		matched  = "  match: {names: [web]}\n"
		reason   = "  reason: because\n"
		expires  = "  expires: \"2027-06-01T00:00:00Z\"\n"
	)
	for _, c := range []struct{ name, text, want string }{
		{"no namespace", "apiVersion: portcullis.dev/v1alpha1\nkind: PolicyException\nmetadata: {name: legacy}\n", `e.yaml:1: the PolicyException has no metadata.name or no metadata.namespace`},
		{"no policies", exceptionHead + "spec:\n" + matched + reason + expires, `e.yaml:4: PolicyException prod/legacy: name at least one policy in spec.policies`},
		{"no match", exceptionHead + "spec:\n" + policies + reason + expires, `e.yaml:4: PolicyException prod/legacy: give at least one of resources, names and labels in spec.match`},
		{"operations alone", exceptionHead + "spec:\n" + policies + "  match: {operations: [CREATE]}\n" + reason + expires, `e.yaml:6: PolicyException prod/legacy: give at least one of resources, names and labels in spec.match`},
		{"no reason", exceptionHead + "spec:\n" + policies + matched + "  reason: \" \"\n" + expires, `e.yaml:7: PolicyException prod/legacy: say in spec.reason why`},
		{"no end", exceptionHead + "spec:\n" + policies + matched + reason, `e.yaml:4: PolicyException prod/legacy: say in spec.expires when the exception ends, at most a year from now`},
		{"too long", exceptionHead + "spec:\n" + policies + matched + reason + "  expires: \"2028-06-01T00:00:00Z\"\n", `e.yaml:8: PolicyException prod/legacy: spec.expires is more than a year ahead; choose an earlier day, and renew the exception then if it is still needed`},
		{"no time", exceptionHead + "spec:\n" + policies + matched + reason + "  expires: in spring\n", `e.yaml:8: spec.expires is in spring where a time such as "2027-01-31T00:00:00Z" should be`},
		{"a day", exceptionHead + "spec:\n" + policies + matched + reason + "  expires: 2027-06-01\n", `e.yaml:8: spec.expires is 2027-06-01 where a time such as "2027-01-31T00:00:00Z" should be`},
		{"unknown field", exceptionHead + "spec:\n" + policies + matched + reason + expires + "  users: [jane]\n", `e.yaml:9: unknown field "users"`},
		{"glob", exceptionHead + "spec:\n" + policies + "  match: {names: [\"a*b\"]}\n" + reason + expires, `e.yaml:6: PolicyException prod/legacy: match.names: "a*b" has an asterisk in the middle; a name may start and end with one`},
		{"everything", exceptionHead + "spec:\n" + policies + "  match: {resources: [\"*/*\"]}\n" + reason + expires, `e.yaml:6: PolicyException prod/legacy: match.resources: name subresources one by one; "*/*" is not for exceptions`},
		{"resource", exceptionHead + "spec:\n" + policies + "  match: {resources: [podz]}\n" + reason + expires, `e.yaml:6: PolicyException prod/legacy: match.resources: "podz" is not a resource built into Kubernetes; if it is a custom resource, write it with its group, "podz.example.com"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, faults := readExceptions(t, "e.yaml", c.text)
			if len(found) > 0 || len(faults) != 1 || faults.Error() != c.want || faults[0].Exception == "" || faults[0].Policy != "" {
				t.Errorf("%v %+v", found, faults)
			}
		})
	}
}
