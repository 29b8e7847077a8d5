package web

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
)

const (
	// rightsFor is how long an answer about a right is believed.
	rightsFor = 30 * time.Second
	// maxRights bounds the answers that are remembered: 100 bytes each.
	maxRights = 100_000
	// maxNamespaces bounds the namespaces that are asked about for one page.
	maxNamespaces = 500
)

// rights tell who may see what.
type rights struct {
	ask   func(context.Context, authorizationv1.SubjectAccessReviewSpec) (bool, error)
	known *memory[right, bool]
	slots chan struct{}
}

type right struct {
	who                 [sha256.Size]byte
	resource, namespace string
}

// may is whether somebody may get a resource in a namespace; in "", in the whole cluster.
func (r *rights) may(ctx context.Context, who *person, resource, namespace string) (bool, error) {
	key := right{who.key, resource, namespace}
	if may, ok := r.known.get(key); ok {
		return may, nil
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range who.user.Extra {
		extra[name] = authorizationv1.ExtraValue(values)
	}
	may, err := r.ask(ctx, authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Group: Group, Resource: resource, Namespace: namespace, Verb: "get"},
		User:               who.user.Username, Groups: who.user.Groups, UID: who.user.UID, Extra: extra,
	})
	if err != nil {
		return false, err
	}
	r.known.put(key, may, rightsFor)
	return may, nil
}

// scope is where somebody may see something. Its zero value is nowhere.
type scope struct {
	all     bool
	in      map[string]bool
	unasked int // namespaces beyond maxNamespaces, which are left out
}

// has reports whether a namespace is within; "" is what is in none, and for those who may see the whole cluster alone.
func (s scope) has(namespace string) bool { return s.all || namespace != "" && s.in[namespace] }

// none reports whether nothing at all may be seen.
func (s scope) none() bool { return !s.all && len(s.in) == 0 }

// scope asks where somebody may see a resource: in the whole cluster, or else in which of the namespaces. If one cannot be asked about, it is not known.
func (r *rights) scope(ctx context.Context, who *person, resource string, namespaces []string) (scope, error) {
	all, err := r.may(ctx, who, resource, "")
	if err != nil || all {
		return scope{all: all}, err
	}
	out := scope{in: map[string]bool{}}
	if len(namespaces) > maxNamespaces {
		out.unasked, namespaces = len(namespaces)-maxNamespaces, namespaces[:maxNamespaces]
	}
	var wg sync.WaitGroup
	answers, failed := make([]bool, len(namespaces)), make([]error, len(namespaces))
	for i, namespace := range namespaces {
		if namespace == "" {
			continue
		}
		wg.Go(func() { answers[i], failed[i] = r.may(ctx, who, resource, namespace) })
	}
	wg.Wait()
	for i, namespace := range namespaces {
		if failed[i] != nil {
			return scope{}, failed[i]
		}
		if answers[i] {
			out.in[namespace] = true
		}
	}
	return out, nil
}
