package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

// judging are the policies beside those of the library: bad holds for every tenth template, marked for what is marked on the way.
const judging = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [pods]}
package %[1]s

deny contains "it is %[1]s" if input.request.object.metadata.labels.%[1]s == "yes"
`

// server is a process of Portcullis that audits.
type server struct {
	health string
	cmd    *exec.Cmd
	log    *props.Buffer
	begun  time.Time
}

// audits starts a server that audits the world by pss-restricted and best-practice.
func (w *world) audits(t testing.TB) *server {
	t.Helper()
	dir := t.TempDir()
	args := []string{
		"serve", "--kubeconfig", w.cluster.Kubeconfig, "--namespace", "default", "--replica", "one", "--audit", "--cert-dir", filepath.Join(dir, "certs"),
		"--drain", "0s", "--log-level", "warn", "--policies", filepath.Join(dir, "policies"), "--policies", "library:pss-restricted",
		"--policies", "library:best-practice", "--listen", props.FreeAddressT(t), "--health-listen", props.FreeAddressT(t),
	}
	if err := os.Mkdir(filepath.Join(dir, "policies"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bad", "marked"} {
		if err := os.WriteFile(filepath.Join(dir, "policies", name+".rego"), fmt.Appendf(nil, judging, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{health: "http://" + args[len(args)-1], log: &props.Buffer{}, begun: time.Now()}
	s.cmd = exec.CommandContext(t.Context(), w.program, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	return s
}

// metrics is the page of metrics, or nothing as long as there is none.
func (s *server) metrics(ctx context.Context) page {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.health+"/metrics", nil)
	if err != nil {
		return ""
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return page(text)
}

// page is a page of metrics.
type page string

// sum adds up the samples of a metric that have all the labels, as outcome="fail"; has tells whether there is any.
func (p page) sum(name string, labels ...string) (sum float64, has bool) {
	for line := range strings.Lines(string(p)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		all := true
		for _, label := range labels {
			all = all && strings.Contains(rest, label)
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(strings.TrimSpace(rest), ' ')+1:]), 64)
		if all && err == nil {
			sum, has = sum+value, true
		}
	}
	return sum, has
}

// results is how many pairs of a policy came to an outcome.
func (p page) results(policy, outcome string) int {
	n, _ := p.sum("portcullis_audit_results", fmt.Sprintf("policy=%q", policy), fmt.Sprintf("outcome=%q", outcome))
	return int(n)
}

// through waits until everything has been judged once.
func (s *server) through(t testing.TB, atMost time.Duration) page {
	t.Helper()
	for deadline := time.Now().Add(atMost); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		text := s.metrics(t.Context())
		if _, known := text.sum("portcullis_audit_age_seconds"); known {
			return text
		}
	}
	t.Fatalf("the audit is not through after %s: %s", atMost, s.log)
	return ""
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory the process ever had, in bytes; 0 where the system does not tell.
func (s *server) peak() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	found := highWater.FindSubmatch(text)
	if found == nil {
		return 0
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// cpu is the processor time that the process has used so far.
func (s *server) cpu(ctx context.Context) time.Duration {
	seconds, _ := s.metrics(ctx).sum("process_cpu_seconds_total")
	return time.Duration(seconds * float64(time.Second))
}
