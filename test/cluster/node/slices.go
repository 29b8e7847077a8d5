package node

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// slicer writes the EndpointSlices of Services, one for each Service and Pod, because each Pod has ports of its own.
type slicer struct {
	node     *Node
	pods     corelisters.PodLister
	services corelisters.ServiceLister
	work     chan struct{}
}

func newSlicer(n *Node, pods corelisters.PodLister, services corelisters.ServiceLister) *slicer {
	return &slicer{node: n, pods: pods, services: services, work: make(chan struct{}, 1)}
}

// wake says that something may have changed.
func (s *slicer) wake() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// run keeps the slices until ctx ends.
func (s *slicer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.work:
		}
		if err := s.reconcile(ctx); err != nil {
			time.AfterFunc(retryEvery, s.wake)
		}
	}
}

// manager is what the slices of this node are labelled with.
func (s *slicer) manager() string { return s.node.opts.Name + ".portcullis.test" }

// reconcile makes the slices in the API what they should be.
func (s *slicer) reconcile(ctx context.Context) error {
	wanted, err := s.wanted()
	if err != nil {
		return err
	}
	api := s.node.client.DiscoveryV1()
	list, err := api.EndpointSlices("").List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelManagedBy + "=" + s.manager()})
	if err != nil {
		return err
	}
	for i := range list.Items {
		there := &list.Items[i]
		key := there.Namespace + "/" + there.Name
		slice, ok := wanted[key]
		delete(wanted, key)
		switch {
		case !ok:
			err = api.EndpointSlices(there.Namespace).Delete(ctx, there.Name, metav1.DeleteOptions{})
		case !reflect.DeepEqual(slice.Endpoints, there.Endpoints) || !reflect.DeepEqual(slice.Ports, there.Ports):
			there.Endpoints, there.Ports = slice.Endpoints, slice.Ports
			_, err = api.EndpointSlices(there.Namespace).Update(ctx, there, metav1.UpdateOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	for _, slice := range wanted {
		if _, err := api.EndpointSlices(slice.Namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// wanted returns the slices there should be, by namespace and name.
func (s *slicer) wanted() (map[string]*discoveryv1.EndpointSlice, error) {
	all := map[string]*discoveryv1.EndpointSlice{}
	services, err := s.services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		text := service.Annotations[selectorAnnotation]
		if text == "" || !s.node.concerns(service.Namespace) {
			continue
		}
		selector, err := labels.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("the selector of Service %s/%s: %w", service.Namespace, service.Name, err)
		}
		pods, err := s.pods.Pods(service.Namespace).List(selector)
		if err != nil {
			return nil, err
		}
		for _, p := range pods {
			if slice := s.slice(service, p); slice != nil {
				all[slice.Namespace+"/"+slice.Name] = slice
			}
		}
	}
	return all, nil
}

// slice is that of one Pod for one Service, as Kubernetes' own controller would fill it; nil if the Pod is not one that it would take.
func (s *slicer) slice(service *corev1.Service, p *corev1.Pod) *discoveryv1.EndpointSlice {
	s.node.mu.Lock()
	running := s.node.pods[p.UID]
	s.node.mu.Unlock()
	if running == nil || p.Status.PodIP == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		return nil
	}
	serving := false
	for _, c := range p.Status.Conditions {
		serving = serving || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	terminating := p.DeletionTimestamp != nil
	ready := serving && !terminating || service.Spec.PublishNotReadyAddresses
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, Name: service.Name + "-" + p.Name,
			Labels:          map[string]string{discoveryv1.LabelServiceName: service.Name, discoveryv1.LabelManagedBy: s.manager()},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: service.Name, UID: service.UID}},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{p.Status.PodIP},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
			NodeName:   &p.Spec.NodeName,
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		}},
	}
	for _, port := range service.Spec.Ports {
		number, ok := running.target(port.TargetPort)
		if !ok {
			continue
		}
		machine, protocol := int32(number), port.Protocol
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port.Name, Protocol: &protocol, Port: &machine, AppProtocol: port.AppProtocol})
	}
	return slice
}

// target returns the machine's port for a Service's target port.
func (p *pod) target(wanted intstr.IntOrString) (int, bool) {
	for _, c := range p.containers {
		if number, err := c.port(wanted); err == nil && number != 0 {
			return number, true
		}
	}
	return 0, false
}
