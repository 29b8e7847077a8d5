package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

const (
	// holdingTime bounds the questions about the kinds of one Config or SyncSet: whoever applies it is waiting.
	holdingTime = 2 * time.Second
	// holdingAtOnce is how many kinds are asked about at once.
	holdingAtOnce = 8
)

// CannotHold says which of the kinds would not be at data.inventory if they were synced now, a sentence each that begins with the remedy: what
// the cluster does not serve, and what this server may not list and watch. It asks the API server about kinds that are not held already, for at most two
// seconds; of what cannot be told by then it says nothing.
func (i *Inventory) CannotHold(ctx context.Context, kinds []schema.GroupVersionKind) (out []string) {
	ctx, cancel := context.WithTimeout(ctx, holdingTime)
	defer cancel()
	held := i.store.Snapshot().Kinds()
	sentences := make([]string, len(kinds))
	var asking sync.WaitGroup
	slots := make(chan struct{}, holdingAtOnce)
	for at, gvk := range kinds {
		kind := inventory.SyncedKind(gvk)
		if slices.Contains(held, kind) {
			continue
		}
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			sentences[at] = i.cannotHold(ctx, kind)
		})
	}
	asking.Wait()
	return slices.DeleteFunc(sentences, func(text string) bool { return text == "" })
}

func (i *Inventory) cannotHold(ctx context.Context, kind inventory.Kind) string {
	at, err := i.server.find(ctx, kind)
	switch {
	case errors.Is(err, errNoSuchKind):
		return fmt.Sprintf("correct its spelling, or install its CRD: the cluster does not serve %s, and to constraints there are none", kind)
	case errors.Is(err, errNoList):
		return fmt.Sprintf("leave %s out: it cannot be listed and watched, and constraints that read it have no answer", kind)
	case err != nil:
		return ""
	}
	for _, verb := range []string{"list", "watch"} {
		if may, err := i.server.may(ctx, verb, at.GroupResource()); err == nil && !may {
			return fmt.Sprintf("add {apiGroup: %q, resources: [%s]} to the chart's rbac.inventory: this server may not %s %s, and constraints that read it have no answer",
				at.Group, at.Resource, verb, kind)
		}
	}
	return ""
}

// Note says of which of the kinds that are to be watched nothing, or nothing new, can be known, and why; it is empty if there are none. It is
// for operators: a server that says so is ready as far as it ever will be.
func (i *Inventory) Note() string {
	needs := i.wanted()
	var out []string
	for _, kind := range i.store.Snapshot().Status(time.Now()) {
		if needs[kind.Kind] != nil && kind.Why != "" {
			out = append(out, fmt.Sprintf("%s: %s", kind.Kind, kind.Why))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "policies that read these have no answer; " + strings.Join(out, "; ")
}
