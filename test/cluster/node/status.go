package node

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// report writes the Pod's status whenever it has changed, until ctx ends.
func (p *pod) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changes:
		}
		if err := p.writeStatus(ctx); err != nil && !settled(err) {
			p.changed()
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryEvery):
			}
		}
	}
}

// settled tells that the Pod is no longer there, so that there is nothing to do for it: not found, or another one of its name.
func settled(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// writeStatus patches what this node says of the Pod; conditions that others have set stay.
func (p *pod) writeStatus(ctx context.Context) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.object.UID}, "status": p.status()})
	if err != nil {
		return err
	}
	_, err = p.node.client.CoreV1().Pods(p.object.Namespace).Patch(ctx, p.object.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// status is what can be said of the Pod now.
func (p *pod) status() corev1.PodStatus {
	s := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &p.object.CreationTimestamp}
	s.HostIP, s.HostIPs = p.node.ip, []corev1.HostIP{{IP: p.node.ip}}
	s.PodIP, s.PodIPs = p.node.ip, []corev1.PodIP{{IP: p.node.ip}}
	p.mu.Lock()
	trouble := p.trouble
	p.mu.Unlock()
	ready, over, failed := true, true, false
	for _, c := range p.containers {
		c.mu.Lock()
		status := corev1.ContainerStatus{
			Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, Ready: c.ready, RestartCount: c.restarts,
			State: *c.state.DeepCopy(), LastTerminationState: *c.last.DeepCopy(),
		}
		started := c.started
		status.Started = &started
		c.mu.Unlock()
		switch {
		case status.State.Terminated != nil:
			failed = failed || status.State.Terminated.ExitCode != 0
		case status.State.Waiting != nil && trouble != nil:
			status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: trouble.Error()}
			s.Phase, over = corev1.PodPending, false
		case status.State.Waiting != nil && status.RestartCount == 0:
			s.Phase, over = corev1.PodPending, false
		default:
			over = false
		}
		ready = ready && status.Ready
		s.ContainerStatuses = append(s.ContainerStatuses, status)
	}
	switch {
	case over && failed:
		s.Phase = corev1.PodFailed
	case over:
		s.Phase = corev1.PodSucceeded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isReady != ready || p.readySince.IsZero() {
		p.isReady, p.readySince = ready, metav1.Now()
	}
	condition := func(kind corev1.PodConditionType, holds bool, since metav1.Time) {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: since}
		if holds {
			c.Status = corev1.ConditionTrue
		}
		s.Conditions = append(s.Conditions, c)
	}
	condition(corev1.PodScheduled, true, p.object.CreationTimestamp)
	condition(corev1.PodInitialized, true, p.object.CreationTimestamp)
	condition(corev1.ContainersReady, ready, p.readySince)
	condition(corev1.PodReady, ready, p.readySince)
	return s
}
