// Package plane starts and stops a Kubernetes control plane of real components on 127.0.0.1: etcd, kube-apiserver and
// kube-controller-manager, each a process of this same binary.
package plane

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"
)

const (
	// grace is how long all processes together may take to stop before they are killed. Usually they take one second.
	grace = 10 * time.Second
	// graceAfterFailure is shorter: an API server without etcd, for one, would use all of it and have nothing to save.
	graceAfterFailure = 2 * time.Second
)

// Ready is what Up prints to its output once the control plane can be used.
type Ready struct {
	// Kubeconfig is the admin's.
	Kubeconfig string `json:"kubeconfig"`
	// Server is the address of the API server.
	Server string `json:"server"`
	Ready  bool   `json:"ready"`
}

// Up starts a control plane, prints one line of JSON to out when it is ready, and stops it when ctx ends. It reports an error if the
// start failed or a component ended by itself; in every case nothing is left running when it returns. A step is told to steps as a line.
func Up(ctx context.Context, o Options, out, steps io.Writer) error {
	// The kernel takes the end of the thread that started a child for the end of the parent; see childAttributes.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	told := &progress{out: steps, start: time.Now()}
	if err := o.complete(); err != nil {
		return UsageError{err}
	}
	l := layout(o.Dir)
	if err := l.create(); err != nil {
		return err
	}
	starting, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the timeout of %s is over", o.Timeout))
	defer cancel()
	locks, err := l.lock(starting, told)
	if err != nil {
		return err
	}
	defer locks.release()
	crew, err := newCrew(l, locks)
	if err != nil {
		return err
	}

	server, err := crew.assemble(starting, o, told)
	if err == nil {
		err = announce(out, Ready{Kubeconfig: l.kubeconfig(), Server: server, Ready: true})
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case dead := <-crew.died:
			err = dead.obituary()
		}
	}
	if len(crew.processes) > 0 {
		told.say("stopping")
		if err != nil {
			crew.stop(graceAfterFailure)
		} else {
			crew.stop(grace)
		}
		told.say("everything is stopped")
	}
	return err
}

// assemble starts the components one after another, each when the one before is ready, and returns the address of the API server.
func (c *crew) assemble(ctx context.Context, o Options, told *progress) (string, error) {
	l := c.layout
	if err := l.clear(); err != nil {
		return "", err
	}
	if err := ensureKeys(l); err != nil {
		return "", err
	}
	accounts, err := ensureAccounts(l, o.Users)
	if err != nil {
		return "", err
	}
	ask, err := newProbe(l, accounts[adminUser].token)
	if err != nil {
		return "", err
	}
	// All ports are reserved before the first is released, so that they differ.
	ports, err := reserveAll(o.Port, 0, 0, 0)
	if err != nil {
		return "", err
	}
	serving, client, peer, healthz := ports[0], ports[1], ports[2], ports[3]
	defer func() {
		for _, p := range ports {
			p.release()
		}
	}()
	server := "https://" + serving.address()

	client.release()
	peer.release()
	if err := c.run(ctx, told, etcdComponent(l, client, peer), ask.ok("http://"+client.address()+"/readyz")); err != nil {
		return "", err
	}

	ready := []string{server + "/readyz", server + "/api/v1/namespaces/default"}
	serving.release()
	if err := c.run(ctx, told, apiServerComponent(o, l, serving, client), ask.ok(ready...)); err != nil {
		return "", err
	}

	if o.ControllerManager {
		ca, err := readCA(l)
		if err != nil {
			return "", err
		}
		if err := writeKubeconfig(l.controllerManagerKubeconfig(), server, ca, accounts[controllerManagerUser]); err != nil {
			return "", err
		}
		// Before the first controller made this service account no Pod can be created, so a test could not do anything.
		ready := []string{"https://" + healthz.address() + "/healthz", server + "/api/v1/namespaces/default/serviceaccounts/default"}
		healthz.release()
		if err := c.run(ctx, told, controllerManagerComponent(l, healthz), ask.ok(ready...)); err != nil {
			return "", err
		}
	}
	return server, writeKubeconfigs(l, server, o.Users, accounts)
}

// run starts one component and waits until it is ready.
func (c *crew) run(ctx context.Context, told *progress, comp component, ready func(context.Context) error) error {
	p, err := c.start(comp)
	if err != nil {
		return err
	}
	if err := c.await(ctx, p, ready); err != nil {
		return err
	}
	told.say("%s is ready", comp.name)
	return nil
}

func announce(out io.Writer, r Ready) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}
