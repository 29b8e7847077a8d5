package sweep

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Cluster is what a sweep asks of an API server. Errors are those of k8s.io/apimachinery/pkg/api/errors where the server has answered.
type Cluster interface {
	// Resources lists what can be listed and watched, each in its preferred version. With an error the list is of what could be told.
	Resources(ctx context.Context) ([]Resource, error)
	// List returns a page of at most limit objects: the first or, with the token of the one before, the next.
	List(ctx context.Context, r Resource, limit int, token string) (Page, error)
	// Watch calls each with everything that happens after a resourceVersion, until it returns an error, which is then the answer, or the watch
	// ends. An event must not be kept.
	Watch(ctx context.Context, r Resource, from string, each func(Event) error) error
}

const (
	// qps and burst bound the requests to the API server: at 500 objects a page the first is 10,000 objects a second, of which two processors judge
	// some 6,000.
	qps, burst = 20, 40
	// maxPage bounds a page in memory, of which there are two for each of atATime resources. Objects have 1.5 MiB at most in etcd, so that some ten
	// of the largest fit; usual pages have 2 to 8 MiB.
	maxPage = 24 << 20
	// maxEvent bounds an event: one object, which may be larger in JSON than in etcd.
	maxEvent = 16 << 20
	// A watch ends after watchLeast to twice as many seconds, so that those of many resources do not begin anew together.
	watchLeast = 300
)

// ErrPageTooLarge is why a page was not read to its end; a smaller one may be asked for.
var ErrPageTooLarge = errors.New("the page is larger than is kept in memory")

// server is the Cluster of a client configuration.
type server struct {
	kinds  discovery.ServerResourcesInterfaceWithContext
	client rest.Interface
}

// NewCluster returns the cluster of a configuration, with a rate limit and a user agent of its own. It is not called before it is asked something.
func NewCluster(config *rest.Config) (Cluster, error) {
	own := rest.CopyConfig(config)
	own.QPS, own.Burst, own.RateLimiter = qps, burst, nil
	own.UserAgent = rest.DefaultKubernetesUserAgent() + " portcullis-audit"
	own.Timeout = 0 // a watch has no end; pages have the server's
	own.APIPath, own.GroupVersion = "/", &schema.GroupVersion{}
	own.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	own.AcceptContentTypes, own.ContentType = "application/json", "application/json"
	kinds, err := discovery.NewDiscoveryClientForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's kinds: %w", err)
	}
	client, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's objects: %w", err)
	}
	return &server{kinds: kinds, client: client}, nil
}

// Resources implements Cluster.
func (s *server) Resources(ctx context.Context) ([]Resource, error) {
	lists, err := s.kinds.ServerPreferredResourcesWithContext(ctx)
	var out []Resource
	for _, list := range lists {
		version, wrong := schema.ParseGroupVersion(list.GroupVersion)
		if wrong != nil {
			continue
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "watch") {
				out = append(out, Resource{Group: version.Group, Version: version.Version, Name: r.Name, Kind: r.Kind, Namespaced: r.Namespaced})
			}
		}
	}
	return out, err
}

func (s *server) get(r Resource) *rest.Request {
	path := []string{"/apis", r.Group, r.Version}
	if r.Group == "" {
		path = []string{"/api", r.Version}
	}
	switch {
	case r.Within == "":
		path = append(path, r.Name)
	case r.isNamespaces():
		path = append(path, r.Name, r.Within)
	default:
		path = append(path, "namespaces", r.Within, r.Name)
	}
	return s.client.Get().AbsPath(path...)
}

// List implements Cluster. It names no resourceVersion, and is served what is true at that moment, a page at a time: with "0" an API server is
// free to send its whole cache at once, whatever the limit, and what is sent may be older than what is known.
func (s *server) List(ctx context.Context, r Resource, limit int, token string) (Page, error) {
	ask := s.get(r).Param("limit", strconv.Itoa(limit))
	if token != "" {
		ask = ask.Param("continue", token)
	}
	body, err := ask.Stream(ctx)
	if err != nil {
		return Page{}, err
	}
	defer body.Close()
	// All of it, before anything is judged: an API server keeps what has not been fetched, and gives up on it after a minute.
	text, err := io.ReadAll(io.LimitReader(body, maxPage+1))
	switch {
	case err != nil:
		return Page{}, fmt.Errorf("read a page of %s: %w", r, err)
	case len(text) > maxPage:
		return Page{}, ErrPageTooLarge
	case r.Within != "" && r.isNamespaces(): // it was got, which who has rights in that namespace alone may do
		return Page{Items: [][]byte{text}}, nil
	}
	return readPage(text)
}

// Watch implements Cluster.
func (s *server) Watch(ctx context.Context, r Resource, from string, each func(Event) error) error {
	seconds := watchLeast + rand.IntN(watchLeast) //nolint:gosec // no secret
	body, err := s.get(r).Param("watch", "true").Param("allowWatchBookmarks", "true").Param("resourceVersion", from).
		Param("timeoutSeconds", strconv.Itoa(seconds)).Stream(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body) // an API server writes each event in a line of its own
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		event, err := readEvent(lines.Bytes())
		if err != nil {
			return fmt.Errorf("an event of %s cannot be read: %w", r, err)
		}
		if event.Type == "ERROR" {
			return statusError(event.Object)
		}
		if err := each(event); err != nil {
			return err
		}
	}
	return lines.Err()
}

// statusError is the error that a Status says.
func statusError(text []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(text, &status); err != nil {
		return fmt.Errorf("the watch has failed, and why cannot be read: %w", err)
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// resumeAt is the token by which a list goes on that has expired, of whatever is there by then; empty if there is none.
func resumeAt(err error) string {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && apierrors.IsResourceExpired(err) {
		return status.ErrStatus.Continue
	}
	return ""
}

// gone reports whether what was asked for is too old.
func gone(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }
