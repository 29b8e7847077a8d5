package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probe runs the container's probes for one process, until ctx ends: first the startup probe alone, then the two others. A process that
// fails its startup or liveness probe is ended, and the container starts another one.
func (c *container) probe(ctx context.Context, p *process) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // a kubelet does not verify either
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if c.spec.StartupProbe != nil {
		ok, told := c.follow(ctx, client, c.spec.StartupProbe, func(ok bool) bool { return !ok })
		if !told {
			return
		}
		if !ok {
			c.giveUp(p)
			return
		}
		c.mark(p, func() { c.started, c.ready = true, c.spec.ReadinessProbe == nil })
	}
	readiness := make(chan struct{})
	go func() {
		defer close(readiness)
		if c.spec.ReadinessProbe != nil {
			c.follow(ctx, client, c.spec.ReadinessProbe, func(ok bool) bool {
				c.mark(p, func() { c.ready = ok })
				return true
			})
		}
	}()
	if c.spec.LivenessProbe != nil {
		if ok, told := c.follow(ctx, client, c.spec.LivenessProbe, func(ok bool) bool { return ok }); told && !ok {
			c.giveUp(p)
		}
	}
	<-readiness
}

// follow probes until ctx ends and calls each with every verdict, which needs as many equal answers as the probe's thresholds say. When
// each returns false it ends with that verdict; told is false if ctx ended before.
func (c *container) follow(ctx context.Context, client *http.Client, probe *corev1.Probe, each func(bool) bool) (ok, told bool) {
	second := c.pod.node.opts.Second
	select {
	case <-ctx.Done():
		return false, false
	case <-time.After(time.Duration(probe.InitialDelaySeconds) * second):
	}
	tick := time.NewTicker(time.Duration(probe.PeriodSeconds) * second)
	defer tick.Stop()
	var good, bad int32
	for {
		err := c.get(ctx, client, probe)
		if ctx.Err() != nil {
			return false, false
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		switch {
		case good >= probe.SuccessThreshold:
			if !each(true) {
				return true, true
			}
		case bad >= probe.FailureThreshold:
			if !each(false) {
				return false, true
			}
		}
		select {
		case <-ctx.Done():
			return false, false
		case <-tick.C:
		}
	}
}

// get asks once.
func (c *container) get(ctx context.Context, client *http.Client, probe *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(probe.TimeoutSeconds)*time.Second)
	defer cancel()
	number, err := c.port(probe.HTTPGet.Port)
	if err != nil {
		return err
	}
	address := strings.ToLower(string(probe.HTTPGet.Scheme)) + "://" + net.JoinHostPort(c.pod.node.ip, fmt.Sprint(number)) + probe.HTTPGet.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	for _, h := range probe.HTTPGet.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	return nil
}

// port returns the machine's port for one of the container's, by name or number.
func (c *container) port(wanted intstr.IntOrString) (int, error) {
	for _, p := range c.spec.Ports {
		if wanted.Type == intstr.String && p.Name == wanted.StrVal || wanted.Type == intstr.Int && p.ContainerPort == wanted.IntVal {
			return c.pod.machinePorts()[p.ContainerPort], nil
		}
	}
	return 0, fmt.Errorf("container %s has no port %s", c.spec.Name, wanted.String())
}

// mark changes the container's state if the process is still the one that runs.
func (c *container) mark(p *process, change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != p {
		return
	}
	ready, started := c.ready, c.started
	change()
	if c.ready != ready || c.started != started {
		c.pod.changed()
	}
}

// giveUp ends a process that has failed a probe; it has the Pod's grace period to go by itself.
func (c *container) giveUp(p *process) {
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if s := c.pod.object.Spec.TerminationGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	p.end(c.pod.forced, time.After(grace))
}
