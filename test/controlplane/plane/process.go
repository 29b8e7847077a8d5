package plane

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// component is one thing to run: a subcommand of this binary with its arguments.
type component struct {
	name string
	args []string
}

// process is a running component.
type process struct {
	name   string
	log    string
	pid    string // file with the process number
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone; err is set before
	err    error
}

// crew is the processes of one control plane, in the order they were started.
type crew struct {
	layout    layout
	binary    string
	lifeline  *os.File // read end, inherited by every process
	hold      *os.File // write end, which nobody else has
	locks     *locks
	processes []*process
	died      chan *process // every process reports here when it is gone
}

func newCrew(l layout, k *locks) (*crew, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the lifeline: %w", err)
	}
	// The buffer has room for each process, so that none of the waiting goroutines is ever left behind.
	return &crew{layout: l, binary: binary, lifeline: r, hold: w, locks: k, died: make(chan *process, 3)}, nil
}

// start runs a component. Its output goes to its log, which begins anew.
func (c *crew) start(comp component) (*process, error) {
	p := &process{
		name:   comp.name,
		log:    c.layout.log(comp.name),
		pid:    c.layout.pidFile(comp.name),
		exited: make(chan struct{}),
	}
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer log.Close() // the child has its own copy
	p.cmd = exec.Command(c.binary, append([]string{comp.name}, comp.args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Extra files are numbered from 3 on: first the lifeline, then the lock, which the child only needs to have.
	p.cmd.ExtraFiles = []*os.File{c.lifeline, c.locks.children}
	p.cmd.Env = append(os.Environ(), LifelineEnv+"=3")
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	c.processes = append(c.processes, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
		c.died <- p
	}()
	if err := writeFile(p.pid, []byte(strconv.Itoa(p.cmd.Process.Pid)+"\n")); err != nil {
		return nil, fmt.Errorf("write the process number of %s: %w", p.name, err)
	}
	return p, nil
}

// await asks ready until it is satisfied. It gives up at the end of ctx, or as soon as any process of the crew is gone.
func (c *crew) await(ctx context.Context, p *process, ready func(context.Context) error) error {
	var dead *process
	var last error
	err := poll(ctx, 25*time.Millisecond, func() (bool, error) {
		select {
		case dead = <-c.died:
			return false, dead.obituary()
		default:
		}
		err := ready(ctx)
		// An answer cut off by the end of the time would hide the one before, which says what was missing.
		if err == nil || ctx.Err() == nil || last == nil {
			last = err
		}
		return err == nil, nil
	})
	if err == nil || dead != nil {
		return err
	}
	evidence := p.evidence() // before goroutines are printed below it
	return fmt.Errorf("%s did not become ready: %w; the last answer was: %w\n%s%s", p.name, err, last, evidence, p.stuck())
}

// stop ends all processes, the last started first, so that no component loses what it stands on. Those still there when the grace is
// over are killed.
func (c *crew) stop(grace time.Duration) {
	over := time.NewTimer(grace)
	defer over.Stop()
	late := false
	for _, p := range slices.Backward(c.processes) {

		// Signalling fails only if the process is gone, which is what is wanted.
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if !late {
			select {
			case <-p.exited:
			case <-over.C:
				late = true
			}
		}
		if late {
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		_ = os.Remove(p.pid)
	}
	c.hold.Close()
	c.lifeline.Close()
}

// obituary says that the process ended although nobody asked it to, and why as far as its log tells.
func (p *process) obituary() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended unexpectedly (%s)\n%s", p.name, how, p.evidence())
}

func (p *process) evidence() string {
	return "The end of its log, " + p.log + ":\n" + logTail(p.log)
}
