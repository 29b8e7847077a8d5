package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// Objects is a Source of a cluster's Policies and PolicyExceptions and of its ConfigMaps that are labelled as kube-mgmt wants it, read as
// one bundle and again when one of them changes. Messages call what was read "policy/NAME", "policyexception/NAMESPACE/NAME" and
// "configmap/NAMESPACE/NAME/KEY"; rows are those of the Rego.
//
// It yields nothing before everything has been listed once. What was read stays while the API server cannot be reached, and when a kind
// vanishes with all its objects, because somebody deleted the CRD; the bundle says so as a Fault until the kind is back.
type Objects struct {
	// Client needs list and watch for all three kinds, and get for the two CRDs, by their names, to tell an object that was deleted from
	// one that went with its kind.
	Client dynamic.Interface
	Reader *native.Reader
	// ConfigMaps are the namespaces whose labelled ConfigMaps are policies: whoever may write a ConfigMap there writes policy. They are
	// named one by one; there is no way to say all.
	ConfigMaps []string
	// LastGood is the Secret in which a LastGood keeps earlier versions of faulty Policies, for which Client needs list and watch by name;
	// the zero value is none.
	LastGood types.NamespacedName
	// Kept is yielded if the cluster cannot be listed in time, until it can. Nil is nothing.
	Kept *Kept
	// Log hears what the source waits for before the first bundle; afterwards bundles say what is wrong.
	Log *slog.Logger

	mu       sync.Mutex
	files    []native.File // as last yielded
	waiting  error         // why nothing has been yielded yet
	begun    bool          // something has
	live     bool          // that was listed by the cluster
	versions versions

	lacked lacked

	watched atomic.Pointer[kind] // the Policies; nil before Run
}

// errNotListed is why there is no bundle yet when nothing worse is known.
var errNotListed = errors.New("the cluster's policies have not been listed yet")

// Ready returns why nothing has been yielded yet, or nil once something has.
func (o *Objects) Ready() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.begun:
		return nil
	case o.waiting != nil:
		return o.waiting
	}
	return errNotListed
}

// read returns the files of the last bundle; false before the first.
func (o *Objects) read() ([]native.File, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.files, o.begun
}

// Run yields the bundle once everything is listed, and after each change. It returns nil when ctx ends, and an error only when a namespace
// of ConfigMaps has no name: whatever is wrong with the cluster may be mended.
func (o *Objects) Run(ctx context.Context, yield func(policies.Bundle)) error {
	changed := make(chan struct{}, 1)
	kinds := []*kind{o.policies(changed), o.exceptions(changed)}
	o.watched.Store(kinds[0])
	for _, namespace := range slices.Compact(slices.Sorted(slices.Values(o.ConfigMaps))) {
		if namespace == "" || namespace == "*" { // to the API server the empty one is all of them
			return errors.New("a namespace with policies in ConfigMaps has no name; name each, for whoever may write ConfigMaps there writes policy")
		}
		kinds = append(kinds, o.configMaps(namespace, changed))
	}
	lastGood := o.lastGood(changed)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, k := range kinds {
		wg.Go(func() { k.run(ctx) })
	}
	if lastGood != nil {
		wg.Go(func() { lastGood.run(ctx) })
	}
	var before [sha256.Size]byte
	for began := time.Now(); heard(ctx, changed, o.pause(began)); {
		files, faults, err := gather(ctx, kinds)
		var earlier []native.File
		if err == nil {
			earlier, err = o.lacked.earlier(ctx, lastGood, o.Live(), o.Log)
		}
		if err != nil {
			o.wait(err)
			if bundle, ok := o.standIn(began); ok {
				yield(bundle)
			}
			continue
		}
		if now := digest(slices.Concat(files, earlier), faults); now != before || !o.Live() {
			before = now
			bundle := o.bundle(files, earlier, faults)
			o.listed()
			yield(bundle)
		}
	}
	return nil
}

// heard waits for a change and a moment longer, in which what is applied together arrives. What no event tells of, as a kind that can be
// looked up again, is found by looking. It returns false when ctx ends.
func heard(ctx context.Context, changed <-chan struct{}, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer.C:
		return true
	}
	timer.Reset(quiet)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// gather reads all kinds. An error means that there is nothing to yield yet; a fault, that what was read before stands in.
func gather(ctx context.Context, kinds []*kind) (files []native.File, faults policies.Faults, err error) {
	for _, k := range kinds {
		found, trouble := k.read(ctx)
		switch {
		case found == nil && trouble != nil:
			return nil, nil, trouble
		case trouble != nil:
			faults = append(faults, policies.Fault{Err: trouble})
		}
		files = append(files, found...)
	}
	return files, faults, nil
}

// bundle reads files, and earlier versions of some. If they are more than a bundle may be, what was read last stays.
func (o *Objects) bundle(files, earlier []native.File, faults policies.Faults) policies.Bundle {
	o.mu.Lock()
	defer o.mu.Unlock()
	if size := sizeOf(files); len(files) > maxFiles || size > maxBytes {
		faults = append(faults, policies.Fault{Err: fmt.Errorf(
			"the cluster's policies are %d files of %d MiB, more than %d or %d MiB; what was read before stays", len(files), size>>20, maxFiles, maxBytes>>20)})
		files = o.files
	}
	o.files, o.begun = files, true
	specs, faulty := o.Reader.Read(files)
	exceptions, torn := o.Reader.Exceptions(files)
	before := o.earlierSpecs(files, earlier)
	o.versions.read(specs, files, before, earlier)
	return policies.Bundle{Specs: specs, Exceptions: exceptions, Faults: slices.Concat(faults, faulty, torn), Notes: notesOf(specs), Earlier: before, Listed: true}
}

// listed notes that the bundle is the cluster's own.
func (o *Objects) listed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live = true
}

func (o *Objects) yielded() bool {
	_, begun := o.read()
	return begun
}

// wait keeps why there is no bundle yet, and tells the log when it is something new.
func (o *Objects) wait(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == nil || o.waiting.Error() != why.Error() {
		o.Log.Warn("the cluster's policies cannot be read yet", "error", why)
	}
	o.waiting = why
}

func sizeOf(files []native.File) (size int) {
	for _, file := range files {
		size += len(file.Text)
	}
	return size
}

// digest tells one state of the cluster's policies from another.
func digest(files []native.File, faults policies.Faults) (out [sha256.Size]byte) {
	sum := sha256.New()
	for _, file := range files {
		fmt.Fprintf(sum, "%s %d\n%s\n", file.Name, len(file.Text), file.Text)
	}
	if len(faults) > 0 {
		fmt.Fprintln(sum, strings.TrimSpace(faults.Error()))
	}
	copy(out[:], sum.Sum(nil))
	return out
}
