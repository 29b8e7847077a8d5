// Package node is a node that runs Pods as processes of this machine: a kubelet for the control plane of package cluster, which has
// neither a scheduler nor a container engine. It binds the Pods whose images it knows, starts the program that stands for the image,
// with the container's arguments, environment and volumes and the Pod's own service account, runs its probes, reports its status and
// ends it as a kubelet does. So a Deployment runs for real, rolling updates and RBAC included.
//
// All Pods share the machine's address, so each of a Pod's ports becomes a free port of the machine. Kubernetes' own controller would
// write EndpointSlices with the port of the Pod's spec; the node therefore takes the selectors from Services (a MutatingAdmissionPolicy
// turns them into an annotation, whoever writes the Service) and writes the slices itself. The API server dials Services by their slices
// when it is started with --enable-aggregator-routing=true.
//
// What a Pod asks for and this node does not have (init containers, subPath, exec probes, ...) keeps it from starting, and its status
// says so.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// AggregatorRouting is the flag of kube-apiserver with which it calls the processes behind a Service: it has no route to its ClusterIP.
const AggregatorRouting = "--enable-aggregator-routing=true"

// DefaultName is the name of the Node when Options have none.
const DefaultName = "node"

// defaultSecond makes what takes a kubelet ten seconds take one.
const defaultSecond = 100 * time.Millisecond

// Options say what the node runs and where.
type Options struct {
	// Config is that of an administrator of the cluster.
	Config *rest.Config
	// Dir takes volumes, tokens and logs. It is made if it is missing.
	Dir string
	// Programs are what stands for an image, by the image's name as Pods spell it. Pods with other images are left alone.
	Programs map[string]Program
	// Name is that of the Node; empty means DefaultName.
	Name string
	// Namespaces are those whose Pods and Services it looks after; none means all.
	Namespaces []string
	// Second is how long a second of a probe's period lasts, so that tests need not wait; zero means a tenth of a second. Time limits
	// are not shortened: the machine is as slow as it is.
	Second time.Duration
}

// Program stands for an image.
type Program struct {
	// Path is the executable. It takes the place of the image's entrypoint, and of the first word of a container's command.
	Path string
	// Arguments, if set, returns what is added to the container's own arguments, such as the address to listen at.
	Arguments func(Instance) []string
	// Env is added to the container's environment, as NAME=VALUE.
	Env []string
}

// Instance is a container about to run.
type Instance struct {
	Pod       *corev1.Pod
	Container string
	// IP is the Pod's address, which is the machine's.
	IP string
	// Ports are the machine's ports, by the container's.
	Ports map[int32]int
}

// Address returns where to listen instead of a port of the container.
func (i Instance) Address(containerPort int32) string {
	return net.JoinHostPort(i.IP, fmt.Sprint(i.Ports[containerPort]))
}

// Node runs Pods. Its methods may be called from any goroutine.
type Node struct {
	opts   Options
	ip     string
	client kubernetes.Interface
	stop   context.CancelFunc
	parts  sync.WaitGroup

	mu   sync.Mutex
	pods map[types.UID]*pod
}

// Start registers the node and begins to run Pods. The end of ctx interrupts the start; afterwards the node runs until Stop. Whatever way
// this process ends, its Pods' processes end too (on Linux).
func Start(ctx context.Context, o Options) (*Node, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Second == 0 {
		o.Second = defaultSecond
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the node's directory: %w", err)
	}
	o.Dir = dir
	for _, sub := range []string{"pods", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the node's directory: %w", err)
		}
	}
	n := &Node{opts: o, pods: map[types.UID]*pod{}}
	if n.ip, err = machineIP(); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.Config)
	config.QPS = -1
	if n.client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("the node's client: %w", err)
	}
	if err := n.register(ctx); err != nil {
		return nil, fmt.Errorf("register the node: %w", err)
	}
	if err := n.takeSelectors(ctx); err != nil {
		return nil, fmt.Errorf("take the selectors from Services: %w", err)
	}
	lasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	n.parts.Go(func() { n.heartbeat(lasting) })
	if err := n.watch(ctx, lasting); err != nil {
		n.Stop()
		return nil, fmt.Errorf("watch Pods and Services: %w", err)
	}
	return n, nil
}

// Stop ends all processes as if the machine were switched off: the API objects stay as they are.
func (n *Node) Stop() {
	n.stop()
	n.parts.Wait()
}

// machineIP is an address of this machine that EndpointSlices take; they refuse loopback addresses.
func machineIP() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("look for the machine's address: %w", err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("this machine has no IPv4 address but loopback ones, and EndpointSlices refuse those; give an interface one")
}

// concerns tells whether the namespace is one of those it looks after.
func (n *Node) concerns(namespace string) bool {
	return len(n.opts.Namespaces) == 0 || slices.Contains(n.opts.Namespaces, namespace)
}
