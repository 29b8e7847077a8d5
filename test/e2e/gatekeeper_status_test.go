package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/test/props"
)

// says waits until a part of an object is what it should be.
func (s served) says(t *testing.T, kind, name, path, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got = s.must(t, "", "get", kind, name, "-o", "jsonpath="+path); got == want {
			return
		}
	}
	t.Errorf("%s %s: %s is\n%s\nand not\n%s", kind, name, path, got, want)
}

// uid is that of an object.
func (s served) uid(t *testing.T, kind, name string) string {
	t.Helper()
	return s.must(t, "", "get", kind, name, "-o", "jsonpath={.metadata.uid}")
}

const anAssign = `
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: team}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  location: metadata.labels.team
  parameters: {assign: {value: platform}}
`

// TestGatekeepersStatus is what Gatekeeper's users look at and wait for, in a cluster whose definitions of Gatekeeper's kinds are ours.
func TestGatekeepersStatus(t *testing.T) {
	t.Parallel()
	s := serveObjects(t, "--gatekeeper-crds")
	props.Eventually(t, "Gatekeeper's kinds are defined", func() bool {
		_, against := s.try(t, "", "wait", "--for=condition=Established", "--timeout=30s", "crd/constrainttemplates.templates.gatekeeper.sh",
			"crd/assignmetadata.mutations.gatekeeper.sh", "crd/providers.externaldata.gatekeeper.sh")
		return against == ""
	})
	s.must(t, needsLabels, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=jsonpath={.status.created}=true", "constrainttemplate/needslabels", "--timeout=60s")
	s.must(t, "", "wait", "--for=condition=Ready", "constrainttemplate/needslabels", "--timeout=60s")
	s.must(t, owner, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=condition=Ready", "needslabels/owner", "--timeout=60s")
	s.must(t, anAssign, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=condition=Ready", "assignmetadata/team", "--timeout=60s")
	for _, row := range []struct{ kind, name, want string }{
		{"constrainttemplate", "needslabels", `[{"id":"portcullis/one","observedGeneration":1,"operations":["webhook"],"templateUID":%q}]`},
		{"needslabels", "owner", `[{"constraintUID":%q,"enforced":true,"id":"portcullis/one","observedGeneration":1,"operations":["webhook"]}]`},
		{"assignmetadata", "team", `[{"enforced":true,"id":"portcullis/one","mutatorUID":%q,"observedGeneration":1,"operations":["mutation-webhook"]}]`},
	} {
		s.says(t, row.kind, row.name, "{.status.byPod}", fmt.Sprintf(row.want, s.uid(t, row.kind, row.name)))
	}
	t.Run("what is faulty", s.testFaultyStatus)
	t.Run("another writer", s.testOtherWriter)
}

// testFaultyStatus has a template that the gate would have refused.
func (s served) testFaultyStatus(t *testing.T) {
	props.Eventually(t, "it is in the cluster", func() bool {
		s.must(t, "", "delete", "validatingwebhookconfiguration", "portcullis-policies", "--ignore-not-found")
		_, against := s.try(t, strings.Replace(needsLabels, "count(missing)", "count(absent)", 1), "apply", "-f", "-")
		return against == ""
	})
	s.says(t, "constrainttemplate", "needslabels", "{.status.byPod[0].errors}", `[{"code":"rego_compile_error","location":"constrainttemplate/needslabels:5","message":"ConstraintTemplate needslabels: var absent is unsafe"}]`)
	s.says(t, "constrainttemplate", "needslabels", "{.status.byPod[0].observedGeneration} {.status.created}", "2 true")
	s.says(t, "needslabels", "owner", "{.status.byPod[0].enforced} {.status.byPod[0].errors[0].location}", "true constrainttemplate/needslabels:5")
	s.must(t, needsLabels, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=condition=Ready", "constrainttemplate/needslabels", "--timeout=60s")
	s.says(t, "needslabels", "owner", "{.status.byPod[0].errors}", "")
}

// testOtherWriter has somebody beside us do as Gatekeeper does: it writes the whole list anew whenever the object has changed, and in
// the end what an audit has found.
func (s served) testOtherWriter(t *testing.T) {
	theirs := func(status string) {
		s.must(t, "", "patch", "needslabels", "owner", "--subresource=status", "--type=merge", "-p", `{"status": `+status+`}`)
	}
	writes, version := 0, ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		got := s.must(t, "", "get", "needslabels", "owner", "-o", "json")
		var object struct {
			Metadata struct{ ResourceVersion string }
			Status   struct{ ByPod []struct{ ID string } }
		}
		if err := json.Unmarshal([]byte(got), &object); err != nil {
			t.Fatal(err)
		}
		if object.Metadata.ResourceVersion == version {
			continue
		}
		ours := false
		for _, entry := range object.Status.ByPod {
			ours = ours || entry.ID == "portcullis/one"
		}
		if ours {
			writes++
		}
		theirs(`{"byPod": [{"id": "gatekeeper-controller-manager-0"}]}`)
		version = s.must(t, "", "get", "needslabels", "owner", "-o", "jsonpath={.metadata.resourceVersion}")
	}
	if writes > 3 { // what was there, once more, and no more for a minute
		t.Errorf("our entry was there again %d times", writes)
	}
	// What others have said stays when we have something new to say.
	theirs(`{"totalViolations": 7, "auditTimestamp": "2027-01-01T00:00:00Z", "violations": [{"name": "web"}]}`)
	s.must(t, strings.Replace(owner, "[owner]", "[owner, team]", 1), "apply", "-f", "-")
	s.says(t, "needslabels", "owner", "{.status.byPod[*].id} {.status.totalViolations} {.status.auditTimestamp} {.status.violations[*].name}",
		"gatekeeper-controller-manager-0 portcullis/one 7 2027-01-01T00:00:00Z web")
}

// TestBesideGatekeeper is a server during the move, while Gatekeeper itself decides.
func TestBesideGatekeeper(t *testing.T) {
	t.Parallel()
	s := serveObjects(t, "--gatekeeper-enforcement=warn")
	s.must(t, props.GatekeeperCRDs(), "apply", "-f", "-")
	s.must(t, "", "wait", "--for=condition=Established", "crd/constrainttemplates.templates.gatekeeper.sh", "crd/assignmetadata.mutations.gatekeeper.sh", "--timeout=30s")
	s.must(t, needsLabels, "apply", "-f", "-")
	s.must(t, "", "wait", "--for=create", "crd/needslabels.constraints.gatekeeper.sh", "--timeout=30s")
	s.must(t, "", "wait", "--for=condition=Established", "crd/needslabels.constraints.gatekeeper.sh", "--timeout=30s")
	s.must(t, owner+"---"+anAssign, "apply", "-f", "-")
	warned := ""
	props.Eventually(t, "the constraint warns", func() bool {
		stdout, stderr, err := s.Kubectl(t.Context(), "", strings.NewReader(aPod), "apply", "--dry-run=server", "-o", "jsonpath={.metadata.labels}", "-f", "-")
		if err != nil {
			t.Fatal(stderr)
		}
		if stdout != "" {
			t.Errorf("a mutator has changed the labels: %s", stdout)
		}
		warned = stderr
		return stderr != ""
	})
	if want := `Warning: needslabels/owner: not refused, because gatekeeper-enforcement is warn: labels are missing: {"owner"}`; !strings.Contains(warned, want) {
		t.Errorf("the warning is %q", warned)
	}
	// What Gatekeeper would take, and is not taken here, is not refused either.
	_, stderr, err := s.Kubectl(t.Context(), "", strings.NewReader(strings.Replace(needsLabels, "count(missing)", "count(absent)", 1)), "apply", "--dry-run=server", "-f", "-")
	if err != nil || !strings.Contains(stderr, "not refused, because gatekeeper-enforcement is warn: ") || !strings.Contains(stderr, "var absent is unsafe") {
		t.Errorf("a template that does not compile: %v %s", err, stderr)
	}
	if got := s.must(t, "", "get", "validatingwebhookconfiguration", "portcullis", "-o", "jsonpath={.webhooks[*].name}"); !strings.Contains(got, "observe.") || strings.Contains(got, "enforce.") {
		t.Errorf("the webhooks are %s", got)
	}
	stdout, _, code := s.doctor(t)
	if !strings.Contains(stdout, "Gatekeeper's constraints only warn here, and its mutators change nothing") || code == 2 {
		t.Errorf("doctor says, with %d,\n%s", code, stdout)
	}
	if !strings.Contains(s.log.String(), "Gatekeeper's constraints refuse nothing here, and its mutators change nothing") {
		t.Error("the log does not tell")
	}
}

// doctor looks at the registration.
func (s served) doctor(t *testing.T) (stdout, stderr string, code int) {
	t.Helper()
	var out, against props.Buffer
	code = cmd.Run(t.Context(), []string{"doctor", "--kubeconfig=" + s.Kubeconfig, "--namespace=guard", "--topics=registration"}, nil, &out, &against)
	return out.String(), against.String(), code
}
