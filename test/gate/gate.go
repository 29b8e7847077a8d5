// Package gate starts a whole gate: Portcullis as a process of its own, and a real control plane that calls it at every callout, with
// client certificates both ways. The end-to-end suite, the drills and the demonstration stand on it.
package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// caller is the name in the API server's client certificate.
const caller = "kube-apiserver"

// Options say what gate to start.
type Options struct {
	// Dir keeps certificates, logs and the control plane's data. It is made if it is missing.
	Dir string
	// Binary is portcullis.
	Binary string
	// Policies are values of --policies.
	Policies []string
	// Arguments are added to "portcullis serve".
	Arguments []string
	// Paths are the callouts to register; nil means all that Portcullis serves.
	Paths []string
	// Rules are what the admission webhooks are registered for; nil means cluster.DefaultRules.
	Rules []admissionregistrationv1.RuleWithOperations
	// Cluster are further options of the control plane, such as users.
	Cluster cluster.Options
	// Progress receives a line for each step; nil discards them.
	Progress io.Writer
}

// Gate is a running gate.
type Gate struct {
	*cluster.Cluster
	// URL is Portcullis' base address, Health that of its probes and metrics.
	URL, Health string
	// CA is the PEM of the authority of its certificate.
	CA []byte

	opts   Options
	server *exec.Cmd
	ended  chan struct{}
	log    *props.Buffer
}

// Start starts Portcullis and the control plane, and returns when both are ready and the webhooks are registered.
func Start(ctx context.Context, o Options) (*Gate, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	listen, err := props.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	health, err := props.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	g := &Gate{opts: o, URL: "https://" + listen, Health: "http://" + health, log: &props.Buffer{}}
	// The control plane must know whom to trust before Portcullis runs, and Portcullis needs the control plane's kubeconfig; so the
	// certificates come first.
	identity, err := certs.NewSelfSigned(certs.SelfSignedOptions{
		DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, Dir: filepath.Join(dir, "certs"),
	})
	if err != nil {
		return nil, err
	}
	g.CA = identity.CABundle()
	client, err := newClientIdentity(caller)
	if err != nil {
		return nil, err
	}
	clientCA := filepath.Join(dir, "client-ca.crt")
	if err := os.WriteFile(clientCA, client.authority, 0o600); err != nil {
		return nil, err
	}
	callouts := cluster.Callouts{
		URL: g.URL, CA: g.CA, ClientCert: client.certificate, ClientKey: client.key, Paths: o.paths(), Rules: o.Rules,
	}
	if g.Cluster, err = startCluster(ctx, o, callouts); err != nil {
		return nil, err
	}
	fmt.Fprintln(o.Progress, "starting Portcullis")
	err = g.serve(listen, health, clientCA)
	if err == nil {
		err = g.waitReady(ctx)
	}
	if err == nil {
		fmt.Fprintln(o.Progress, "registering the admission webhooks")
		err = register(ctx, g.Cluster, callouts)
	}
	if err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

func (o Options) paths() []string {
	if o.Paths != nil {
		return o.Paths
	}
	return []string{cluster.Authenticate, cluster.Guard, cluster.Grant, cluster.Mutate, cluster.Validate, cluster.Image}
}

func startCluster(ctx context.Context, o Options, callouts cluster.Callouts) (*cluster.Cluster, error) {
	written, err := callouts.Write(filepath.Join(o.Dir, "callouts"))
	if err != nil {
		return nil, err
	}
	written.Dir = filepath.Join(o.Dir, "plane")
	written.Users = o.Cluster.Users
	written.Binary = o.Cluster.Binary
	written.NoControllerManager = o.Cluster.NoControllerManager
	written.AuditPolicy = cmp.Or(o.Cluster.AuditPolicy, written.AuditPolicy)
	written.Progress = o.Progress
	return cluster.Start(ctx, written)
}

func register(ctx context.Context, c *cluster.Cluster, callouts cluster.Callouts) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	return callouts.Apply(ctx, config)
}

// serve starts the Portcullis process.
func (g *Gate) serve(listen, health, clientCA string) error {
	args := []string{
		"serve", "--listen=" + listen, "--health-listen=" + health, "--cert-dir=" + filepath.Join(g.opts.Dir, "certs"),
		"--ca-file=" + filepath.Join(g.opts.Dir, "ca.crt"), "--client-ca=" + clientCA, "--client-name=" + caller,
		"--kubeconfig=" + g.Kubeconfig, "--drain=1s",
	}
	for _, p := range g.opts.Policies {
		args = append(args, "--policies="+p)
	}
	g.server = exec.Command(g.opts.Binary, append(args, g.opts.Arguments...)...)
	file, err := os.OpenFile(filepath.Join(g.opts.Dir, "portcullis.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	g.server.Stderr = io.MultiWriter(file, g.log)
	g.server.SysProcAttr = dieWithParent()
	if err := g.server.Start(); err != nil {
		return errors.Join(fmt.Errorf("start Portcullis: %w", err), file.Close())
	}
	g.ended = make(chan struct{})
	go func() {
		_ = g.server.Wait() // how it ended is in its log
		_ = file.Close()
		close(g.ended)
	}()
	return nil
}

// startTime bounds how long Portcullis may take to be ready.
const startTime = 30 * time.Second

// waitReady waits until /readyz says so.
func (g *Gate) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-g.ended:
			return fmt.Errorf("start Portcullis: it ended:\n%s", g.Log())
		case <-ctx.Done():
			return fmt.Errorf("start Portcullis: it is not ready: %s\n%s", last, g.Log())
		case <-tick.C:
		}
		response, err := http.Get(g.Health + "/readyz")
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return nil
		}
		last = string(body)
	}
}

// lastLines is how much of its log tells how a process ended.
const lastLines = 10

// Wait blocks until ctx ends, and returns nil then; or until Portcullis or the control plane ends by itself, and returns an error that
// tells how, with the last lines of its log. It is for between Start and Stop.
func (g *Gate) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-g.Done():
		return g.Cluster.Stop() // there is nothing to stop; it tells how it ended
	case <-g.ended:
		lines := strings.Split(g.Log(), "\n")
		last := strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
		return fmt.Errorf("the Portcullis process ended by itself (%s); the end of its log:\n%s", g.server.ProcessState, last)
	}
}

// Log is what Portcullis has written to its log.
func (g *Gate) Log() string { return strings.TrimSpace(g.log.String()) }

// stopTime is how long a process has to end by itself; it is more than the drain and the shutdown of a server without load.
const stopTime = 10 * time.Second

// Stop tells Portcullis to end, which drains first, and stops the control plane meanwhile: while it drains it still answers the API
// server's last calls, and when it is gone it no longer watches the API server, which would wait for that.
func (g *Gate) Stop() error {
	if g.ended != nil {
		_ = g.server.Process.Signal(syscall.SIGTERM)
	}
	var err error
	if g.Cluster != nil {
		err = g.Cluster.Stop()
	}
	if g.ended == nil {
		return err
	}
	select {
	case <-g.ended:
	case <-time.After(stopTime):
		_ = g.server.Process.Kill()
		<-g.ended
		err = errors.Join(err, errors.New("stop Portcullis: it did not end by itself"))
	}
	return err
}
