package scale

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// lifetime is how many Pods are created before one of those that were is deleted: all writers together are never so far apart.
const lifetime = 10 * writers

// changes changes the cluster until ctx ends, 500 times a second or as often as the API server can: of three changes one creates a Pod, one labels a
// Pod, from the last on, and one deletes a Pod that was created. What has begun is done to its end. The Pods that were created and are left are those from one number on and before another.
func (w *world) changes(ctx context.Context) (n, from, to int, err error) {
	tokens := make(chan int)
	group, whole := errgroup.WithContext(context.WithoutCancel(ctx))
	for range writers {
		group.Go(func() error {
			for n := range tokens {
				if err := w.changed(whole, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	begun := time.Now()
	for ctx.Err() == nil && whole.Err() == nil {
		if due := int(time.Since(begun).Seconds() * changesASecond); n >= due {
			time.Sleep(time.Second / changesASecond)
			continue
		}
		select {
		case tokens <- n:
			n++
		case <-ctx.Done():
		case <-whole.Done():
		}
	}
	close(tokens)
	err = group.Wait()
	return n, w.pods + max(n/3-lifetime, 0), w.pods + (n+2)/3, err
}

// changed makes the nth change.
func (w *world) changed(ctx context.Context, n int) error {
	i := n / 3
	switch {
	case n%3 == 0:
		path, body := w.pod(w.pods + i)
		return w.send(ctx, http.MethodPost, path, "application/json", body)
	case n%3 == 2 && i >= lifetime:
		path, _ := w.pod(w.pods + i - lifetime)
		return w.send(ctx, http.MethodDelete, path+"/"+w.podName(w.pods+i-lifetime), "application/json", `{"gracePeriodSeconds":0}`)
	}
	return w.label(ctx, w.pods-1-n%(w.pods/2), "changed", "at-"+strconv.Itoa(n))
}

// settles waits until as many Pods are bad as should be.
func (s *server) settles(b *testing.B, bad int) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		found := s.metrics(b.Context()).results("bad", "fail")
		switch {
		case found == bad:
			return
		case time.Now().After(deadline):
			b.Fatalf("after all changes %d Pods are bad, and should be %d", found, bad)
		}
	}
}
