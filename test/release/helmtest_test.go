package release_test

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/release"
)

// TestHelmTestFailsWhenNobodyIsReached: what runs as the server's service account, which may see little, says it all the same.
func TestHelmTestFailsWhenNobodyIsReached(t *testing.T) {
	t.Parallel()
	p := newPlane(t, server(t), "--drain=2s")
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	helm := func(args ...string) error {
		_, err := r.Helm(t.Context(), p.cluster.Kubeconfig, append(args, "--namespace="+r.Namespace)...)
		return err
	}
	if err := helm("install", r.Name, r.Chart(), "--create-namespace", "--set=image.tag=test,replicaCount=1", "--wait", "--timeout=120s"); err != nil {
		t.Fatal(err)
	}
	// Right after the installation, as docs/install.md has it: what is not registered yet is waited for.
	if err := helm("test", r.Name, "--timeout=60s"); err != nil {
		t.Fatalf("all is well: %v", err)
	}
	p.kubectl(noTeam, "apply", "-f", "-")
	p.kubectl("", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	p.kubectl("", "delete", "service/portcullis", "--namespace="+r.Namespace)
	until(t, "the address leads nowhere", func() bool {
		_, problems, err := p.cluster.Kubectl(t.Context(), "", nil, "create", "configmap", "any", "--dry-run=server")
		return err != nil && strings.Contains(problems, "failed calling webhook")
	})
	if err := helm("test", r.Name, "--timeout=120s"); err == nil {
		t.Error("helm test succeeds although the API server reaches nobody")
	}
	log, err := p.node.Log(r.Namespace, "portcullis-test")
	if err != nil || !strings.Contains(log, "FAIL") || !strings.Contains(log, "the probe of the validate webhook was not answered") {
		t.Errorf("%v\n%s", err, log)
	}
	if strings.Contains(log, "could not be looked at") {
		t.Errorf("the service account may not look at what helm test looks at:\n%s", log)
	}
}
