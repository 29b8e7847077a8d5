package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/portcullis-dev/portcullis/test/props"
)

const (
	// readyTime is how long a process may take to be ready; 500 policies should take two seconds.
	readyTime = 60 * time.Second
	// stopTime is how long it may take to end before it is killed.
	stopTime = 10 * time.Second
)

// child is a server under test: a process of its own, so that it shares neither heap nor scheduler with the generator.
type child struct {
	name   string
	base   string // https://127.0.0.1:PORT
	health string // http://127.0.0.1:PORT
	cmd    *exec.Cmd
	log    *tail
	ended  chan struct{}
	err    error // how it ended, once ended is closed
}

// startChild runs a program which understands --listen and --health-listen, on free ports of 127.0.0.1, and returns when it is ready.
func startChild(ctx context.Context, name string, procs int, program string, args ...string) (*child, error) {
	listen, err := props.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	health, err := props.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	c := &child{name: name, base: "https://" + listen, health: "http://" + health, log: &tail{}, ended: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, program, append(args, "--listen", listen, "--health-listen", health)...)
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
	c.cmd.Stdout, c.cmd.Stderr = io.Discard, c.log
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTime
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), c.stop())
	}
	return c, nil
}

// ready waits until /readyz says yes.
func (c *child) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	said := errors.New("nobody answers there")
	for {
		text, err := get(ctx, c.health+"/readyz")
		if err == nil {
			return nil
		}
		if text != "" {
			said = errors.New(strings.TrimSpace(text))
		}
		select {
		case <-tick.C:
		case <-c.ended:
			return fmt.Errorf("it ended: %w\n%s", c.err, c.log)
		case <-ctx.Done():
			return fmt.Errorf("it was not ready in time: %w\n%s", said, c.log)
		}
	}
}

// stop ends the process and waits until it is gone.
func (c *child) stop() error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-c.ended:
		return nil
	case <-timer.C:
		err := c.cmd.Process.Kill()
		<-c.ended
		return errors.Join(fmt.Errorf("%s did not end within %s and was killed", c.name, stopTime), err)
	}
}

// get returns the text at an address, which must be that of a health port here.
func get(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", address, resp.Status)
	}
	return string(text), err
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails: nobody should stop for want of a listener.
func (t *tail) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > most {
		t.text = append([]byte(nil), t.text[len(t.text)-most:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
