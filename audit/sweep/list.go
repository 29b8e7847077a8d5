package sweep

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// restarts is how often a list that expired is begun anew before that is trouble. What was judged is not judged again, so that each gets further.
const restarts = 3

// list looks at every object once, and returns from where on to watch.
func (k *kind) list(ctx context.Context, wanted want) (from string, err error) {
	select {
	case k.lists <- struct{}{}: // few resources at a time are in memory
		defer func() { <-k.lists }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	begun := time.Now()
	k.epoch++
	token := ""
	next := k.fetch(ctx, token)
	for again := 0; ; {
		page, err := next()
		switch resumed := resumeAt(err); {
		case errors.Is(err, ErrPageTooLarge) && k.limit > 1:
			k.limit /= 2
			next = k.fetch(ctx, token)
			continue
		case resumed != "":
			// The rest is of a later time than what came before. The watch begins at the first: it makes up for what happened between them.
			token = resumed
			next = k.fetch(ctx, token)
			continue
		case err != nil && gone(err) && again < restarts:
			again, from, token = again+1, "", ""
			next = k.fetch(ctx, token)
			continue
		case err != nil:
			return "", err
		}
		if from == "" {
			from = page.ResourceVersion
		}
		if token = page.Continue; token != "" {
			next = k.fetch(ctx, token)
		}
		k.each(ctx, page.Items, wanted)
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if token == "" {
			break
		}
	}
	k.shelf.dropIf(func(_ key, e entry) bool { return e.epoch != k.epoch })
	k.took.Store(int64(time.Since(begun)))
	k.hear()
	k.options.Observer.Listed(k.resource.String(), time.Since(begun))
	return from, nil
}

// fetch begins to fetch a page, and returns how to wait for it: the next one is on its way while one is judged, so that neither the API server
// nor the processors wait for the other.
func (k *kind) fetch(ctx context.Context, token string) func() (Page, error) {
	type fetched struct {
		Page
		error
	}
	done, limit := make(chan fetched, 1), k.limit
	go func() {
		page, err := k.cluster.List(ctx, k.resource, limit, token)
		done <- fetched{page, err}
	}()
	return func() (Page, error) {
		out := <-done
		return out.Page, out.error
	}
}

// each judges the items of a page, several at a time.
func (k *kind) each(ctx context.Context, items [][]byte, wanted want) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(k.workers(), len(items)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				at := int(next.Add(1)) - 1
				if at >= len(items) {
					return
				}
				k.look(ctx, items[at], &wanted)
			}
		})
	}
	wg.Wait()
}

func (k *kind) workers() int { return runtime.GOMAXPROCS(0) }
