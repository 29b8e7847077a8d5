package plane_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/controlplane/plane"
)

// up is a running "controlplane up".
type up struct {
	cmd    *exec.Cmd
	dir    string
	ready  plane.Ready
	stderr *bytes.Buffer
}

// binary is the built binary under test.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("CONTROLPLANE_BIN")
	if path == "" {
		t.Skip("CONTROLPLANE_BIN does not name the built binary, so no control plane is started")
	}
	return path
}

// start runs "controlplane up" and waits until it says that it is ready.
func start(t *testing.T, dir string, args ...string) *up {
	t.Helper()
	u := &up{dir: dir, stderr: &bytes.Buffer{}}
	u.cmd = exec.Command(binary(t), append([]string{"up", "--dir", dir}, args...)...)
	u.cmd.Stderr = u.stderr
	out, err := u.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		_ = u.cmd.Wait()
		t.Fatalf("no line on standard output: %v\n%s", err, u.stderr)
	}
	if err := json.Unmarshal(line, &u.ready); err != nil || !u.ready.Ready {
		t.Fatalf("the line on standard output is %q, %v", line, err)
	}
	return u
}

// children returns the process numbers by component.
func (u *up) children(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(u.dir, "run", "*.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		pids[strings.TrimSuffix(filepath.Base(f), ".pid")] = pid
	}
	return pids
}

// alive tells whether a process still runs. One that ended and waits to be collected by its new parent does not run.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !procfs()
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func procfs() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

func wantGone(t *testing.T, children map[string]int) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for name, pid := range children {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, process %d, still runs", name, pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestAKilledParentLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	u := start(t, dir)
	children := u.children(t)
	if len(children) != 3 {
		t.Fatalf("the children are %v, want three", children)
	}

	second, err := exec.Command(binary(t), "up", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(second), "already runs in") || strings.Count(string(second), "\n") != 1 {
		t.Errorf("a second start in the same directory says %q, %v", second, err)
	}

	if err := u.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = u.cmd.Wait()
	// The directory can be used at once, while the children of the first may still be ending.
	u = start(t, dir, "--user", "alice=dev")
	wantGone(t, children)

	children = u.children(t)
	whoami, err := exec.Command(binary(t), "kubectl", "--kubeconfig", filepath.Join(dir, "alice.kubeconfig"), "--cache-dir", t.TempDir(), "auth", "whoami").CombinedOutput()
	if err != nil || !strings.Contains(string(whoami), "[dev system:authenticated]") {
		t.Errorf("kubectl auth whoami: %v\n%s", err, whoami)
	}
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := u.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, u.stderr)
	}
	wantGone(t, children)
}

func TestADeadChildEndsAll(t *testing.T) {
	u := start(t, t.TempDir(), "--controller-manager=false")
	children := u.children(t)
	if err := syscall.Kill(children["etcd"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := u.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	if !strings.Contains(u.stderr.String(), "etcd ended unexpectedly (signal: killed)") {
		t.Errorf("it does not name the dead child:\n%s", u.stderr)
	}
	wantGone(t, children)
}

func TestAFailedStartNamesTheCause(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "authorization.yaml")
	if err := os.WriteFile(bad, []byte("kind: Nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "up", "--dir", t.TempDir(), "--authorization-config", bad)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	if stdout.Len() > 0 {
		t.Errorf("standard output is %q, want nothing", stdout.String())
	}
	for _, want := range []string{"kube-apiserver ended unexpectedly (exit status 1)", "AuthorizationConfiguration"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, stderr.String())
		}
	}
}

func TestItEndsWithWhoHoldsItsLifeline(t *testing.T) {
	dir := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "up", "--dir", dir, "--controller-manager=false")
	cmd.ExtraFiles = []*os.File{r}
	cmd.Env = append(os.Environ(), plane.LifelineEnv+"=3")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if _, err := bufio.NewReader(out).ReadBytes('\n'); err != nil {
		t.Fatal(err)
	}
	children := (&up{dir: dir}).children(t)
	w.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want a regular end", err)
	}
	wantGone(t, children)
}
