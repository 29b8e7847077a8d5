//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

// runEnv makes this test binary the demonstration.
const runEnv = "PORTCULLIS_DEMO_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(runEnv) == "" {
		m.Run()
		return
	}
	if err := run(false); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demonstration is one that runs as a process of its own.
type demonstration struct {
	cmd    *exec.Cmd
	output *output
	ended  chan struct{}
}

// output may be read while a process writes to it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin starts a demonstration in a folder that looks like the root of the repository.
func begin(t *testing.T, folder string) *demonstration {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := &demonstration{cmd: exec.Command(self), output: &output{}, ended: make(chan struct{})}
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = folder, d.output, d.output
	d.cmd.Env = append(os.Environ(), runEnv+"=1", "PORTCULLIS_CONTROLPLANE="+filepath.Join(folder, "bin", "controlplane"))
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // where it has ended by itself, there is nobody to tell
		d.end(t)
	})
	return d
}

// end waits for the end and returns the exit code.
func (d *demonstration) end(t *testing.T) int {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		_ = d.cmd.Process.Kill()
		t.Fatalf("it does not end:\n%s", d.output)
	}
	return d.cmd.ProcessState.ExitCode()
}

// shows waits until the output has a text.
func (d *demonstration) shows(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for patience := time.After(2 * time.Minute); !strings.Contains(d.output.String(), text); {
		select {
		case <-tick.C:
		case <-d.ended:
			t.Fatalf("it ended and did not show %q:\n%s", text, d.output)
		case <-patience:
			t.Fatalf("it does not show %q:\n%s", text, d.output)
		}
	}
}

// kill kills the child whose command line has the word.
func (d *demonstration) kill(t *testing.T, word string) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		children, _ := os.ReadFile(task) // a thread may be gone by now
		for child := range strings.FieldsSeq(string(children)) {
			line, err := os.ReadFile(filepath.Join("/proc", child, "cmdline"))
			if err != nil || !strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), word) {
				continue
			}
			pid, err := strconv.Atoi(child)
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("the demonstration has no child %q", word)
}

// What a user may do to a demonstration, and what may happen to it: a second one beside it, an edited policy, and the death of either
// of the two processes it consists of.
func TestDemonstration(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	props.ServerT(t, filepath.Dir(bin))
	if _, err := os.Stat(filepath.Join(bin, "controlplane")); err != nil {
		t.Fatalf("%v; run `make bin/controlplane`", err)
	}
	folder := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(folder, "bin")); err != nil {
		t.Fatal(err)
	}
	const invitation = "stay up until you press Ctrl-C"

	first := begin(t, folder)
	first.shows(t, invitation)
	if same, err := asShipped(filepath.Join(folder, dir, "policies")); err != nil || !same {
		t.Errorf("the walk has left the policies edited: %v", err)
	}
	if got, want := first.output.String(), "(The walk has put .demo/policies/names.rego back as it was: names that begin with tmp- are refused again.)\n"; !strings.Contains(got, want) {
		t.Errorf("the walk does not say %q:\n%s", want, got)
	}

	second := begin(t, folder)
	if code := second.end(t); code != 1 {
		t.Errorf("a second demonstration ends with exit code %d", code)
	}
	want := fmt.Sprintf("demo: a demonstration is already up in .demo (process %d); press Ctrl-C in its terminal first\n", first.cmd.Process.Pid)
	if got := second.output.String(); got != want {
		t.Errorf("a second demonstration says %q, want %q", got, want)
	}

	first.kill(t, "serve --listen")
	if code := first.end(t); code != 1 {
		t.Errorf("without Portcullis it ends with exit code %d", code)
	}
	if got := first.output.String(); !strings.Contains(got, "\ndemo: the Portcullis process ended by itself (signal: killed); the end of its log:\n") ||
		!strings.HasSuffix(strings.TrimSpace(got), lastLine(t, filepath.Join(folder, dir, "portcullis.log"))) {
		t.Errorf("it does not end with the log of Portcullis:\n%s", got)
	}

	edited := filepath.Join(folder, dir, "policies", "names.rego")
	if err := os.Remove(edited); err != nil {
		t.Fatal(err)
	}
	third := begin(t, folder)
	third.shows(t, invitation)
	for _, want := range []string{
		"The policies in .demo/policies are kept as you left them, so the walk may end differently; `rm -r .demo/policies` brings back those shipped.\n",
		"    configmap/tmp-1 created\n    (With the policies as shipped it would have been refused.)\n",
	} {
		if got := third.output.String(); !strings.Contains(got, want) {
			t.Errorf("with a policy taken away it does not say %q:\n%s", want, got)
		}
	}
	third.kill(t, "controlplane up")
	if code := third.end(t); code != 1 {
		t.Errorf("without a control plane it ends with exit code %d", code)
	}
	if got := third.output.String(); !strings.Contains(got, "\ndemo: the control plane ended before it was stopped: signal: killed\n") {
		t.Errorf("it does not say that the control plane has ended:\n%s", got)
	}

	fourth := begin(t, folder)
	fourth.shows(t, " 1  validate")
	if err := fourth.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := fourth.end(t); code != 1 || !strings.Contains(fourth.output.String(), "\ndemo: interrupt signal received\n") {
		t.Errorf("interrupted in the middle it ends with exit code %d:\n%s", code, fourth.output)
	}
}

func lastLine(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
