package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// noticeTime is how long the API server may take to notice a change of what judges Pods. It looks every second.
const noticeTime = 30 * time.Second

// plane is a real control plane and how its API server is asked.
type plane struct {
	name    string
	cluster *cluster.Cluster
	config  *rest.Config
	client  *kubernetes.Clientset
	caller  *caller
	pods    texts
	bad     []violation
}

// startPlane starts a control plane with the namespace of the Pods.
func (l *lab) startPlane(ctx context.Context, name string) (_ *plane, err error) {
	begun := time.Now()
	c, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(l.dir, "plane"), Binary: l.controlPlane, NoControllerManager: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errNothing, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	l.say("%s: the control plane is ready after %s", name, time.Since(begun).Round(time.Millisecond))
	p := &plane{name: name, cluster: c}
	if p.config, err = c.RESTConfig(); err != nil {
		return nil, err
	}
	if p.client, err = kubernetes.NewForConfig(p.config); err != nil {
		return nil, err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: podNamespace}}
	if _, err = p.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("create the namespace: %w", err)
	}
	if p.pods, err = newPods(sentPod, func(o object) (*template, error) { return newTemplate(o) }); err != nil {
		return nil, err
	}
	if p.bad, err = violations(); err != nil {
		return nil, err
	}
	p.caller, err = clientCaller(p.config)
	return p, err
}

// clientCaller asks the API server as clients do: over HTTP/2, with a token.
func clientCaller(config *rest.Config) (*caller, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("the API server's authority: %w", err)
	}
	return &caller{
		client: newClient(tls, http2),
		base:   config.Host,
		header: http.Header{
			"Accept":        {"application/json"},
			"Content-Type":  {"application/json"},
			"User-Agent":    {"portcullis-bench"},
			"Authorization": {"Bearer " + config.BearerToken},
		},
		want: http.StatusCreated,
	}, nil
}

// podPath creates a Pod as far as storage and no further. Unknown fields are errors, so that the Pods cannot be wrong unnoticed.
const podPath = "/api/v1/namespaces/" + podNamespace + "/pods?dryRun=All&fieldValidation=Strict"

// round creates Pods under one load, after a moment to warm up.
func (p *plane) round(ctx context.Context, l *lab, s setup, load load) (measured, error) {
	ask := func(ctx context.Context) error {
		number := l.numbers.Add(1)
		return p.caller.ask(ctx, question{path: podPath, body: p.pods.text(number), check: func([]byte) error { return nil }})
	}
	warm := load
	warm.duration = min(load.duration/4, 2*time.Second)
	if _, err := warm.run(ctx, ask); err != nil {
		return measured{}, err
	}
	before, err := s.usage(ctx)
	if err != nil {
		return measured{}, err
	}
	own := cpuTime(os.Getpid())
	got, err := load.run(ctx, ask)
	if err != nil {
		return measured{}, err
	}
	own = cpuTime(os.Getpid()) - own
	after, err := s.usage(ctx)
	return measured{setup: s, outcome: got, used: after.since(before), generator: own}, err
}

// create asks for one Pod and returns what the API server says.
func (p *plane) create(ctx context.Context, pod []byte) (code int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.caller.base+podPath, bytes.NewReader(pod))
	if err != nil {
		return 0, "", err
	}
	req.Header = p.caller.header
	resp, err := p.caller.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, string(text), err
}

// until creates a Pod again and again until the answer is as hoped.
func (p *plane) until(ctx context.Context, what string, pod []byte, hoped func(code int, answer string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		code, answer, err := p.create(ctx, pod)
		if err != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		if hoped(code, answer) {
			return nil
		}
		last = fmt.Sprintf("%d %s", code, excerpt([]byte(answer)))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; the last answer was %s", what, ctx.Err(), last)
		}
	}
}
