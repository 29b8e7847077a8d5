package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// A kubelet waits ten seconds before the first restart and five minutes at most.
	firstBackOff, lastBackOff = 100 * time.Millisecond, 5 * time.Second
	// steadyAfter is how long a process must have run for its restart not to be held back by earlier ones.
	steadyAfter = 10 * time.Second
)

// container is one container of a Pod: a process, and the next one after that has ended.
type container struct {
	pod  *pod
	spec *corev1.Container
	log  string
	args []string
	env  []string

	mu       sync.Mutex
	process  *process // nil when none runs
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	started  bool
	ready    bool
}

// process is one run of a container.
type process struct {
	cmd    *exec.Cmd
	began  time.Time
	exited chan struct{} // closed when it is gone
}

func newContainer(p *pod, spec *corev1.Container) *container {
	return &container{
		pod: p, spec: spec,
		log:   filepath.Join(p.node.Logs(), fmt.Sprintf("%s_%s_%s_%s.log", p.object.Namespace, p.object.Name, spec.Name, p.object.UID[:8])),
		state: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}},
	}
}

// prepare works out the command line and the environment.
func (c *container) prepare(ctx context.Context) error {
	mounts := c.pod.volumes.mounts(c.spec)
	env, err := c.environment(ctx)
	if err != nil {
		return fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	program := c.pod.node.opts.Programs[c.spec.Image]
	var args []string
	if len(c.spec.Command) > 1 {
		args = append(args, c.spec.Command[1:]...)
	}
	args = append(args, c.spec.Args...)
	for i, arg := range args {
		arg = expand(arg, env.values)
		if arg == "--in-cluster" || arg == "--in-cluster=true" {
			file, err := c.kubeconfig()
			if err != nil {
				return fmt.Errorf("container %s: %w", c.spec.Name, err)
			}
			args[i] = "--kubeconfig=" + file
			continue
		}
		args[i] = mounts.rewrite(arg)
	}
	if program.Arguments != nil {
		args = append(args, program.Arguments(c.instance())...)
	}
	c.args = args
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.pod.dir, "TMPDIR=" + os.TempDir(), "HOSTNAME=" + c.pod.object.Name}
	for _, name := range env.names {
		c.env = append(c.env, name+"="+mounts.rewrite(env.values[name]))
	}
	c.env = append(c.env, program.Env...)
	return nil
}

func (c *container) instance() Instance {
	return Instance{Pod: c.pod.object.DeepCopy(), Container: c.spec.Name, IP: c.pod.node.ip, Ports: c.pod.machinePorts()}
}

// run starts the process and starts it again when it has ended, as the Pod's restart policy says, until the Pod goes or ctx ends.
func (c *container) run(ctx context.Context) {
	backOff := firstBackOff
	for {
		p, err := c.launch()
		if err == nil && p == nil {
			return
		}
		code := 128
		if err == nil {
			probing, stop := context.WithCancel(ctx)
			var probes sync.WaitGroup
			probes.Go(func() { c.probe(probing, p) })
			<-p.exited
			stop()
			probes.Wait()
			code = p.cmd.ProcessState.ExitCode()
			if time.Since(p.began) > steadyAfter {
				backOff = firstBackOff
			}
		}
		again := !c.pod.isEnding() && ctx.Err() == nil && c.wantedAgain(code)
		c.ended(p, code, err, again)
		if !again {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-c.pod.ending:
			return
		case <-time.After(backOff):
		}
		backOff = min(2*backOff, lastBackOff)
	}
}

// wantedAgain tells whether the restart policy wants another process.
func (c *container) wantedAgain(code int) bool {
	policy := c.pod.object.Spec.RestartPolicy
	return policy == corev1.RestartPolicyAlways || policy == corev1.RestartPolicyOnFailure && code != 0
}

// launch starts a process. It returns nil if the Pod is to go.
func (c *container) launch() (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pod.isEnding() || c.pod.isForced() {
		return nil, nil
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own copy
	cmd := exec.Command(c.pod.node.opts.Programs[c.spec.Image].Path, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = c.pod.dir, c.env, log, log, dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, began: time.Now(), exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(p.exited)
	}()
	c.process = p
	c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.began)}}
	c.started, c.ready = c.spec.StartupProbe == nil, c.spec.StartupProbe == nil && c.spec.ReadinessProbe == nil
	c.pod.changed()
	return p, nil
}

// ended records the end of a process, or that it could not be started.
func (c *container) ended(p *process, code int, failure error, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := &corev1.ContainerStateTerminated{ExitCode: int32(code), Reason: "Completed", FinishedAt: metav1.Now()}
	switch {
	case failure != nil:
		end.Reason, end.Message = "StartError", failure.Error()
	case code != 0:
		end.Reason, end.StartedAt, end.Message = "Error", metav1.NewTime(p.began), p.cmd.ProcessState.String()
		if code < 0 { // by a signal
			end.ExitCode = 128 + int32(p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
		}
	}
	c.process, c.started, c.ready = nil, false, false
	c.state = corev1.ContainerState{Terminated: end}
	if again {
		c.last, c.restarts = c.state, c.restarts+1
		c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "It ended and is about to be started again."}}
	}
	c.pod.changed()
}

// endInTime waits until the Pod is to go and then ends the process: the preStop sleep, SIGTERM, and SIGKILL when the grace period is over.
// If ctx ends first there is no process any more.
func (c *container) endInTime(ctx context.Context) {
	select {
	case <-c.pod.ending:
		if c.spec.Lifecycle != nil && c.spec.Lifecycle.PreStop != nil {
			select {
			case <-time.After(time.Duration(c.spec.Lifecycle.PreStop.Sleep.Seconds) * time.Second):
			case <-c.pod.forced:
			case <-ctx.Done():
			}
		}
	case <-c.pod.forced: // the node stops
	case <-ctx.Done():
		return
	}
	c.mu.Lock()
	p := c.process
	c.mu.Unlock()
	if p != nil {
		p.end(c.pod.forced, nil)
	}
}

// end asks the process to end, and makes it when either channel says that the time is over.
func (p *process) end(forced <-chan struct{}, late <-chan time.Time) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-forced:
	case <-late:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

func (c *container) signal(s os.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return errors.New("container " + c.spec.Name + " has no process")
	}
	return c.process.cmd.Process.Signal(s)
}
