package node

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// retryEvery is how soon something that could not be had, such as a Secret, is asked for again.
	retryEvery = 200 * time.Millisecond
	// refreshEvery is how soon a changed Secret or ConfigMap is seen in a volume; a kubelet takes up to a minute or more.
	refreshEvery = time.Second
)

// pod is one Pod on this node, from its binding to its end.
type pod struct {
	node       *Node
	object     *corev1.Pod // as it was first seen
	dir        string
	containers []*container
	volumes    *volumes

	ending chan struct{} // closed when the Pod is to go
	forced chan struct{} // closed when its grace period is over, or the node stops
	force  func()

	changes chan struct{} // something its status tells has changed

	mu         sync.Mutex
	ports      map[int32]int // the machine's, by the Pod's
	trouble    error         // why it has not started
	isReady    bool          // as its status says, and since when
	readySince metav1.Time
	last       time.Time
	timer      *time.Timer
}

func newPod(n *Node, object *corev1.Pod) *pod {
	p := &pod{
		node: n, object: object.DeepCopy(), dir: filepath.Join(n.opts.Dir, "pods", string(object.UID)), ports: map[int32]int{},
		ending: make(chan struct{}), forced: make(chan struct{}), changes: make(chan struct{}, 1),
	}
	p.force = sync.OnceFunc(func() { close(p.forced) })
	p.volumes = newVolumes(p)
	for i := range p.object.Spec.Containers {
		p.containers = append(p.containers, newContainer(p, &p.object.Spec.Containers[i]))
	}
	return p
}

// run takes the Pod through its life. The end of ctx kills its processes and leaves the API object as it is.
func (p *pod) run(ctx context.Context) {
	defer context.AfterFunc(ctx, p.force)()
	defer os.RemoveAll(p.dir)
	reporting, stopReporting := context.WithCancel(ctx)
	var reporter sync.WaitGroup
	reporter.Go(func() { p.report(reporting) })
	defer reporter.Wait()
	defer stopReporting()

	if p.prepare(ctx) {
		// It ends when the processes have: the end of ctx forces them, and who sees to that must not leave at the same word.
		refreshing, stop := context.WithCancel(context.WithoutCancel(ctx))
		var all sync.WaitGroup
		all.Go(func() { p.volumes.refresh(refreshing) })
		var lives sync.WaitGroup
		for _, c := range p.containers {
			lives.Go(func() { c.run(ctx) })
			all.Go(func() { c.endInTime(refreshing) })
		}
		lives.Wait()
		stop()
		all.Wait()
	}
	select {
	case <-ctx.Done():
		return
	case <-p.ending:
	}
	stopReporting()
	reporter.Wait()
	p.remove(ctx)
}

// prepare gets what the containers need to start, however often it must ask. It returns false if the Pod goes before.
func (p *pod) prepare(ctx context.Context) bool {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		err := p.missing()
		if err == nil {
			err = p.reservePorts()
		}
		if err == nil {
			err = p.volumes.write(ctx)
		}
		for _, c := range p.containers {
			if err == nil {
				err = c.prepare(ctx)
			}
		}
		p.mu.Lock()
		p.trouble = err
		p.mu.Unlock()
		p.changed()
		if err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-p.ending:
			return false
		case <-tick.C:
		}
	}
}

// reservePorts gives each port of the Pod one of the machine.
func (p *pod) reservePorts() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.object.Spec.Containers {
		for _, port := range c.Ports {
			if p.ports[port.ContainerPort] != 0 {
				continue
			}
			free, err := freePort(p.node.ip)
			if err != nil {
				return err
			}
			p.ports[port.ContainerPort] = free
		}
	}
	return nil
}

// terminate lets the Pod go within the grace period. A later call can only make it shorter.
func (p *pod) terminate(seconds *int64) {
	grace := time.Duration(corev1.DefaultTerminationGracePeriodSeconds) * time.Second
	if seconds != nil {
		grace = time.Duration(*seconds) * time.Second
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	end := time.Now().Add(grace)
	switch {
	case p.timer == nil:
		p.timer = time.AfterFunc(grace, p.force)
		close(p.ending)
	case end.Before(p.last):
		p.timer.Reset(grace)
	default:
		return
	}
	p.last = end
}

// remove says how the Pod ended and lets the API server forget it.
func (p *pod) remove(ctx context.Context) {
	_ = p.writeStatus(ctx)
	now := int64(0)
	for {
		err := p.node.client.CoreV1().Pods(p.object.Namespace).Delete(ctx, p.object.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(p.object.UID)),
		})
		if err == nil || settled(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryEvery):
		}
	}
}

// changed lets the status be written soon.
func (p *pod) changed() {
	select {
	case p.changes <- struct{}{}:
	default:
	}
}

// isEnding tells whether the Pod is to go.
func (p *pod) isEnding() bool {
	select {
	case <-p.ending:
		return true
	default:
		return false
	}
}

// isForced tells whether its processes are to be killed.
func (p *pod) isForced() bool {
	select {
	case <-p.forced:
		return true
	default:
		return false
	}
}

// machinePorts returns the machine's ports, by the Pod's.
func (p *pod) machinePorts() map[int32]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.ports)
}

// missing names what the Pod asks for and this node does not have.
func (p *pod) missing() error {
	spec := p.object.Spec
	if len(spec.InitContainers) > 0 {
		return errors.New("this node runs no init containers")
	}
	for _, c := range spec.Containers {
		for _, m := range c.VolumeMounts {
			if m.SubPath != "" || m.SubPathExpr != "" {
				return errors.New("this node mounts no subPath")
			}
		}
		if len(c.EnvFrom) > 0 {
			return errors.New("this node knows no envFrom")
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe != nil && probe.HTTPGet == nil {
				return errors.New("this node probes by httpGet only")
			}
		}
		if c.Lifecycle != nil && (c.Lifecycle.PostStart != nil || c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep == nil) {
			return errors.New("this node knows no lifecycle hook but preStop.sleep")
		}
	}
	return nil
}
