package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// lab is where workloads are measured: what the command line said, a directory for everything that has to lie in files, and the floor.
type lab struct {
	options
	dir      string
	progress io.Writer
	floor    *child
	numbers  atomic.Uint64 // of questions asked so far, so that none is asked twice
	children []*child
}

// newLab makes the directory and starts the floor. Close takes both away again.
func newLab(ctx context.Context, o options, progress io.Writer) (_ *lab, err error) {
	dir, err := os.MkdirTemp("", "portcullis-bench-")
	if err != nil {
		return nil, fmt.Errorf("a directory to work in: %w", err)
	}
	l := &lab{options: o, dir: dir, progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start the floor: %w", err)
	}
	certs, err := l.newDir("floor-certs")
	if err != nil {
		return nil, err
	}
	l.floor, err = l.start(ctx, floorCommand, self, floorCommand, "--cert-dir", certs)
	return l, err
}

func (l *lab) say(format string, args ...any) {
	fmt.Fprintf(l.progress, "bench: "+format+"\n", args...)
}

// newDir makes a directory below the lab's.
func (l *lab) newDir(name string) (string, error) {
	dir := filepath.Join(l.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, nil
}

func (l *lab) start(ctx context.Context, name, program string, args ...string) (*child, error) {
	c, err := startChild(ctx, name, l.serverProcs, program, args...)
	if err != nil {
		return nil, err
	}
	l.children = append(l.children, c)
	return c, nil
}

// serve starts the server under test with policies, given as --policies takes them. The name has to be a new one.
func (l *lab) serve(ctx context.Context, name string, policies []string) (*child, error) {
	certs, err := l.newDir(name + "-certs")
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--cert-dir", certs, "--ca-file", filepath.Join(certs, "bundle.crt"), "--drain", "0s", "--log-level", "warn"}
	for _, p := range policies {
		args = append(args, "--policies", p)
	}
	begun := time.Now()
	c, err := l.start(ctx, name, l.server, args...)
	if err == nil {
		l.say("%s: ready after %s", name, time.Since(begun).Round(time.Millisecond))
	}
	return c, err
}

// caller returns who asks a server the lab started.
func (l *lab) caller(c *child, speak protocol) (*caller, error) {
	file := filepath.Join(l.dir, c.name+"-certs", "ca.crt")
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the authority of %s: %w", c.name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("the authority of %s: there is no certificate in %s", c.name, file)
	}
	return newCaller(c.base, pool, speak), nil
}

// close ends what is still running and removes the directory.
func (l *lab) close() error {
	var errs []error
	for _, c := range l.children {
		errs = append(errs, c.stop())
	}
	if err := os.RemoveAll(l.dir); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
