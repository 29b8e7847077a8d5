package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// servedPoll is how long a kind may be served before what policies want to do with it is registered.
const servedPoll = 30 * time.Second

// servedKinds knows in which resources the cluster serves objects of a kind. It asks the cluster as long as somebody wants to know of one by its
// name. Its methods may be called from any goroutine.
type servedKinds struct {
	ask     func(context.Context) ([]*metav1.APIResourceList, error)
	changed func() // called when a look at the cluster has shown anything new
	log     *slog.Logger
	wanted  chan struct{}

	mu      sync.Mutex
	lists   []*metav1.APIResourceList // nil until the cluster was asked
	missing string                    // kinds that it did not serve when last asked for
}

// newServed returns what asks the cluster of the client. The cluster is not called before run.
func newServed(client discovery.ServerResourcesInterfaceWithContext, changed func(), log *slog.Logger) *servedKinds {
	return &servedKinds{
		ask: func(ctx context.Context) ([]*metav1.APIResourceList, error) {
			_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
			return lists, err
		},
		changed: changed, log: log, wanted: make(chan struct{}, 1),
	}
}

// run asks the cluster until ctx ends.
func (s *servedKinds) run(ctx context.Context) {
	trouble := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		}
		lists, err := s.ask(ctx)
		if s.learn(lists, err) {
			s.changed()
		}
		now := ""
		if err != nil && ctx.Err() == nil {
			now = err.Error()
		}
		if now != "" && now != trouble {
			s.log.Warn("not all of the cluster's kinds can be told; what is registered for policies that name others stays", "error", err)
		}
		trouble = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(servedPoll):
		}
	}
}

// learn takes what the cluster told. Of groups of which it could not tell, as those of an extension that is away, what it told before still
// counts: a webhook is not taken out because of that.
func (s *servedKinds) learn(lists []*metav1.APIResourceList, err error) (changed bool) {
	failed, partial := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partial {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, before := range s.lists {
		version, err := schema.ParseGroupVersion(before.GroupVersion)
		if err == nil && failed[version] != nil {
			lists = append(lists, before)
		}
	}
	lists = slices.Clone(lists)
	if lists == nil {
		lists = []*metav1.APIResourceList{}
	}
	slices.SortFunc(lists, func(a, b *metav1.APIResourceList) int { return strings.Compare(a.GroupVersion, b.GroupVersion) })
	changed = !reflect.DeepEqual(s.lists, lists)
	s.lists = lists
	return changed
}

// known reports whether the cluster has been asked, and has it asked again soon if not just now.
func (s *servedKinds) known() bool {
	select {
	case s.wanted <- struct{}{}:
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists != nil
}

// resolve returns a function for interests, and one that tells, when all have been asked for and if it is not what was told before, which
// kinds the cluster does not serve.
func (s *servedKinds) resolve() (resolve func([]schema.GroupKind) []registration.Resource, tell func()) {
	s.mu.Lock()
	lists := s.lists
	s.mu.Unlock()
	var missing []string
	resolve = func(kinds []schema.GroupKind) []registration.Resource {
		found, absent := registration.Resources(kinds, lists)
		for _, kind := range absent {
			missing = append(missing, fmt.Sprintf("%s/%s", kind.Group, kind.Kind))
		}
		return found
	}
	return resolve, func() {
		slices.Sort(missing)
		text := strings.Join(slices.Compact(missing), ", ")
		s.mu.Lock()
		before := s.missing
		s.missing = text
		s.mu.Unlock()
		if text != "" && text != before {
			s.log.Warn("policies name kinds that the cluster does not serve; it is asked about them once it does", "kinds", text)
		}
	}
}

// unserved lists, of kinds that a policy names, those that the cluster does not serve in any of the groups in which they are named: a policy that
// names a kind in the group in which it was, too, is as it should be. While the cluster has not been asked there are none.
func (s *servedKinds) unserved(kinds []schema.GroupKind) (out []string) {
	if !s.known() {
		return nil
	}
	s.mu.Lock()
	lists := s.lists
	s.mu.Unlock()
	_, missing := registration.Resources(kinds, lists)
	for _, kind := range missing {
		elsewhere := slices.ContainsFunc(kinds, func(k schema.GroupKind) bool { return k.Kind == kind.Kind && !slices.Contains(missing, k) })
		if !elsewhere {
			out = append(out, strings.TrimSuffix(kind.String(), ".*"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
