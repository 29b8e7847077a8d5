// Package cluster starts a real Kubernetes control plane for tests and demonstrations, and writes the files which the API server needs
// to call a webhook server. The control plane is a program of its own, bin/controlplane, built from the module test/controlplane; this
// package only executes it.
package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long Stop waits before it uses force. The control plane takes at most ten seconds to stop its processes.
const stopTime = 15 * time.Second

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the path of the admin's kubeconfig.
	Kubeconfig string
	// Server is the address of the API server.
	Server string

	dir      string
	binary   string
	cmd      *exec.Cmd
	lifeline *os.File // as long as this process holds it, the control plane runs
	stderr   *recorder
	ended    chan struct{} // closed when the process is gone; waitErr is set before
	waitErr  error
	stop     sync.Once
	stopErr  error
}

// Start starts a control plane and returns when it is ready. The end of ctx interrupts the start; afterwards ctx means nothing and the
// control plane runs until Stop, or until this process ends in whatever way.
//
// The binary is Options.Binary, else what the environment variable PORTCULLIS_CONTROLPLANE names, else bin/controlplane at the root of
// the repository which holds the working directory.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	binary, err := findBinary(o.Binary)
	if err != nil {
		return nil, err
	}
	if o.Dir != "" { // kubectl is told this path too, and may run elsewhere
		if o.Dir, err = filepath.Abs(o.Dir); err != nil {
			return nil, fmt.Errorf("the directory of the control plane: %w", err)
		}
	}
	args, err := o.arguments()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: o.Dir, binary: binary, stderr: &recorder{also: o.Progress}, ended: make(chan struct{})}
	ready, err := c.launch(args)
	if err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	select {
	case line := <-ready:
		var answer struct{ Kubeconfig, Server string }
		if err := json.Unmarshal(line, &answer); err != nil {
			_ = c.Stop()
			return nil, fmt.Errorf("start the control plane: it answered %q: %w", line, err)
		}
		c.Kubeconfig, c.Server = answer.Kubeconfig, answer.Server
		return c, nil
	case <-c.ended:
		c.lifeline.Close()
		return nil, fmt.Errorf("start the control plane: %w", c.obituary())
	case <-ctx.Done():
		_ = c.Stop()
		return nil, fmt.Errorf("start the control plane: %w\n%s", context.Cause(ctx), c.stderr.String())
	}
}

// launch executes the binary. The channel yields the one line which it prints when it is ready.
func (c *Cluster) launch(args []string) (<-chan []byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close() // the child has its own copy
	c.lifeline = w
	c.cmd = exec.Command(c.binary, args...)
	c.cmd.ExtraFiles = []*os.File{r} // becomes descriptor 3
	c.cmd.Env = append(os.Environ(), "CONTROLPLANE_LIFELINE=3")
	c.cmd.Stderr = c.stderr
	c.cmd.SysProcAttr = ownGroup()
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	ready := make(chan []byte, 1)
	go func() {
		out := bufio.NewReader(stdout)
		if line, err := out.ReadBytes('\n'); err == nil {
			ready <- line
		}
		_, _ = io.Copy(io.Discard, out) // it prints no more, and Wait must come after the last read
		c.waitErr = c.cmd.Wait()
		close(c.ended)
	}()
	return ready, nil
}

// Stop ends the control plane and waits until all its processes are gone. It reports an error if it had ended by itself before, or did
// not end in order. Further calls return the same.
func (c *Cluster) Stop() error {
	c.stop.Do(func() {
		defer c.lifeline.Close()
		select {
		case <-c.ended:
			c.stopErr = fmt.Errorf("the control plane ended before it was stopped: %w", c.obituary())
			return
		default:
		}
		// Signalling fails only if the process ended this moment; the wait below tells how.
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		timer := time.NewTimer(stopTime)
		defer timer.Stop()
		select {
		case <-c.ended:
			if c.waitErr != nil {
				c.stopErr = fmt.Errorf("stop the control plane: %w", c.obituary())
			}
		case <-timer.C:
			_ = c.cmd.Process.Kill()
			<-c.ended
			c.stopErr = fmt.Errorf("stop the control plane: it did not end within %s and was killed\n%s", stopTime, c.stderr.String())
		}
	})
	return c.stopErr
}

// Done is closed when the control plane has ended, whether it was stopped or one of its components failed; Stop tells which.
func (c *Cluster) Done() <-chan struct{} { return c.ended }

// Logs returns the directory with one log file for each component, such as kube-apiserver.log, and audit.log if there is an audit policy.
func (c *Cluster) Logs() string { return filepath.Join(c.dir, "logs") }

// obituary tells how the process ended, in the words it left itself if it left any.
func (c *Cluster) obituary() error {
	text := c.stderr.String()
	if i := strings.LastIndex(text, "controlplane up: "); i >= 0 {
		return errors.New(strings.TrimSpace(text[i:]))
	}
	if c.waitErr != nil {
		return fmt.Errorf("%w\n%s", c.waitErr, text)
	}
	return errors.New("it ended although nobody asked it to\n" + text)
}

// recorder keeps what the control plane tells on standard error, which is short, and passes it on.
type recorder struct {
	also io.Writer

	mu   sync.Mutex
	text bytes.Buffer
}

// Write never fails: a broken progress writer must not break the control plane.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	if r.also != nil {
		_, _ = r.also.Write(p)
	}
	return len(p), nil
}

// String returns everything so far.
func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}
