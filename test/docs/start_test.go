package docs

import (
	"strings"
	"testing"
)

// Whoever types what the page says sees what it shows.
func TestStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	listen := freeAddress(t)
	p := read(t, "docs/start.md", strings.NewReplacer("127.0.0.1:8443", listen))
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis"), "controlplane": binary(t, "controlplane")})
	succeeds := func(command string) bool { return s.command(t, command).Run() == nil }
	s.start(t, p.block(t, "sh", "controlplane up"))
	eventually(t, "a namespace", func() bool { return succeeds(p.block(t, "sh", "create namespace")) })
	eventually(t, "a service account for Pods", func() bool {
		return succeeds("bin/controlplane kubectl --kubeconfig plane/kubeconfig get serviceaccount default")
	})
	ready, _ := s.serve(t, p.block(t, "sh", "library:pss-restricted"), listen)
	eventually(t, "ready", ready)

	refused := ""
	run := strings.TrimSpace(p.block(t, "sh", "run web"))
	eventually(t, "a refusal", func() bool {
		out, err := s.command(t, run+" --dry-run=server").CombinedOutput()
		refused = string(out)
		return err != nil && strings.Contains(refused, "denied the request")
	})
	if want := p.block(t, "text", "denied the request"); refused != want {
		t.Errorf("the page shows\n%s\nand the answer is\n%s", want, refused)
	}
	s.write(t, "pod.yaml", p.block(t, "yaml", "kind: Pod"))
	if got := s.run(t, p.block(t, "sh", "apply -f pod.yaml")); got != "pod/web created\n" {
		t.Error(got)
	}
}
