package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/policies/native"
)

const (
	// lookEvery is how often to ask which of Gatekeeper's kinds are served when nothing tells of a change.
	lookEvery = 30 * time.Second
	// lookSoon is how soon to ask again while the kind of some constraints is awaited, at first; poll is the latest.
	lookSoon = 100 * time.Millisecond
	// crdTime is how long a template may wait for the CRD of its constraints before that is a fault. The API server takes some seconds.
	crdTime = 30 * time.Second
	// schemaTime is how long after a CRD has changed its kind is followed anew once more. A watch shows objects by the schema of when it began,
	// for minutes, and without the fields that this does not know; and API servers may hear of the change later than this one.
	schemaTime = 3 * time.Second
	// maxConstraintKinds bounds the kinds of constraints that are followed: each is a watch.
	maxConstraintKinds = 1000
)

// servedGroups tells which kinds a cluster serves.
type servedGroups interface {
	ServerGroupsWithContext(ctx context.Context) (*metav1.APIGroupList, error)
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// servedThere are the kinds that are served, each with where, by group and by name in lower case.
type servedThere map[[2]string]schema.GroupVersionResource

func (s servedThere) at(k gatekeeperKind) (schema.GroupVersionResource, bool) {
	at, ok := s[[2]string{k.group, k.name()}]
	return at, ok
}

// constraints returns where the constraints of a template are served.
func (s servedThere) constraints(template string) (schema.GroupVersionResource, bool) {
	at, ok := s[[2]string{constraintGroup, template}]
	return at, ok
}

// lookAt asks which of Gatekeeper's kinds are served. Of several versions it is the one that the API server prefers.
func lookAt(ctx context.Context, server servedGroups) (servedThere, error) {
	ctx, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	groups, err := server.ServerGroupsWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("the cluster's groups: %w", err)
	}
	wanted := map[string]bool{constraintGroup: true}
	for _, k := range gatekeeperKinds() {
		wanted[k.group] = true
	}
	out := servedThere{}
	for _, group := range groups.Groups {
		if !wanted[group.Name] {
			continue
		}
		for _, version := range append([]metav1.GroupVersionForDiscovery{group.PreferredVersion}, group.Versions...) {
			list, err := server.ServerResourcesForGroupVersionWithContext(ctx, version.GroupVersion)
			if apierrors.IsNotFound(err) {
				continue // it went between the two questions
			}
			if err != nil {
				return nil, fmt.Errorf("the kinds of %s: %w", version.GroupVersion, err)
			}
			for _, r := range list.APIResources {
				key := [2]string{group.Name, strings.ToLower(r.Kind)}
				_, known := out[key]
				if !known && !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "watch") {
					out[key] = schema.GroupVersionResource{Group: group.Name, Version: version.Version, Resource: r.Name}
				}
			}
		}
	}
	return out, nil
}

// followedKind is a kind that is being followed.
type followedKind struct {
	*kind
	at         schema.GroupVersionResource
	stop       context.CancelFunc
	generation int64     // of its CRD, when it began to be followed
	again      time.Time // when to begin anew; zero is never
}

// theirFollower is what a Gatekeeper follows. It belongs to the goroutine of Run.
type theirFollower struct {
	of          *Gatekeeper
	changed     chan struct{}
	begun       sync.WaitGroup
	own         map[gatekeeperKind]*followedKind
	constraints map[string]*followedKind // by template

	served  servedThere
	asked   time.Time            // when served was asked for last
	pause   time.Duration        // after which it is asked again while something is awaited
	failed  error                // why nobody answered
	missing map[string]time.Time // the templates whose constraints are not served, and since when
}

// follow begins to follow a kind, in the place of the one that did so before.
func (f *theirFollower) follow(ctx context.Context, at schema.GroupVersionResource, before *followedKind) *followedKind {
	k := &kind{client: f.of.client, resource: at, custom: true, whose: "Gatekeeper", files: f.of.filesOf, changed: f.changed}
	if before != nil {
		before.stop()
		k.held = before.held
	}
	k.watched()
	ctx, stop := context.WithCancel(ctx)
	f.begun.Go(func() { k.run(ctx) })
	out := &followedKind{kind: k, at: at, stop: stop, generation: f.of.crds.generation(at)}
	if before != nil && before.generation != out.generation {
		out.again = time.Now().Add(schemaTime)
	}
	return out
}

// outdated reports whether a kind is to be followed anew, or is not followed yet.
func (f *theirFollower) outdated(k *followedKind, at schema.GroupVersionResource) bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	elsewhere := k.at != at && apierrors.IsNotFound(k.trouble)
	k.mu.Unlock()
	generation := f.of.crds.generation(k.at)
	return elsewhere || generation != 0 && generation != k.generation || !k.again.IsZero() && !time.Now().Before(k.again)
}

// due is when to ask next which kinds are served.
func (f *theirFollower) due() time.Time {
	if f.failed == nil && len(f.missing) == 0 && !f.of.crds.unserved(f.served) {
		return f.asked.Add(lookEvery)
	}
	return f.asked.Add(f.pause)
}

// rest is how long nothing need be looked at when nothing is told.
func (f *theirFollower) rest() time.Duration {
	next := f.due()
	for _, k := range f.constraints {
		if !k.again.IsZero() && k.again.Before(next) {
			next = k.again
		}
	}
	return min(poll, max(0, time.Until(next)))
}

// look asks which kinds are served, if it is time to or that may have changed. What was served before stays while nobody answers; the error is
// why nobody did when last asked.
func (f *theirFollower) look(ctx context.Context) error {
	told := f.of.crds.stale.Swap(false)
	if !told && time.Now().Before(f.due()) {
		return f.failed
	}
	f.pause = min(2*f.pause, poll)
	if told || f.pause == 0 {
		f.pause = lookSoon
	}
	served, err := lookAt(ctx, f.of.kinds)
	f.asked, f.failed = time.Now(), err
	if err == nil {
		f.served = served
	}
	return err
}

// adjust begins to follow what is served, of constraints those of the templates, and ends what has no template any more. A kind that is not
// served any more is followed on: it knows what was there.
func (f *theirFollower) adjust(ctx context.Context, templates []string) {
	for _, k := range gatekeeperKinds() {
		at, served := f.served.at(k)
		if before := f.own[k]; served && f.outdated(before, at) {
			f.own[k] = f.follow(ctx, at, before)
		}
	}
	missing := map[string]time.Time{}
	for _, name := range templates {
		at, served := f.served.constraints(name)
		before := f.constraints[name]
		switch {
		case served && f.of.crds.foreign(name):
		case served && f.outdated(before, at):
			f.constraints[name] = f.follow(ctx, at, before)
		case !served && before == nil:
			since, known := f.missing[name]
			if !known {
				since, f.pause = time.Now(), lookSoon
			}
			missing[name] = since
		}
	}
	f.missing = missing
	for name, k := range f.constraints {
		if !slices.Contains(templates, name) {
			k.stop()
			delete(f.constraints, name)
		}
	}
}

// trouble is why a kind cannot be followed now.
type trouble struct {
	of  string
	why error
}

// read returns the files of what is followed. unlisted says of what has not been listed yet why that is.
func (f *theirFollower) read(ctx context.Context) (files []native.File, troubles []trouble, unlisted error) {
	take := func(k *followedKind, template string) {
		found, err := k.read(ctx)
		if err != nil && template != "" && f.goes(ctx, template) {
			return
		}
		if found == nil && (unlisted == nil || errors.Is(unlisted, errNotListed)) {
			unlisted = err
		}
		if err != nil && !errors.Is(err, errNotListed) {
			troubles = append(troubles, trouble{k.resource.GroupResource().String(), err})
		}
		files = append(files, found...)
	}
	for _, k := range gatekeeperKinds() {
		if own := f.own[k]; own != nil {
			take(own, "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.constraints)) {
		// Constraints go with their template, which may just have gone.
		if slices.ContainsFunc(files, func(file native.File) bool { return file.Name == GatekeeperFileName(theTemplates().kind, name) }) {
			take(f.constraints[name], name)
		}
	}
	return files, troubles, unlisted
}

// goes reports whether a template is gone, or about to: the kind of its constraints goes with it, and sooner or later is heard of the one or the other.
func (f *theirFollower) goes(ctx context.Context, template string) bool {
	own := f.own[theTemplates()]
	if own == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, poll)
	defer cancel()
	found, err := f.of.client.Resource(own.at).Get(ctx, template, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = f.of.client.Resource(crdResource()).Get(ctx, own.at.GroupResource().String(), metav1.GetOptions{})
		return err == nil // and not with its own kind, which stays in force
	}
	return err == nil && found.GetDeletionTimestamp() != nil
}

// templates are the names of those that can have constraints.
func (f *theirFollower) templates(ctx context.Context) (out []string) {
	own := f.own[theTemplates()]
	if own == nil {
		return nil
	}
	files, _ := own.read(ctx)
	for _, file := range files {
		_, name, _ := strings.Cut(file.Name, "/")
		if len(validation.IsDNS1035Label(name)) == 0 && len(out) < maxConstraintKinds {
			out = append(out, name)
		}
	}
	return out
}
