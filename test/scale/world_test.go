package scale

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// world is a real control plane with objects in it.
type world struct {
	size
	cluster *cluster.Cluster
	client  *http.Client
	base    string
	program string // of the server that audits it
}

// writers is how many objects are written at once.
const writers = 32

// filled starts a control plane and fills it through its API server, so that the objects are as an API server makes them: etcd, which waits for no
// disk here, takes a thousand in a second, and writing its storage directly would be faster and another thing.
func filled(t testing.TB, s size) *world {
	t.Helper()
	program := props.ServerT(t, filepath.Join("..", "..")) // first: without it, minutes of filling would be for nothing
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, ExtraArgs: []string{"--max-requests-inflight=0", "--max-mutating-requests-inflight=0", "--enable-priority-and-fairness=false"}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{size: s, cluster: c, base: config.Host, program: program}
	if w.client, err = rest.HTTPClientFor(config); err != nil {
		t.Fatal(err)
	}
	create := func(n int, object func(int) (path, body string)) {
		if err := inParallel(t.Context(), n, func(ctx context.Context, i int) error {
			path, body := object(i)
			return w.send(ctx, http.MethodPost, path, "application/json", body)
		}); err != nil {
			t.Fatal(err)
		}
	}
	create(s.namespaces, func(i int) (string, string) {
		return "/api/v1/namespaces", fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-%d","labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`, i)
	})
	create(s.pods, s.pod)
	create(s.others, s.other)
	return w
}

// inParallel calls do for each number below n, and stops at the first error.
func inParallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range writers {
		group.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// send sends a request whose answer nobody reads.
func (w *world) send(ctx context.Context, method, path, contentType, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1") // whole objects would be written to be thrown away
	answer, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, answer.Status, text)
	}
	return err
}

// label sets a label of a Pod.
func (w *world) label(ctx context.Context, pod int, name, value string) error {
	return w.send(ctx, http.MethodPatch, "/api/v1/namespaces/"+w.namespace(pod)+"/pods/"+w.podName(pod), "application/merge-patch+json",
		fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, name, value))
}

// read returns what the API server has at a path.
func (w *world) read(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return text.Bytes(), nil
}
